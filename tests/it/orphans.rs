//! Orphans of killed supervisors: the supervisor is replaced at any moment, and each process stays with its
//! own service, whichever process adopts it.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::run;
use crate::support::{Process, TestProject, holds, process, wait_for};

/// A service with a child that lacks the marker and is identified only by `secret` in its arguments; `output`
/// is its redirection.
fn with_bare_child(name: &str, output: &str) -> (String, String) {
    let secret = format!("1007.{}", std::process::id());
    let command = format!("env -i setsid sleep {secret} {output} & exec sleep 1000");
    (format!("[services.{name}]\ncommand = [\"bash\", \"-c\", \"{command}\"]\n"), secret)
}

fn bare_child(secret: &str) -> Process {
    let is_it = |found: &Process| found.command.starts_with("sleep ");
    wait_for("the bare child", || process::with_argument(secret).into_iter().find(is_it))
}

/// The supervisor in a service's record, if the record has this state. A record that is replaced while it is
/// read has none: its old file becomes the reserve for a full disk.
fn recorded(project: &TestProject, service: &str, state: &str) -> Option<Process> {
    let record = fs::read(project.path(&format!(".pipulate/run/{service}.json"))).ok()?;
    let record: Value = serde_json::from_slice(&record).ok()?;
    let pid = record["supervisor"]["pid"].as_i64().filter(|_| record["state"] == state)?;
    Process::find(i32::try_from(pid).unwrap())
}

/// Kills a service's supervisor and waits for the next one.
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

/// Returns true if a process holds a pidfd of another process.
fn watches(watcher: &Process, watched: &Process) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{}/fdinfo", watcher.pid)) else { return false };
    let line = format!("Pid:\t{}", watched.pid);
    descriptors.flatten().any(|descriptor| {
        fs::read_to_string(descriptor.path()).is_ok_and(|info| info.lines().any(|found| found == line))
    })
}

#[test]
fn a_supervisor_is_watched_before_its_service_is_ready_though_nobody_waits_for_that() {
    let slow = "[services.zebra]\ncommand = [\"bash\", \"-c\", \"until [ -e go ]; do sleep 0.02; done; echo up; exec sleep 1000\"]\nready = { log = \"up\", timeout = \"100s\" }\n";
    let config = format!("[services.worker]\ncommand = [\"sleep\", \"1000\"]\n{slow}");
    // Either no command waits, or the waiting command is killed. Each in a project of its own: after a stop, the
    // sibling looks for another supervisor to watch.
    for waits in [false, true] {
        let project = TestProject::light().table("server", "enabled = false").config(&config).build();
        project.start(&["worker"]);
        let sibling = Process::of(&project.service("worker")["supervisor_pid"]);
        let args: &[&str] = if waits { &["zebra"] } else { &["zebra", "--no-wait"] };
        let mut start = project.command(&[&["start", "--no-setup"], args].concat()).spawn().unwrap();
        let supervisor = wait_for("its supervisor", || recorded(&project, "zebra", "starting"));
        if waits {
            assert!(!watches(&sibling, &supervisor), "the command watches it so far");
            start.kill().unwrap();
        }
        start.wait().unwrap();
        holds("a place in the ring", || watches(&sibling, &supervisor));
        let main = project.service("zebra")["pid"].clone();
        supervisor.kill();
        wait_for("a new supervisor", || {
            recorded(&project, "zebra", "starting").filter(|new| !new.is(&supervisor))
        });
        project.write("go", "");
        let ready = project.wait_for_state("zebra", "ready");
        assert_eq!((&ready["pid"], &ready["restarts"]), (&main, &0.into()));
        project.run(&["stop"]).expect(0);
    }
}

#[test]
fn a_new_instance_waits_for_the_end_of_what_an_unsupervised_one_left_in_its_group() {
    let config = "[services.worker]\ncommand = [\"bash\", \"-c\", \"sleep 1001 & exec sleep 1000\"]\n";
    let project = TestProject::light().table("server", "enabled = false").config(config).build();
    project.start(&[]);
    let left = project.find_process("sleep 1001");
    let before = project.service("worker");
    Process::of(&before["supervisor_pid"]).kill();
    Process::of(&before["pid"]).kill();
    assert!(left.lives(), "nobody ends it unasked");

    project.start(&[]);
    assert!(!left.lives(), "two instances would work at once");
    let after = project.service("worker");
    assert!(after["state"] == "running" && after["pid"] != before["pid"], "{after}");
}

#[test]
fn what_is_never_to_be_restarted_is_not_run_again_by_a_rescue() {
    let once = "[services.once]\ncommand = [\"bash\", \"-c\", \"echo run >> runs; exec sleep 1000\"]\nrestart = \"never\"\n";
    let config = format!("{once}[services.worker]\ncommand = [\"sleep\", \"1000\"]\n");
    let project = TestProject::light().table("server", "enabled = false").config(&config).build();
    project.start(&[]);
    let service = project.service("once");
    let (supervisor, main) = (Process::of(&service["supervisor_pid"]), Process::of(&service["pid"]));
    holds("the first run", || project.path("runs").is_file());
    // It must not see its sibling's end.
    supervisor.signal(Signal::STOP);
    main.kill();
    supervisor.kill();

    // `status` says "crashed" at once; the log says when the rescuing supervisor has handled it. While the dead
    // process is a zombie, the kernel tells its exit status, so the log may or may not have it.
    let own_log = ".pipulate/log/supervisor.log";
    let is_handled = |line: &str| line.contains("once") && line.contains("its main process ended");
    holds("the rescue", || project.read(own_log).lines().any(is_handled));
    // A start would join the rescuing supervisor and report that end.
    holds("the end of the rescuing supervisor", || project.supervisors("once").is_empty());
    let crashed = project.wait_for_state("once", "crashed");
    assert_eq!(project.read("runs"), "run\n", "{crashed}");
    project.start(&["once"]);
    wait_for("another run, now that it is asked for", || {
        (project.read("runs") == "run\nrun\n").then_some(())
    });
}

#[test]
fn a_service_whose_configuration_is_being_edited_is_taken_over_all_the_same() {
    let config = "[services.other]\ncommand = [\"sleep\", \"1000\"]\n\
                  [services.worker]\ncommand = [\"sleep\", \"1000\"]\n";
    let project = TestProject::light().table("server", "enabled = false").config(config).build();
    project.start(&[]);
    let before = project.service("worker");
    let whole = project.read("pipulate.toml");
    project.write("pipulate.toml", &format!("{whole}half = ["));
    replace(&project, "worker");
    assert_eq!(project.service("worker")["pid"], before["pid"]);

    project.write("pipulate.toml", &whole);
    project.run(&["restart", "worker"]).expect(0);
    assert_ne!(project.service("worker")["pid"], before["pid"], "by the configuration again");
}

#[test]
fn what_was_adopted_is_still_stopped_whole_after_an_upgrade() {
    let config =
        "[services.worker]\ncommand = [\"bash\", \"-c\", \"(setsid sleep 1001 &); exec sleep 1000\"]\n";
    let project = TestProject::light().table("server", "enabled = false").config(config).build();
    project.start(&[]);
    let daemon = project.find_process("sleep 1001");
    Process::of(&project.service("worker")["supervisor_pid"]).kill();
    project.start(&[]);
    Process::of(&project.service("worker")["supervisor_pid"]).signal(Signal::USR1);
    wait_for("the newer program", || {
        project.read(".pipulate/log/supervisor.log").contains("makes way").then_some(())
    });

    let stopped = project.run(&["stop"]).expect(0);
    assert!(!daemon.lives(), "{}", stopped.stdout);
    assert!(stopped.stdout.starts_with("Stopped worker: 2 processes"), "{}", stopped.stdout);
}

#[test]
fn a_restart_goes_on_with_whoever_takes_a_killed_supervisors_place() {
    let patient = "[services.patient]\ncommand = [\"sh\", \"-c\", \"trap 'sleep 0.4; exit 0' TERM; echo up; while :; do sleep 0.05; done\"]\nready = { log = \"up\" }\n";
    let sibling = "[services.worker]\ncommand = [\"sleep\", \"1000\"]\n";
    let project = TestProject::light()
        .table("server", "enabled = false")
        .config(&(patient.to_owned() + sibling))
        .build();
    // With a sibling that takes over, and without one.
    for services in [&["patient", "worker"][..], &["patient"]] {
        project.start(services);
        let before = project.service("patient");
        let supervisor = Process::of(&before["supervisor_pid"]);
        let said = std::thread::scope(|scope| {
            let restart = scope.spawn(|| project.run(&["restart", "patient"]));
            wait_for("the restart to be half way", || recorded(&project, "patient", "stopping").map(drop));
            supervisor.kill();
            restart.join().unwrap()
        });
        let said = said.expect(0);
        let after = project.service("patient");
        assert!(after["state"] == "ready" && after["pid"] != before["pid"], "{said:?} {after}");
        project.run(&["stop"]).expect(0);
    }
}

#[test]
fn what_was_adopted_is_still_stopped_whole_after_it_ended_and_was_started_again() {
    let script = "[ -e begun ] || (setsid sleep 1001 &); touch begun; [ -e ended ] && exec sleep 1000; \
                  until [ -e ended ]; do sleep 0.02; done; exit 3";
    let command = format!("command = [\"bash\", \"-c\", \"{script}\"]");
    let config = format!("[services.worker]\n{command}\nrestart = \"never\"\n");
    let project = TestProject::light().table("server", "enabled = false").config(&config).build();
    project.start(&[]);
    let daemon = project.find_process("sleep 1001");
    Process::of(&project.service("worker")["supervisor_pid"]).kill();
    project.start(&[]);
    project.write("ended", "");
    // After a successful end its child would be a background process, and `start` would be refused.
    project.wait_for_state("worker", "crashed");
    project.start(&[]);

    let stopped = project.run(&["stop"]).expect(0);
    assert!(!daemon.lives(), "{}", stopped.stdout);
    assert!(stopped.stdout.starts_with("Stopped worker: 2 processes"), "{}", stopped.stdout);
}

#[test]
fn a_member_of_an_adopted_group_that_is_born_during_its_end_is_ended_too() {
    // Chains of processes that each fork the next and exit. They inherit the ignored TERM and the FIFO: a
    // FIFO without writers proves their end more reliably than process scans.
    let chains = "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
                  alive = open('alive', 'w')\n\
                  for _ in range(40):\n    if os.fork() == 0:\n        break\n\
                  open('begun', 'w').close()\n\
                  for _ in range(500):\n    time.sleep(0.25)\n    if os.fork():\n        os._exit(0)\n";
    let command = "python3 chains.py >/dev/null 2>&1 & exec sleep 1000";
    let config =
        format!("[services.worker]\ncommand = [\"bash\", \"-c\", \"{command}\"]\nrestart = \"never\"\n");
    let project = TestProject::light()
        .table("server", "enabled = false")
        .config(&config)
        .file("chains.py", chains)
        .build();
    run::output(run::command("mkfifo").arg(project.path("alive"))).expect(0);
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut alive =
        fs::File::options().read(true).custom_flags(nonblocking).open(project.path("alive")).unwrap();
    project.start(&[]);
    holds("the chains", || project.path("begun").exists());
    let before = project.service("worker");
    Process::of(&before["supervisor_pid"]).kill();
    project.start(&[]);
    let is_held = |alive: &mut fs::File| match alive.read(&mut [0]) {
        Ok(_) => false,
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    };
    assert!(is_held(&mut alive));
    Process::of(&before["pid"]).kill();
    project.wait_for_state("worker", "crashed");
    assert!(!is_held(&mut alive), "one of them lives on");
}

#[test]
fn back_off_goes_on_over_an_upgrade_and_a_rescue() {
    let flaky = "[services.worker]\ncommand = [\"sh\", \"-c\", \"echo up; sleep 0.2; exit 1\"]\nready = { log = \"up\" }\n\
                 [services.other]\ncommand = [\"sleep\", \"1000\"]\n";
    let gives_up_after = |signal| {
        let project = TestProject::light().table("server", "enabled = false").config(flaky).build();
        project.start(&[]);
        let supervisor = wait_for("back-off", || recorded(&project, "worker", "backoff"));
        let restarts = project.service("worker")["restarts"].as_u64().unwrap();
        supervisor.signal(signal);
        let last = project.wait_for_service("worker", "to be given up on", |now| {
            assert!(now["restarts"].as_u64().unwrap() >= restarts, "{now}");
            // Until a sibling has taken over, it counts as ended from outside.
            now["state"] == "crashed" && now["restarts"].as_u64() > Some(restarts)
        });
        assert!(last["reason"].as_str().unwrap().contains("times within"), "{last}");
    };
    // In parallel, because each takes a while.
    std::thread::scope(|scope| {
        scope.spawn(|| gives_up_after(Signal::USR1));
        gives_up_after(Signal::KILL);
    });
}
