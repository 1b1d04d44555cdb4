//! A request to a supervisor says the wanted state, and the state that it was based on: repeated or late, it
//! has no unwanted effect.

use std::fs;
use std::fs::File;
use std::thread;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::process;
use crate::support::project::PIPULATE;
use crate::support::{Held, Process, TestProject, holds, wait_for};

/// A service that leaves a child behind when it is killed.
const FERTILE: &str = "[services.w]\ncommand = [\"sh\", \"-c\", \"setsid sleep 4242 & exec sleep 1000\"]\n\
                       restart = \"never\"\n";
/// A service that ends gracefully once there is a file `go`.
const PATIENT: &str = "[services.w]\ncommand = [\"sh\", \"-c\", \
                       \"trap 'until [ -e go ]; do sleep 0.05; done; echo in order; exit 0' TERM; echo up; \
                       while :; do sleep 0.05; done\"]\n\
                       ready = { log = \"up\" }\nstop = { timeout = \"60s\" }\n";

fn only(config: &str) -> TestProject {
    TestProject::light().table("server", "enabled = false").config(config).build()
}

fn record(project: &TestProject) -> Value {
    // While it is replaced, its old file becomes the reserve for a full disk.
    wait_for("a whole record", || serde_json::from_str(&project.read(".pipulate/run/w.json")).ok())
}

/// A text field of the service's record.
fn word(project: &TestProject, key: &str) -> String {
    record(project)[key].as_str().unwrap_or_else(|| panic!("{key} in {}", record(project))).to_owned()
}

/// Requests without a check of the current state, unlike the program.
fn ask(project: &TestProject, request: &str) {
    make(project, request);
    Process::of(&project.service("w")["supervisor_pid"]).signal(Signal::WINCH);
}

/// Makes a request whose requester lives as long as this test.
fn make(project: &TestProject, request: &str) {
    let file = File::create(project.path(&format!(".pipulate/run/w.{request}"))).unwrap();
    file.lock_shared().unwrap();
    std::mem::forget(file);
}

/// The request to stop the service's current supervisor.
fn stop_request(project: &TestProject) -> String {
    let supervisor = record(project)["supervisor"].clone();
    let number = |key: &str| supervisor[key].to_string();
    format!("stop.{}.{}.{}", number("pid"), number("start"), supervisor["boot"].as_str().unwrap())
}

/// Waits until all requests so far were handled: a supervisor handles this signal last.
fn everything_was_heard(project: &TestProject) {
    let said = || project.read(".pipulate/log/supervisor.log").matches("makes way").count();
    let before = said();
    Process::of(&project.service("w")["supervisor_pid"]).signal(Signal::USR1);
    holds("the supervisor to have heard", || said() > before);
    project.wait_for_service("w", "to be itself again", |now| {
        now["state"] == "running" || now["state"] == "ready"
    });
}

#[test]
fn a_start_that_was_overtaken_by_another_one_ends_nothing() {
    let project = only(FERTILE);
    project.start(&[]);
    let outlives = project.find_process("sleep 4242");
    Process::of(&project.service("w")["pid"]).kill();
    project.wait_for_state("w", "crashed");
    let late = Held::begin(&project, &["start", "--no-setup"]);
    project.start(&[]);
    let before = project.service("w")["pid"].clone();
    late.finish().expect(0);
    everything_was_heard(&project);
    assert_eq!(project.service("w")["pid"], before);
    assert!(outlives.lives());
}

#[test]
fn a_restart_that_was_overtaken_by_another_one_is_done() {
    let project = only("[services.w]\ncommand = [\"sleep\", \"1000\"]\n");
    project.start(&[]);
    let late = Held::begin(&project, &["restart", "w"]);
    project.run(&["restart", "w"]).expect(0);
    let before = project.service("w")["pid"].clone();
    late.finish().expect(0);
    everything_was_heard(&project);
    assert_eq!(project.service("w")["pid"], before);
}

#[test]
fn a_restart_does_not_bring_back_what_was_stopped_after_it() {
    let project = only("[services.w]\ncommand = [\"sleep\", \"1000\"]\n");
    project.start(&[]);
    let late = Held::begin(&project, &["restart", "w"]);
    project.run(&["stop"]).expect(0);
    let said = late.finish().expect(1).stderr;
    assert!(said.contains("it was stopped meanwhile"), "{said}");
    assert_eq!(project.processes(), []);
    // A stopped service is started by a restart that names it.
    project.run(&["restart", "w"]).expect(0);
    assert_eq!(project.service("w")["state"], "running");
}

#[test]
fn a_restart_before_which_the_service_crashed_is_still_done() {
    let project = only("[services.w]\ncommand = [\"sleep\", \"1000\"]\n");
    project.start(&[]);
    let whole = project.read("pipulate.toml");
    let late = Held::begin(&project, &["restart", "w"]);
    let first = project.service("w")["pid"].clone();
    Process::of(&first).kill();
    project.wait_for_service("w", "to be back", |now| now["pid"] != first && now["state"] == "running");
    project.write("pipulate.toml", &whole.replace("1000", "1001"));
    late.finish().expect(0);
    assert_eq!(Process::of(&project.service("w")["pid"]).command, "sleep 1001");
}

#[test]
fn a_stop_that_was_overtaken_by_another_one_does_not_mean_at_once() {
    let project = only(PATIENT);
    project.start(&[]);
    let late = Held::begin(&project, &["stop"]);
    let said = thread::scope(|scope| {
        let first = scope.spawn(|| project.run(&["stop"]).expect(0).stdout);
        wait_for("the stop to be under way", || (record(&project)["state"] == "stopping").then_some(()));
        let since = Instant::now();
        // Longer than the interval in which two requests count as one.
        holds("some time to pass", || since.elapsed().as_millis() > 300);
        late.send();
        project.write("go", "");
        late.finish().expect(0);
        first.join().unwrap()
    });
    assert!(said.starts_with("Stopped w: ") && !said.contains("forced"), "{said}");
    assert!(project.read(".pipulate/log/w.log").contains("in order"));
}

#[test]
fn a_stop_does_not_end_what_was_started_after_it_was_asked_for() {
    let project = only("[services.w]\ncommand = [\"sleep\", \"1000\"]\n");
    project.start(&[]);
    let late = Held::begin(&project, &["stop"]);
    project.run(&["stop"]).expect(0);
    project.start(&[]);
    let before = project.service("w")["pid"].clone();
    let said = late.finish().expect(1).stderr;
    assert!(said.contains("has been started again since"), "{said}");
    assert_eq!(project.service("w")["pid"], before);
    project.run(&["stop"]).expect(0);
}

#[test]
fn a_start_that_comes_late_does_not_restart_what_another_one_started() {
    let project = only(FERTILE);
    project.start(&[]);
    let outlives = project.find_process("sleep 4242");
    Process::of(&project.service("w")["pid"]).kill();
    project.wait_for_state("w", "crashed");
    let seen = word(&project, "next_run");
    project.start(&[]);
    let before = project.service("w");
    ask(&project, &format!("begin.{seen}"));
    everything_was_heard(&project);
    let after = project.service("w");
    assert_eq!((&after["pid"], &after["state"]), (&before["pid"], &"running".into()));
    assert!(outlives.lives());
}

#[test]
fn many_starts_at_once_of_what_has_crashed_end_nothing() {
    let project = only(FERTILE);
    project.start(&[]);
    let first = project.find_process("sleep 4242");
    for _ in 0..10 {
        Process::of(&project.service("w")["pid"]).kill();
        project.wait_for_state("w", "crashed");
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| project.start(&["w"]));
            }
        });
        assert!(first.lives());
        let mains = project.processes().iter().filter(|found| found.command == "sleep 1000").count();
        assert_eq!(mains, 1);
    }
}

#[test]
fn a_restart_that_comes_late_does_not_restart_once_more() {
    let project = only("[services.w]\ncommand = [\"sleep\", \"1000\"]\n");
    project.start(&[]);
    let seen = word(&project, "generation");
    project.run(&["restart", "w"]).expect(0);
    let before = project.service("w")["pid"].clone();
    ask(&project, &format!("restart.{seen}"));
    everything_was_heard(&project);
    assert_eq!(project.service("w")["pid"], before);
    // With the current generation it restarts, also after a crash, which doesn't change the generation.
    let generation = word(&project, "generation");
    Process::of(&before).kill();
    let after =
        project.wait_for_service("w", "to be back", |now| now["pid"] != before && now["state"] == "running");
    assert_eq!(word(&project, "generation"), generation);
    ask(&project, &format!("restart.{generation}"));
    project.wait_for_service("w", "to be restarted", |now| {
        now["pid"] != after["pid"] && now["state"] == "running"
    });
    assert_ne!(word(&project, "generation"), generation);
}

#[test]
fn a_restart_beside_a_crash_reads_the_configuration_all_the_same() {
    let config =
        |number| format!("[services.w]\ncommand = [\"sleep\", \"{number}\"]\nrestart = \"always\"\n");
    let project = only(&config(1000));
    project.start(&[]);
    let whole = project.read("pipulate.toml");
    for number in 1001..1009 {
        let main = Process::of(&project.service("w")["pid"]);
        project.write("pipulate.toml", &whole.replace("1000", &number.to_string()));
        thread::scope(|scope| {
            scope.spawn(|| main.signal(Signal::KILL));
            project.run(&["restart", "w"]).expect(0);
        });
        let now = project.wait_for_state("w", "running");
        assert_eq!(Process::of(&now["pid"]).command, format!("sleep {number}"));
        // Not a crash loop: a requested restart resets the count.
        assert_eq!(now["restarts"], 0);
    }
}

#[test]
fn a_second_signal_to_stop_still_means_at_once() {
    let project = only(PATIENT);
    project.start(&[]);
    let supervisor = Process::of(&project.service("w")["supervisor_pid"]);
    thread::scope(|scope| {
        let first = scope.spawn(|| project.run(&["stop"]).expect(0).stdout);
        wait_for("the stop to be under way", || (record(&project)["state"] == "stopping").then_some(()));
        let said = loop {
            if first.is_finished() {
                break first.join().unwrap();
            }
            supervisor.signal(Signal::TERM);
        };
        assert!(said.contains("forced"), "{said}");
    });
}

#[test]
fn a_request_of_a_supervisor_that_is_gone_means_nothing_to_the_next_one() {
    let project = only("[services.w]\ncommand = [\"sleep\", \"1000\"]\n");
    project.start(&[]);
    let request = stop_request(&project);
    let generation = word(&project, "generation");
    project.run(&["stop"]).expect(0);
    for late in [request, format!("restart.{generation}")] {
        make(&project, &late);
    }
    project.start(&[]);
    let before = project.service("w");
    Process::of(&before["supervisor_pid"]).signal(Signal::WINCH);
    everything_was_heard(&project);
    assert_eq!(project.service("w")["pid"], before["pid"]);
    project.run(&["stop"]).expect(0);
}

#[test]
fn what_an_interrupted_command_asked_is_not_carried_out_later() {
    let project = only("[services.w]\ncommand = [\"sleep\", \"1000\"]\n");
    project.start(&[]);
    let before = project.service("w")["pid"].clone();
    let left = [stop_request(&project), format!("restart.{}", word(&project, "generation"))];
    let leave = || left.iter().for_each(|left| project.write(&format!(".pipulate/run/w.{left}"), ""));
    // Neither by an upgrade, nor together with another command's request.
    leave();
    everything_was_heard(&project);
    assert_eq!((&project.service("w")["pid"], &project.service("w")["state"]), (&before, &"running".into()));
    leave();
    project.run(&["restart", "w"]).expect(0);
    let after = project.service("w");
    assert!(after["state"] == "running" && after["pid"] != before, "{after}");
    // It counts while its requester lives.
    ask(&project, &stop_request(&project));
    project.wait_for_state("w", "stopped");
}

#[test]
fn a_supervisor_that_knows_no_requests_is_asked_by_signals() {
    let project = only(FERTILE);
    project.start(&[]);
    let forget = || {
        let mut record = record(&project);
        record.as_object_mut().unwrap().remove("generation");
        project.write(".pipulate/run/w.json", &record.to_string());
    };
    let before = project.service("w")["pid"].clone();
    forget();
    project.run(&["restart", "w"]).expect(0);
    assert_ne!(project.service("w")["pid"], before);
    Process::of(&project.service("w")["pid"]).kill();
    project.wait_for_state("w", "crashed");
    forget();
    project.start(&[]);
    assert_eq!(project.service("w")["state"], "running");
    forget();
    let said = project.run(&["stop"]).expect(0).stdout;
    assert!(said.starts_with("Stopped w: ") && said.ends_with("0 processes left\n"), "{said}");
}

#[test]
fn nothing_is_left_of_a_request() {
    let project = only(FERTILE);
    project.start(&[]);
    project.run(&["restart", "w"]).expect(0);
    Process::of(&project.service("w")["pid"]).kill();
    project.wait_for_state("w", "crashed");
    project.start(&[]);
    project.run(&["stop"]).expect(0);
    let left = fs::read_dir(project.path(".pipulate/run")).unwrap().flatten().map(|entry| entry.file_name());
    let mut left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with("w.")).collect();
    left.sort();
    assert_eq!(left, ["w.json", "w.lock", "w.out"]);
}

#[test]
fn a_start_does_not_bring_back_what_was_stopped_after_it() {
    let project = only("[services.w]\ncommand = [\"sleep\", \"1000\"]\nready = { log = \"never\" }\n");
    project.run(&["start", "--no-setup", "--no-wait"]).expect(0);
    let supervisor = Process::of(&project.service("w")["supervisor_pid"]);
    thread::scope(|scope| {
        let second = scope.spawn(|| project.run(&["start", "--no-setup"]));
        // It waits for the same service to be ready.
        holds("the second start to wait", || waits(&project));
        project.run(&["stop"]).expect(0);
        let said = second.join().unwrap().expect(1).stderr;
        assert!(said.contains("it was stopped meanwhile"), "{said}");
    });
    assert!(!supervisor.lives());
    project.run(&["status"]).expect(3);
}

/// Returns true if a `start` process is asleep in its wait.
fn waits(project: &TestProject) -> bool {
    let command = format!("{PIPULATE} start --no-setup");
    let waits = |process: &Process| {
        let call = fs::read_to_string(format!("/proc/{}/syscall", process.pid)).unwrap_or_default();
        process.command == command && (call.starts_with("7 ") || call.starts_with("271 "))
    };
    process::with_variable(&format!("HOME={}", project.home().display())).iter().any(waits)
}
