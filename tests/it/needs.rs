//! Services that need each other: the order of starts, restarts and stops, and what happens to the others
//! when one fails.

use std::fs;
use std::thread;

use crate::support::project::{Builder, PIPULATE};
use crate::support::{Process, Session, Terminal, TestProject, holds};

/// A project with only the services in the text.
fn only(services: &str) -> Builder {
    TestProject::light().table("server", "enabled = false").config(services)
}

/// Asserts that the failed command left no process.
fn holds_nothing(project: &TestProject) {
    holds("nothing to be left running", || project.processes().is_empty());
}

/// A service that records when it begins and ends.
fn diarist(name: &str, more: &str) -> String {
    let line = format!(
        "trap 'echo {name} ends >> diary; exit 0' TERM; echo {name} begins >> diary; echo up; \
         sleep 1000 & wait"
    );
    format!("[services.{name}]\ncommand = [\"sh\", \"-c\", \"{line}\"]\nready = {{ log = \"up\" }}\n{more}\n")
}

#[test]
fn services_start_after_those_that_they_need_and_stop_before_them() {
    let services = diarist("api", "depends_on = [\"cache\", \"store\"]")
        + &diarist("cache", "depends_on = [\"store\"]")
        + &diarist("store", "");
    let project = only(&services).build();
    project.start(&["api"]);
    assert_eq!(project.read("diary"), "store begins\ncache begins\napi begins\n");
    project.run(&["stop"]).expect(0);
    let diary = project.read("diary");
    assert_eq!(diary.lines().skip(3).collect::<Vec<_>>(), ["api ends", "cache ends", "store ends"]);
    holds_nothing(&project);
}

#[test]
fn nothing_starts_whose_need_could_not_be_met() {
    let broken = "[services.store]\ncommand = [\"sh\", \"-c\", \"echo the disk is on fire; exit 7\"]\nready = { tcp = true }\n";
    let project = only(&(diarist("api", "depends_on = [\"store\"]") + broken)).build();
    let mut session = Session::new(&project);
    session.run(&["start", "--no-setup"], 1);
    insta::assert_snapshot!(session.text());
    assert!(!project.path("diary").exists());
    holds_nothing(&project);
}

#[test]
fn a_need_that_never_becomes_ready_is_named_and_keeps_nobody_else_back() {
    let mute =
        "[services.mute]\ncommand = [\"sleep\", \"1000\"]\nready = { tcp = true, timeout = \"200ms\" }\n";
    let services = diarist("api", "depends_on = [\"gate\"]")
        + &diarist("gate", "depends_on = [\"mute\"]")
        + &diarist("alone", "depends_on = [\"base\"]")
        + &diarist("base", "")
        + mute;
    let project = only(&services).build();
    let mut session = Session::new(&project);
    session.run(&["start", "--no-setup"], 1);
    insta::assert_snapshot!(session.text());
    assert_eq!(project.read("diary"), "base begins\nalone begins\n");
    project.run(&["restart", "gate"]).expect(0);
    project.run(&["stop"]).expect(0);
}

/// The entries since the last call.
fn news(project: &TestProject) -> Vec<String> {
    let news = project.read("diary").lines().map(str::to_owned).collect();
    fs::remove_file(project.path("diary")).unwrap();
    news
}

#[test]
fn a_restart_keeps_the_order_and_starts_first_what_is_needed() {
    let services = diarist("api", "depends_on = [\"cache\"]")
        + &diarist("cache", "depends_on = [\"store\"]")
        + &diarist("store", "")
        + "[services.once]\ncommand = [\"sh\", \"-c\", \"echo once >> diary\"]\n";
    let project = only(&services.replace("[\"store\"]", "[\"store\", \"once\"]")).build();
    project.start(&["api"]);
    project.wait_for_state("once", "exited");
    news(&project);

    project.run(&["restart", "store", "api", "cache"]).expect(0);
    let in_order = ["store", "cache", "api"].map(|name| [format!("{name} ends"), format!("{name} begins")]);
    assert_eq!(news(&project), in_order.concat());

    project.run(&["stop", "api", "store"]).expect(0);
    news(&project);
    let restarted = project.run(&["restart", "api"]).expect(0);
    assert_eq!(restarted.stdout, "Restarted api\n");
    assert_eq!(news(&project), ["store begins", "api begins"], "what runs, or has done its work, is let be");
}

#[test]
fn a_restart_whose_needs_can_not_be_met_ends_nothing() {
    let project = only(&(diarist("api", "depends_on = [\"store\"]") + &diarist("store", ""))).build();
    project.start(&[]);
    let api = Process::of(&project.service("api")["pid"]);
    let config = project.read("pipulate.toml");
    project.write("pipulate.toml", &config.replace("echo store begins", "exit 7; echo store begins"));
    let mut session = Session::new(&project);
    session.run(&["restart"], 1);
    assert!(api.lives(), "it goes on as it was");
    session.run(&["restart", "api"], 1);
    assert!(api.lives(), "it goes on as it was");
    let started = session.run(&["start", "--no-setup", "api"], 1);
    assert_eq!(started.stdout, "api\n", "it runs");
    insta::assert_snapshot!(session.text());
}

#[test]
fn whoever_stops_or_restarts_all_from_inside_of_one_service_ends_with_that_one_and_last() {
    let obeys = "[services.obeys]\ndepends_on = [\"store\"]\ncommand = [\"sh\", \"-c\", \
                 \"until [ -e order ]; do sleep 0.02; done; mv order done; sh done; exec sleep 1000\"]\n";
    let project = only(&(obeys.to_owned() + &diarist("store", ""))).build();
    let other = project.home().join("zoo");
    fs::create_dir(&other).unwrap();
    fs::copy(project.path("pipulate.toml"), other.join("pipulate.toml")).unwrap();
    let at_other = ["-C", other.to_str().unwrap()];
    let order = |words: &str| {
        project.start(&[]);
        project.write("new", &format!("{PIPULATE} {words}\n"));
        fs::rename(project.path("new"), project.path("order")).unwrap();
    };

    order("stop");
    holds_nothing(&project);

    project.run(&[&at_other[..], &["start", "--no-setup"]].concat()).expect(0);
    order("stop --all");
    holds_nothing(&project);
    project.run(&[&at_other[..], &["status"]].concat()).expect(3);

    project.start(&[]);
    let before = ["obeys", "store"].map(|name| project.service(name)["pid"].clone());
    order("restart");
    holds("both to be other ones", || {
        let now = ["obeys", "store"].map(|name| project.service(name));
        now.iter().zip(&before).all(|(now, before)| now["pid"].is_i64() && now["pid"] != *before)
    });
}

#[test]
fn what_was_asked_for_in_a_terminal_is_finished_when_that_is_closed() {
    // It waits before it is up, and before it ends.
    let waits = |file: &str| format!("until [ -e {file} ]; do sleep 0.02; done");
    let (begin, end) = (waits("begin"), waits("end"));
    let line = format!("{begin}; trap '{end}; exit 0' TERM; echo up; sleep 1000 & wait");
    let patient = |name: &str, more: &str| {
        let command = format!("command = [\"sh\", \"-c\", \"{line}\"]\nready = {{ log = \"up\" }}");
        format!("[services.{name}]\n{command}\n{more}\n")
    };
    let project = only(&(patient("api", "depends_on = [\"store\"]") + &patient("store", ""))).build();
    let half_way = |verb: &str, first: &str, state: &str, go_on: &str| {
        let terminal = Terminal::open(&project.command(&[]), &format!("{PIPULATE} {verb}"));
        project.wait_for_state(first, state);
        terminal.hang_up();
        project.write(go_on, "");
    };
    let pids = || ["api", "store"].map(|name| project.service(name)["pid"].clone());

    half_way("start --no-setup", "store", "starting", "begin");
    project.wait_for_state("api", "ready");
    let before = pids();
    half_way("restart", "store", "stopping", "end");
    holds("both to be other ones", || pids().iter().zip(&before).all(|(now, before)| now != before));
    project.wait_for_state("api", "ready");
    fs::remove_file(project.path("end")).unwrap();
    half_way("stop", "api", "stopping", "end");
    holds_nothing(&project);
}

/// A service that is up once a file `go` exists; it fails if `fail` exists, too.
fn patient(name: &str, more: &str) -> String {
    let line = format!(
        "echo {name} begins >> diary; until [ -e go ]; do sleep 0.02; done; [ -e fail ] && exit 3; \
         echo up; exec sleep 1000"
    );
    format!("[services.{name}]\ncommand = [\"sh\", \"-c\", \"{line}\"]\nready = {{ log = \"up\" }}\n{more}\n")
}

#[test]
fn what_is_stopped_while_a_restart_waits_for_its_needs_stays_stopped() {
    let services = patient("api", "depends_on = [\"store\"]") + &patient("store", "");
    let project = only(&services).build();
    project.write("go", "");
    project.start(&[]);
    fs::remove_file(project.path("go")).unwrap();
    thread::scope(|scope| {
        let restart = scope.spawn(|| project.run(&["restart", "store", "api"]).expect(1).stderr);
        project.wait_for_state("store", "starting");
        project.run(&["stop", "api"]).expect(0);
        project.write("go", "");
        let said = restart.join().unwrap();
        assert!(said.contains("api did not start again"), "{said}");
    });
    assert_eq!(project.service("store")["state"], "ready");
    assert_eq!(project.service("api")["state"], "stopped", "the stop wins");
    project.run(&["stop"]).expect(0);
    holds_nothing(&project);
}

/// The number of pending starts.
fn pending_starts(project: &TestProject) -> usize {
    let files = fs::read_dir(project.path(".pipulate/run")).into_iter().flatten().flatten();
    files.filter(|file| file.file_name().to_string_lossy().starts_with("start.")).count()
}

#[test]
fn what_is_stopped_before_a_start_has_begun_it_is_begun_by_a_later_start_only() {
    let services = patient("api", "depends_on = [\"store\"]") + &patient("store", "");
    let project = only(&services).build();
    let start = || project.run(&["start", "--no-setup", "--no-browser", "api"]);
    thread::scope(|scope| {
        let earlier = scope.spawn(start);
        project.wait_for_state("store", "starting");
        let stopped = project.run(&["stop", "api"]).expect(0).stdout;
        assert_eq!(stopped, "api had not started yet, and will not be started\napi: 0 processes left\n");
        project.write("go", "");
        let said = earlier.join().unwrap().expect(1).stderr;
        assert!(said.contains("api: it was stopped meanwhile"), "{said}");
    });
    assert_eq!(project.service("store")["state"], "ready");
    assert_eq!(project.service("api")["state"], "stopped", "the stop wins");
    assert_eq!(pending_starts(&project), 0);

    project.run(&["stop"]).expect(0);
    fs::remove_file(project.path("go")).unwrap();
    thread::scope(|scope| {
        let earlier = scope.spawn(start);
        project.wait_for_state("store", "starting");
        project.run(&["stop", "api"]).expect(0);
        let later = scope.spawn(start);
        holds("both starts to be under way", || pending_starts(&project) == 2);
        project.write("go", "");
        later.join().unwrap().expect(0);
        earlier.join().unwrap();
    });
    assert_eq!(project.service("api")["state"], "ready");
    project.run(&["stop"]).expect(0);
    holds_nothing(&project);
}

#[test]
fn the_order_is_kept_where_nobody_waits_for_it() {
    let services = patient("api", "depends_on = [\"cache\"]")
        + &patient("cache", "depends_on = [\"store\"]")
        + &patient("store", "");
    let project = only(&services).build();
    let awaits = |service: &str, why: &str| {
        project
            .wait_for_service(service, why, |found| found["state"] == "starting" && found["reason"] == why);
    };
    let without_waiting = || {
        let started = project.run(&["start", "--no-setup", "--no-wait", "api"]).expect(0);
        assert_eq!(started.stdout, "store\ncache\napi\n");
        awaits("api", "waiting for cache, which it depends on");
        awaits("cache", "waiting for store, which it depends on");
    };

    without_waiting();
    holds("the first one to begin", || project.path("diary").exists());
    assert_eq!(project.read("diary"), "store begins\n");
    project.write("go", "");
    project.wait_for_state("api", "ready");
    assert_eq!(news(&project), ["store begins", "cache begins", "api begins"]);
    project.run(&["stop"]).expect(0);
    fs::remove_file(project.path("go")).unwrap();

    // A waiting service can be stopped; the services that wait for it report that.
    without_waiting();
    project.run(&["stop", "cache"]).expect(0);
    assert_eq!(project.wait_for_state("api", "crashed")["reason"], "it needs cache, which was stopped");
    assert_eq!(project.service("store")["state"], "starting");
    project.run(&["stop"]).expect(0);

    without_waiting();
    project.run(&["stop", "store"]).expect(0);
    assert_eq!(project.wait_for_state("cache", "crashed")["reason"], "it needs store, which was stopped");
    project.run(&["stop"]).expect(0);

    // A failed dependency is named, with its reason.
    without_waiting();
    holds("the first one to begin", || project.path("diary").exists());
    news(&project);
    project.write("fail", "");
    project.write("go", "");
    let api = project.wait_for_state("api", "crashed");
    assert_eq!(
        project.service("cache")["reason"],
        "it needs store, which has crashed: it ended with code 3 before it was ready"
    );
    assert!(api["reason"].as_str().unwrap().starts_with("it needs cache, which has crashed: it needs store"));
    assert!(!project.path("diary").exists(), "nothing else was begun");
    project.run(&["stop"]).expect(0);
    holds_nothing(&project);
}

#[test]
fn a_bare_start_starts_what_is_needed_and_names_what_is_not_there() {
    let needs = "[services.w]\ncommand = [\"sleep\", \"1000\"]\ndepends_on = [\"dashboard\"]\n";
    let project = only(needs).build();
    let refused = project.run(&["start", "--no-setup"]).expect(1).stderr;
    assert!(refused.contains("dashboard does not exist in this folder, and w depends on it"), "{refused}");
    project.write("server.py", "");
    project.start(&[]);
    assert_eq!(project.service("dashboard")["state"], "ready");

    let config = project.read("pipulate.toml").replace("[\"dashboard\"]", "[\"server\"]");
    project.write("pipulate.toml", &config);
    let refused = project.run(&["start", "--no-setup"]).expect(1).stderr;
    assert!(refused.contains("[services.w] depends_on names server, which is disabled"), "{refused}");
    project.run(&["stop"]).expect(0);
}

#[test]
fn what_waits_for_a_late_service_is_begun_when_that_is_up_although_nobody_waits_any_more() {
    let services = patient("api", "depends_on = [\"cache\"]")
        + &patient("cache", "depends_on = [\"store\"]")
        + &patient("store", "");
    let project = only(&services).build();
    let late = project.run(&["start", "--no-setup", "--wait-timeout", "200ms"]).expect(124);
    assert!(late.stderr.contains("error: still starting: store, cache, api\n"), "{}", late.stderr);
    project.write("go", "");
    project.wait_for_state("api", "ready");
    assert_eq!(news(&project), ["store begins", "cache begins", "api begins"]);
    project.run(&["stop"]).expect(0);
}
