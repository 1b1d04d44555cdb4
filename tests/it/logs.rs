//! The services' output by time: filters, timestamps, and JSON.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::project::PIPULATE;
use crate::support::{Process, Session, Terminal, TestProject, holds, wait_for};

/// Prints its secret and a colored line, then the lines that are appended to `say`.
const TALKER: &str = "[services.talker]\nenv = { MY_TOKEN = \"sk-12345678\" }\n\
    command = [\"sh\", \"-c\", \"echo begin $$; printf 'the key is sk-12345678 \\u001b[31mred\\u001b[0m\\\\n'; exec tail -f -n 0 say\"]\n";

fn talking() -> TestProject {
    let project = TestProject::light().config(TALKER).file("say", "").build();
    project.start(&["talker"]);
    holds("its first lines", || lines(&project, &["logs"]).len() == 2);
    project
}

fn say(project: &TestProject, what: &str) {
    project.write("more", &format!("{what}\n"));
    let mut shell = project.foreign("sh");
    shell.args(["-c", "cat more >> say"]);
    assert!(shell.status().unwrap().success());
    holds("what was said in the log", || project.read(".pipulate/log/talker.log").contains(what));
}

fn lines(project: &TestProject, args: &[&str]) -> Vec<String> {
    project.run(args).expect(0).stdout.lines().map(str::to_owned).collect()
}

fn json_lines(project: &TestProject, args: &[&str]) -> Vec<Value> {
    let parse = |line: &String| serde_json::from_str(line).unwrap();
    lines(project, &[&["logs", "--json"], args].concat()).iter().map(parse).collect()
}

/// The time, once new output can't share an index entry with the earlier output.
fn clock() -> Timestamp {
    let begun = Instant::now();
    holds("the end of what moves share", || begun.elapsed() > Duration::from_millis(11));
    Timestamp::now()
}

fn time(line: &Value) -> Timestamp {
    line["time"].as_str().unwrap().parse().unwrap()
}

#[test]
fn the_last_start_and_the_last_ready_divide_a_log() {
    let project = talking();
    say(&project, "of the first run");
    let before = project.service("talker")["pid"].to_string();
    project.run(&["restart", "talker"]).expect(0);
    let pid = project.service("talker")["pid"].to_string();
    assert_ne!(pid, before);
    holds("the lines of both runs", || lines(&project, &["logs"]).len() == 5);
    let new = [format!("begin {pid}"), "the key is **** red".to_owned()];
    assert_eq!(lines(&project, &["logs", "talker", "--since", "last-start"]), new);
    assert_eq!(lines(&project, &["logs", "talker", "--since", "last-start", "-n", "1"]), new[1..]);
    let old = lines(&project, &["logs", "talker", "--until", "last-start"]);
    assert_eq!(
        (old.len(), old[0].as_str(), old[2].as_str()),
        (3, &*format!("begin {before}"), "of the first run")
    );
    say(&project, "when it was ready");
    let ready = lines(&project, &["logs", "talker", "--since", "last-ready"]);
    assert_eq!(ready.last().unwrap(), "when it was ready");
    assert!(!ready.contains(&"of the first run".to_owned()), "{ready:?}");
}

#[test]
fn each_line_has_the_time_at_which_it_came() {
    let project = talking();
    let before = clock();
    say(&project, "something");
    let found = json_lines(&project, &["--since", &before.to_string()]);
    let [line] = found.as_slice() else { panic!("{found:?}") };
    assert!(before <= time(line) && time(line) <= clock(), "{before} {line}");
    let before = &before.to_string();
    assert_eq!(lines(&project, &["logs", "--until", before]).len(), 2);
    assert_eq!(lines(&project, &["logs", "--since", "10m"]).len(), 3);
    assert_eq!(lines(&project, &["logs", "--until", "10m"]).len(), 0);
    assert_eq!(lines(&project, &["logs", "--since", "yesterday", "-g", "some"]), ["something"]);

    let mut elsewhere = project.command(&["logs", "-t"]);
    elsewhere.env("TZ", "<+05>-5:30");
    let shown = String::from_utf8(elsewhere.output().unwrap().stdout).unwrap();
    let pattern = regex::Regex::new(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+05:30 something$").unwrap();
    assert!(pattern.is_match(shown.lines().last().unwrap()), "{shown}");
}

#[test]
fn programs_get_an_object_for_each_line() {
    let project = talking();
    let seen = json_lines(&project, &[]);
    let first = project.read(".pipulate/log/talker.log").lines().next().unwrap().to_owned();
    assert_eq!(seen[0]["text"], json!(first));
    let keys: Vec<&str> = seen[1].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys.len(), 4);
    assert!(seen[1]["time"].as_str().unwrap().ends_with('Z'));
    assert_eq!(seen[1]["service"], "talker");
    assert_eq!(seen[1]["text"], "the key is **** red");
    assert_eq!(seen[1]["offset"], json!(first.len() + 1));
}

#[test]
fn lines_of_several_services_stand_in_the_order_of_their_times() {
    let project = TestProject::light()
        .config(TALKER)
        .config("[services.echo]\ncommand = [\"tail\", \"-f\", \"-n\", \"0\", \"echoed\"]\n")
        .file("say", "")
        .file("echoed", "")
        .build();
    project.start(&["talker", "echo"]);
    holds("its first lines", || lines(&project, &["logs", "talker"]).len() == 2);
    let mut expected = Vec::new();
    for number in 0..6 {
        let (service, file) = [("talker", "say"), ("echo", "echoed")][number % 2];
        let mut shell = project.foreign("sh");
        shell.args(["-c", &format!("echo {number} >> {file}")]);
        assert!(shell.status().unwrap().success());
        expected.push((json!(service), json!(number.to_string())));
        wait_for("the line in the log", || {
            let lines = json_lines(&project, &["talker", "echo", "-g", r"^\d$"]);
            let seen: Vec<_> =
                lines.iter().map(|line| (line["service"].clone(), line["text"].clone())).collect();
            (seen.len() > number).then(|| assert_eq!(seen, expected, "{lines:?}"))
        });
    }
}

#[test]
fn a_follower_begins_where_it_was_told_to() {
    let project = talking();
    let mark = clock();
    say(&project, "the first after");
    let mut follower =
        Terminal::open(&project.command(&[]), &format!("exec {PIPULATE} logs -f --since {mark} --json"));
    follower.wait_for("the first after");
    say(&project, "the second after");
    follower.wait_for("the second after");
    assert!(!follower.shown().contains("begin"), "{}", follower.shown());
    follower.type_text("\x03");
    assert_eq!(follower.end(), Some(0));
}

#[test]
fn what_came_without_an_index_is_shown_with_a_warning() {
    let project = talking();
    project.run(&["stop"]).expect(0);
    std::fs::remove_file(project.path(".pipulate/log/talker.log.idx")).unwrap();
    let shown = project.run(&["logs", "--json"]).expect(0);
    let first: Value = serde_json::from_str(shown.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["time"], json!(null));
    assert_eq!(
        shown.stderr.matches("it is not known when some of these lines came").count(),
        1,
        "{}",
        shown.stderr
    );
    let shown = project.run(&["logs", "--since", "last-start"]).expect(0);
    assert_eq!(shown.stdout.lines().count(), 2);
    assert!(shown.stderr.contains("could not tell when talker was last started"), "{}", shown.stderr);
    // A new index is begun; `logs` without `--since` doesn't need the old one.
    assert_eq!(project.run(&["logs"]).expect(0).stderr, "");
    project.start(&["talker"]);
    holds("the new lines", || lines(&project, &["logs", "--since", "last-start"]).len() == 2);
}

#[test]
fn the_index_outlives_a_supervisor_that_was_killed() {
    let project = talking();
    let supervisor = Process::of(&project.service("talker")["supervisor_pid"]);
    let before = clock();
    supervisor.kill();
    wait_for("another supervisor", || {
        project.start(&["talker"]);
        (project.service("talker")["state"] == "running").then_some(())
    });
    say(&project, "afterwards");
    let seen = json_lines(&project, &["--since", &before.to_string()]);
    assert_eq!((seen.len(), &seen[0]["text"]), (1, &json!("afterwards")));
    assert!(json_lines(&project, &[]).iter().all(|line| line["time"].is_string()));
}

#[test]
fn a_service_that_floods_has_a_wider_pipe_until_it_does_not() {
    let project = TestProject::light()
        .config("[logs]\nmax_size = \"1MiB\"\nkeep = 1\n")
        .config("[services.loud]\ncommand = [\"sh\", \"-c\", \"yes; exec sleep 1000\"]\n")
        .build();
    project.start(&["loud"]);
    let pipe =
        std::fs::OpenOptions::new().read(true).write(true).open(project.path(".pipulate/run/loud.out"));
    let pipe = pipe.unwrap();
    let holds_bytes = |size| rustix::pipe::fcntl_getpipe_size(&pipe).unwrap() == size;
    holds("the wide pipe", || holds_bytes(1 << 20));
    let processes = project.service("loud")["processes"].clone();
    let yes = processes.as_array().unwrap().iter().find(|process| process["name"] == "yes").unwrap();
    Process::of(&yes["pid"]).kill();
    holds("the usual one", || holds_bytes(16 * rustix::param::page_size()));
}

#[test]
fn a_time_that_is_none_is_answered_with_what_is_one() {
    let project = TestProject::light().build();
    let mut session = Session::new(&project);
    session.run(&["logs", "--since", "soon"], 2);
    session.run(&["logs", "--until", "10"], 2);
    session.run(&["logs", "--since", "25:61"], 2);
    session.run(&["logs", "--since", "-5m"], 2);
    session.run(&["logs", "-n", "-1"], 2);
    session.run(&["logs", "--path", "--json"], 2);
    insta::assert_snapshot!(session.text());
}

#[test]
fn lowered_limits_of_logs_hold_from_the_next_start_on() {
    let config = |keep: u32, services: &[&str]| {
        let service = |name: &&str| {
            format!("[services.{name}]\ncommand = [\"sh\", \"-c\", \"seq 100000; exec sleep 1000\"]\n")
        };
        let services: String = services.iter().map(service).collect();
        format!(
            "[logs]\nmax_size = \"64KiB\"\nkeep = {keep}\n[services.jupyter]\nenabled = false\n\
                 [services.server]\nenabled = false\n{services}"
        )
    };
    let project = TestProject::light().build();
    project.write("pipulate.toml", &config(6, &["stays", "goes"]));
    project.start(&[]);
    let old = |service: &str| {
        (1..20)
            .filter(|number| project.path(&format!(".pipulate/log/{service}.log.{number}")).exists())
            .count()
    };
    holds("the last lines of both", || {
        let lines = lines(&project, &["logs", "-n", "1"]);
        lines.iter().filter(|line| line.ends_with("100000")).count() == 2
    });
    assert_eq!((old("stays"), old("goes")), (6, 6));
    project.write("pipulate.toml", &config(2, &["stays", "goes"]));
    project.run(&["restart", "stays"]).expect(0);
    assert_eq!((old("stays"), old("goes")), (2, 6));
    project.run(&["stop", "goes"]).expect(0);
    project.write("pipulate.toml", &config(2, &["stays"]));
    project.start(&[]);
    assert_eq!(old("goes"), 2);
    assert_eq!(lines(&project, &["logs", "goes", "-n", "1"]), ["100000"]);
}
