//! One supervisor and one instance of each service, however commands, upgrades and deletions overlap.

use std::fs;
use std::path::Path;
use std::thread;

use rustix::fs::FlockOperation;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::process::Process;
use crate::support::project::{PIPULATE, TestProject};
use crate::support::run;
use crate::support::wait::{holds, wait_for};

const WORKER: &str = "[services.worker]\ncommand = [\"sleep\", \"1000\"]\n";

fn workers(project: &TestProject) -> usize {
    project.processes().iter().filter(|found| found.command == "sleep 1000").count()
}

fn only_a_worker(config: &str) -> TestProject {
    TestProject::light().table("server", "enabled = false").config(config).build()
}

#[test]
fn twenty_starts_at_once_give_one_worker_and_are_all_done() {
    let project = only_a_worker(WORKER);
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| project.run(&["start", "--no-setup"]).expect(0));
        }
    });
    assert_eq!(workers(&project), 1);
    assert_eq!(project.processes().len(), 2, "the worker and its supervisor");
    project.run(&["stop"]).expect(0);
    assert_eq!(project.processes(), []);
}

#[test]
fn five_stops_at_once_are_one_request() {
    let patient = "[services.worker]\ncommand = [\"sh\", \"-c\", \
                   \"trap 'sleep 0.5; echo ended in order; exit 0' TERM; echo up; while :; do sleep 0.05; done\"]\n\
                   ready = { log = \"up\" }\n";
    let project = only_a_worker(patient);
    project.start(&[]);
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| project.run(&["stop"]).expect(0));
        }
    });
    let stopped = project.run(&["logs", "worker", "--no-prefix"]).expect(0);
    assert!(stopped.stdout.contains("ended in order"), "it was not let end: {}", stopped.stdout);
}

#[test]
fn a_start_during_a_stop_starts_it_again() {
    let slow = "[services.worker]\ncommand = [\"sh\", \"-c\", \
                \"trap 'sleep 0.5; exit 0' TERM; echo up; while :; do sleep 0.05; done\"]\n\
                ready = { log = \"up\" }\n";
    let project = only_a_worker(slow);
    project.start(&[]);
    let before = project.service("worker");
    thread::scope(|scope| {
        scope.spawn(|| {
            let stopped = project.run(&["stop"]);
            // If the stop checks only after the start, it reports that: its result is true as well.
            let is_late = stopped.code == Some(1) && stopped.stderr.contains("started again since");
            assert!(stopped.code == Some(0) || is_late, "{stopped:?}");
        });
        project.wait_for_state("worker", "stopping");
        project.start(&[]);
    });
    let after = project.service("worker");
    assert_eq!(after["state"], "ready");
    assert_ne!(after["pid"], before["pid"]);
}

#[test]
fn what_is_started_again_after_a_stop_was_at_no_time_said_to_have_failed() {
    let project = only_a_worker(WORKER);
    for _ in 0..2 {
        project.start(&[]);
        project.run(&["stop"]).expect(0);
    }
    let said = project.read(".pipulate/log/supervisor.log");
    assert_eq!(said.matches("state=\"running\"").count(), 2, "{said}");
    assert!(!said.contains("backoff"), "{said}");
}

#[test]
fn a_start_waits_for_whoever_holds_the_lock_and_then_takes_the_place() {
    let project = only_a_worker(WORKER);
    project.start(&[]);
    project.run(&["stop"]).expect(0);
    let lock = fs::File::options().write(true).open(project.path(".pipulate/run/worker.lock")).unwrap();
    rustix::fs::fcntl_lock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    thread::scope(|scope| {
        let start = scope.spawn(|| project.start(&[]));
        assert_eq!(project.service("worker")["supervisor_pid"], std::process::id());
        assert_eq!(workers(&project), 0);
        drop(lock);
        start.join().unwrap();
    });
    assert_eq!(workers(&project), 1);
}

#[test]
fn a_worker_that_has_just_ended_does_not_run_whatever_its_record_says() {
    let project = only_a_worker(WORKER);
    project.start(&[]);
    let before = project.service("worker");
    let supervisor = Process::of(&before["supervisor_pid"]);
    supervisor.signal(Signal::STOP);
    Process::of(&before["pid"]).kill();
    project.run(&["start", "--no-setup", "--wait-timeout", "300ms"]).expect(124);
    supervisor.signal(Signal::CONT);
    project.start(&[]);
    let after = project.service("worker");
    assert_eq!((&after["state"], &after["restarts"]), (&"running".into(), &1.into()));
    assert_ne!(after["pid"], before["pid"]);
}

#[test]
fn a_stop_that_a_killed_supervisor_had_begun_is_no_reason_to_wait() {
    let project = only_a_worker(WORKER);
    project.start(&[]);
    // The last record before the kill, while the next supervisor already holds the lock.
    let record = ".pipulate/run/worker.json";
    let mut stale: Value = serde_json::from_str(&project.read(record)).unwrap();
    (stale["state"], stale["wanted"]) = ("stopping".into(), "stopped".into());
    stale["supervisor"]["pid"] = 1.into();
    project.write(record, &stale.to_string());
    project.run(&["stop"]).expect(0);
    assert_eq!(project.processes(), []);
}

#[test]
fn a_worker_that_its_supervisor_could_not_write_down_any_more_is_found() {
    let project = only_a_worker(WORKER);
    project.start(&[]);
    let before = project.service("worker");
    Process::of(&before["supervisor_pid"]).kill();
    // The last record of a supervisor that was killed after it started the worker and before
    // it recorded that.
    let record = ".pipulate/run/worker.json";
    let mut early: Value = serde_json::from_str(&project.read(record)).unwrap();
    early["next_run"] = early["main"].take()["run"].take();
    early["state"] = "starting".into();
    project.write(record, &early.to_string());
    let found = project.service("worker");
    assert_eq!((&found["state"], &found["pid"]), (&"unsupervised".into(), &before["pid"]));
    project.start(&[]);
    let after = project.service("worker");
    assert_eq!((&after["state"], &after["pid"]), (&"running".into(), &before["pid"]));
    assert_eq!(workers(&project), 1);
}

#[test]
fn a_deleted_state_folder_does_not_make_two_of_one_service() {
    let project = only_a_worker(WORKER);
    project.start(&[]);
    // A file may be created in it during the removal.
    holds("its removal", || fs::remove_dir_all(project.path(".pipulate")).is_ok());
    let refused = project.run(&["start", "--no-setup"]).expect(1);
    assert!(refused.stderr.contains("pipulate stop worker"), "{}", refused.stderr);
    assert_eq!(workers(&project), 1);
    project.run(&["stop"]).expect(0);
    holds("the worker's end", || project.processes().is_empty());
    project.start(&[]);
    assert_eq!(workers(&project), 1);
}

#[test]
fn a_deleted_lock_makes_neither_a_second_supervisor_nor_a_stop_that_is_undone() {
    let project = only_a_worker(&format!("{WORKER}[services.other]\ncommand = [\"sleep\", \"1001\"]\n"));
    project.start(&[]);
    let before = project.service("worker");
    let supervisor = Process::of(&before["supervisor_pid"]);
    let lock = project.path(".pipulate/run/worker.lock");
    fs::remove_file(&lock).unwrap();
    let after = project.service("worker");
    assert_eq!((&after["state"], &after["supervisor_pid"]), (&before["state"], &before["supervisor_pid"]));
    project.start(&[]);
    // Its sibling rescans when its neighbor changes.
    project.run(&["restart", "other"]).expect(0);
    assert_eq!(project.supervisors("worker"), std::slice::from_ref(&supervisor));

    Process::of(&before["pid"]).kill();
    project.wait_for_state("worker", "running");
    assert_eq!(workers(&project), 1);
    assert!(lock.exists(), "it has a lock again");
    fs::remove_file(&lock).unwrap();
    let stopped = project.run(&["stop", "worker"]).expect(0);
    assert!(stopped.stdout.starts_with("Stopped worker: 1 process "), "{}", stopped.stdout);
    assert_eq!((project.supervisors("worker"), workers(&project)), (Vec::new(), 0));
}

#[test]
fn an_upgrade_replaces_the_supervisors_program_and_not_the_service() {
    let project = only_a_worker(WORKER);
    let program = project.home().join("pipulate");
    fs::copy(PIPULATE, &program).unwrap();
    run::output(project.foreign(&program).args(["start", "--no-setup"])).expect(0);
    let before = project.service("worker");

    let newer = project.home().join("newer");
    fs::copy(PIPULATE, &newer).unwrap();
    fs::rename(&newer, &program).unwrap();
    let upgraded = run::output(project.foreign(&program).args(["start", "--no-setup"])).expect(0);
    assert!(upgraded.stderr.contains("supervisor of worker is replaced"), "{}", upgraded.stderr);

    let after = project.service("worker");
    for same in ["pid", "supervisor_pid", "state", "restarts", "started_at"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    let supervisor = Process::of(&after["supervisor_pid"]);
    let runs = fs::read_link(Path::new("/proc").join(supervisor.pid.to_string()).join("exe")).unwrap();
    assert_eq!(runs, program, "not the deleted one");
    Process::of(&after["pid"]).kill();
    wait_for("the new program to restart it", || {
        Some(project.service("worker")).filter(|now| now["state"] == "running" && now["pid"] != after["pid"])
    });
}

#[test]
fn an_upgrade_needs_neither_the_old_path_nor_a_configuration() {
    let env_file = "env_file = \".env\"\n";
    let project = only_a_worker(&format!("{WORKER}{env_file}"));
    project.write(".env", "A=1\n");
    project.start(&[]);
    let before = project.service("worker");
    // Moved to a larger disk; the old path still leads there.
    let moved = project.home().join("moved");
    fs::rename(project.root(), &moved).unwrap();
    std::os::unix::fs::symlink(&moved, project.root()).unwrap();
    fs::remove_file(project.path(".env")).unwrap();

    let supervisor = Process::of(&before["supervisor_pid"]);
    supervisor.signal(Signal::USR1);
    holds("the newer program", || {
        project.read(".pipulate/log/supervisor.log").contains("supervised without its configuration")
    });
    let after = project.wait_for_state("worker", "running");
    assert_eq!((&after["pid"], &after["supervisor_pid"]), (&before["pid"], &before["supervisor_pid"]));
    assert_eq!(workers(&project), 1);
    let stopped = project.run(&["stop"]).expect(0);
    assert!(stopped.stdout.starts_with("Stopped worker: 1 process "), "{}", stopped.stdout);
    assert!(!supervisor.lives());
}

#[test]
fn a_failed_upgrade_leaves_the_old_supervisor_at_work() {
    let project = only_a_worker(WORKER);
    let program = project.home().join("pipulate");
    fs::copy(PIPULATE, &program).unwrap();
    run::output(project.foreign(&program).args(["start", "--no-setup"])).expect(0);
    let before = project.service("worker");
    fs::remove_file(&program).unwrap();

    let supervisor = Process::of(&before["supervisor_pid"]);
    supervisor.signal(Signal::USR1);
    holds("the attempt", || project.read(".pipulate/log/supervisor.log").contains("this one goes on"));
    let after = project.service("worker");
    assert_eq!((&after["pid"], &after["state"]), (&before["pid"], &before["state"]));
    assert!(supervisor.lives());
    Process::of(&after["pid"]).kill();
    wait_for("the old program to restart it", || {
        Some(project.service("worker")).filter(|now| now["state"] == "running" && now["pid"] != after["pid"])
    });
}

#[test]
fn what_the_caller_had_open_is_not_the_services() {
    let project = only_a_worker(WORKER);
    let script = format!("exec 9>held; PORT=7 PIPULATE_SESSION=x exec {PIPULATE} start --no-setup");
    run::output(project.foreign("sh").args(["-c", &script])).expect(0);
    let worker = Process::of(&project.service("worker")["pid"]);
    let open = |pid: i32| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    assert_eq!(open(worker.pid), 3);
    let environment = fs::read_to_string(format!("/proc/{}/environ", worker.pid)).unwrap();
    assert!(!environment.split('\0').any(|variable| variable.starts_with("PORT=")), "{environment}");
}

#[test]
fn a_chain_of_forks_is_ended_and_proved_empty() {
    let chain = "import os, signal, time\n\
                 signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
                 open('begun', 'w').close()\n\
                 end = time.monotonic() + 30\n\
                 while time.monotonic() < end:\n    \
                     if os.fork():\n        os._exit(0)\n    \
                     os.setsid()\n";
    let config = "[services.worker]\ncommand = [\"sh\", \"-c\", \"python3 chain.py & exec sleep 1000\"]\n";
    let project = only_a_worker(config);
    project.write("chain.py", chain);
    project.start(&[]);
    holds("the chain", || project.path("begun").exists());
    let stopped = project.run(&["stop"]).expect(0);
    assert!(stopped.stdout.contains("0 processes left"), "{}", stopped.stdout);
    assert_eq!(project.processes(), []);
}
