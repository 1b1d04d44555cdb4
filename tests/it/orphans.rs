//! What killed supervisors leave: it is replaced at any moment, and each process stays its own
//! service's, whoever inherits it.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Process, TestProject, process, wait_for};

/// A service with a child that has nothing of ours in its environment and in its arguments only
/// what tells it from all others; `output` is where it prints.
fn with_bare_child(name: &str, output: &str) -> (String, String) {
    let secret = format!("1007.{}", std::process::id());
    let command = format!("env -i setsid sleep {secret} {output} & exec sleep 1000");
    (format!("[services.{name}]\ncommand = [\"bash\", \"-c\", \"{command}\"]\n"), secret)
}

fn bare_child(secret: &str) -> Process {
    let is_it = |found: &Process| found.command.starts_with("sleep ");
    wait_for("the bare child", || process::with_argument(secret).into_iter().find(is_it))
}

/// The supervisor that a record names, in a state that it names.
fn recorded(project: &TestProject, service: &str, state: &str) -> Option<Process> {
    let record = fs::read(project.path(&format!(".pipulate/run/{service}.json"))).ok()?;
    let record: Value = serde_json::from_slice(&record).unwrap();
    let pid = record["supervisor"]["pid"].as_i64().filter(|_| record["state"] == state)?;
    Process::find(i32::try_from(pid).unwrap())
}

/// Kills a service's supervisor and waits until it has another one.
fn replace(project: &TestProject, service: &str) -> Process {
    let old = Process::of(&project.service(service)["supervisor_pid"]);
    old.kill();
    wait_for("a new supervisor", || recorded(project, service, "running").filter(|new| !new.is(&old)))
}

#[test]
fn who_was_found_when_a_stop_began_is_ended_though_its_last_tie_is_cut() {
    let (config, secret) = with_bare_child("worker", ">/dev/null 2>&1");
    let project = TestProject::light().table("server", "enabled = false").config(&config).build();
    project.start(&[]);
    let child = bare_child(&secret);
    Process::of(&project.service("worker")["supervisor_pid"]).kill();

    let stopped = project.run(&["stop"]).expect(0);
    let survived = child.lives();
    child.signal(Signal::KILL);
    assert!(!survived, "nothing but its parent told whose it is: {}", stopped.stdout);
    assert!(stopped.stdout.starts_with("Stopped worker: 2 processes"), "{}", stopped.stdout);
}

#[test]
fn a_stop_leaves_what_a_supervisor_inherited_from_a_killed_one_below_it() {
    let (config, secret) = with_bare_child("other", "");
    let worker = "[services.worker]\ncommand = [\"sleep\", \"1000\"]\n";
    let project = TestProject::light().table("server", "enabled = false").config(&(config + worker)).build();
    project.start(&[]);
    let heir = Process::of(&project.service("worker")["supervisor_pid"]);
    let rescued = replace(&project, "other");
    assert_eq!(rescued.ppid, heir.pid, "it was started by its sibling");
    project.run(&["restart", "other"]).expect(0);
    replace(&project, "other");
    let child = bare_child(&secret);
    wait_for("its inheritance", || Process::find(child.pid).filter(|child| child.ppid != rescued.pid));

    let stopped = project.run(&["stop", "worker"]).expect(0);
    assert!(stopped.stdout.starts_with("Stopped worker: 1 process "), "{}", stopped.stdout);
    assert!(child.lives(), "it belongs to the other service: {}", stopped.stdout);
    project.run(&["stop"]).expect(0);
    assert!(!child.lives());
}

#[test]
fn a_supervisor_that_is_killed_the_moment_its_service_is_up_is_replaced() {
    let late = "[services.zebra]\ncommand = [\"bash\", \"-c\", \"sleep 0.1; echo up; exec sleep 1000\"]\nready = { log = \"up\" }\n";
    let config = format!("[services.worker]\ncommand = [\"sleep\", \"1000\"]\n{late}");
    let project = TestProject::light().table("server", "enabled = false").config(&config).build();
    for _ in 0..5 {
        let mut start = project.command(&["start", "--no-setup"]).spawn().unwrap();
        let supervisor = loop {
            if let Some(found) = recorded(&project, "zebra", "ready") {
                break found;
            }
        };
        supervisor.kill();
        wait_for("a new supervisor", || {
            recorded(&project, "zebra", "ready").filter(|new| !new.is(&supervisor))
        });
        start.wait().unwrap();
        project.run(&["stop"]).expect(0);
    }
}
