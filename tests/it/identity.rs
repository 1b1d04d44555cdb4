//! Only verified processes are signaled, even with damaged files in `.pipulate/run`; a query
//! deletes nothing and never hangs.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::process::ForeignProcess;
use crate::support::project::PIPULATE;
use crate::support::run::{self, Output};
use crate::support::skip;
use crate::support::{Process, TestProject, holds, mounts, wait_for};

const RECORD: &str = ".pipulate/run/worker.json";
const NOBODY: &str = "65534";

fn worker(command: &str) -> TestProject {
    let config = format!("[services.worker]\ncommand = {command}\n");
    TestProject::light().table("server", "enabled = false").config(&config).build()
}

fn sleeper() -> Command {
    let mut command = run::command("sleep");
    command.arg("1000").env_clear();
    command
}

/// A running worker's record, with `victim` as the worker.
fn forged(genuine: &Value, victim: &Process) -> Value {
    let mut forged = genuine.clone();
    let identity = &mut forged["main"]["identity"];
    (identity["pid"], identity["start"]) = (victim.pid.into(), victim.start.into());
    forged["supervisor"] = identity.clone();
    forged
}

#[test]
fn a_record_that_names_somebody_else_makes_nobody_ours() {
    let project = worker("[\"sleep\", \"1000\"]");
    project.start(&[]);
    let genuine: Value = serde_json::from_str(&project.read(RECORD)).unwrap();
    project.run(&["stop"]).expect(0);
    let is_root = rustix::process::geteuid().is_root();
    let innocent = ForeignProcess::start(&mut sleeper());
    if !is_root {
        skip::skipped("root", "in part: only root can have a process of another user");
    }
    let anothers = is_root.then(|| ForeignProcess::start(&mut run::as_user(NOBODY, &sleeper())));
    let mut dead = sleeper().spawn().unwrap();
    let zombie = Process::find(i32::try_from(dead.id()).unwrap()).unwrap();
    dead.kill().unwrap();
    holds("the zombie", || Process::find(zombie.pid).is_none());
    // The command's parent is this test.
    let parent = Process::find(i32::try_from(std::process::id()).unwrap()).unwrap();

    let mut cases = vec![("our parent", forged(&genuine, &parent)), ("a zombie", forged(&genuine, &zombie))];
    cases.extend(anothers.iter().map(|other| ("another user's", forged(&genuine, &other.process()))));
    let mut before_the_reboot = forged(&genuine, &innocent.process());
    let mut elsewhere = before_the_reboot.clone();
    for identity in [&["main", "identity"][..], &["supervisor"]] {
        let place = |record: &mut Value, key: &str, value: Value| {
            let identity = identity.iter().fold(record, |value, key| &mut value[*key]);
            identity[key] = value;
        };
        place(&mut before_the_reboot, "boot", "00000000-0000-0000-0000-000000000000".into());
        place(&mut elsewhere, "pid_namespace", 1.into());
    }
    cases.extend([("before a reboot", before_the_reboot), ("in a container that is gone", elsewhere)]);

    for (case, record) in &cases {
        // A process that can't be read may or may not be ours.
        let is_doubtful = ["our parent", "another user's"].contains(case);
        for args in [
            &["status"][..],
            &["stop"],
            &["stop", "--force"],
            &["restart", "worker"],
            &["start", "--no-setup"],
        ] {
            project.write(RECORD, &record.to_string());
            project.write(".pipulate/run/worker.pid", &format!("{}\n", record["main"]["identity"]["pid"]));
            let said = project.run(args);
            assert!(said.code.is_some_and(|code| code <= 4), "{case}: {args:?}: {said:?}");
            if is_doubtful {
                let named = format!("process {} (", record["main"]["identity"]["pid"]);
                assert!(said.stderr.contains(&named), "{case}: {args:?}");
                said.expect(if args == ["status"] { 4 } else { 1 });
            }
            let pid = &record["main"]["identity"]["pid"];
            assert_ne!(&project.service("worker")["pid"], pid, "{case}: {args:?}");
            innocent.process();
            assert!(parent.lives() && anothers.iter().all(|other| other.process().lives()));
            project.run(&["stop"]).expect(i32::from(is_doubtful));
        }
    }
    assert_eq!(project.processes(), []);
    dead.wait().unwrap();
}

/// A name, and a function that puts the damaged file in place.
type Damage = (&'static str, fn(&Path));

const DAMAGES: [Damage; 8] = [
    ("empty", |path| fs::write(path, "").unwrap()),
    ("cut off", |path| fs::write(path, "{\"version\": 1, \"root\": \"/").unwrap()),
    ("of the future", |path| fs::write(path, "{\"version\": 7, \"anything\": []}").unwrap()),
    ("not text", |path| fs::write(path, [0xff, 0xfe, 0, b'\n'].repeat(9)).unwrap()),
    ("huge", |path| fs::write(path, vec![b' '; 3 << 20]).unwrap()),
    ("a link", |path| symlink("/etc/passwd", path).unwrap()),
    ("a FIFO", |path| drop(run::output(run::command("mkfifo").arg(path)).expect(0))),
    ("a folder", |path| fs::create_dir(path).unwrap()),
];

#[test]
fn no_file_in_run_can_mislead_hang_or_be_lost_by_a_question() {
    let project = worker("[\"sleep\", \"1000\"]");
    project.start(&[]);
    project.run(&["stop"]).expect(0);
    let genuine = project.read(RECORD);
    for name in ["worker.json", "worker.pid", "worker.lock", "worker.out", "token", ".worker.json.spare"] {
        let path = project.path(&format!(".pipulate/run/{name}"));
        for (damage, make) in DAMAGES {
            remove(&path);
            make(&path);
            let before = fs::symlink_metadata(&path).unwrap();
            let case = format!("{name} is {damage}");
            for args in [&["status"][..], &["status", "--json"], &["logs"], &["url", "worker"]] {
                let said = project.run(args);
                holds_water(&case, args, &said);
                let after =
                    fs::symlink_metadata(&path).unwrap_or_else(|error| panic!("{case}: {args:?}: {error}"));
                assert_eq!(
                    (before.ino(), before.len(), before.mtime_nsec()),
                    (after.ino(), after.len(), after.mtime_nsec())
                );
            }
            for args in [&["stop"][..], &["start", "--no-setup"], &["stop"]] {
                holds_water(&case, args, &project.run(args));
            }
            holds_water(&case, &["stop --force"], &project.run(&["stop", "--force"]));
            assert_eq!(project.processes(), [], "{case}");
            remove(&path);
            project.write(RECORD, &genuine);
        }
    }
    let precious = fs::metadata("/etc/passwd").unwrap();
    assert!(precious.len() > 0);
}

/// Asserts a usable answer: a documented exit code, a message with every failure, no panic.
#[track_caller]
fn holds_water(case: &str, args: &[&str], said: &Output) {
    let code = said.code.unwrap_or_else(|| panic!("{case}: {args:?} was killed: {said:?}"));
    assert!([0, 1, 3, 4].contains(&code), "{case}: {args:?}: {said:?}");
    assert!(!said.stderr.contains("panicked"), "{case}: {args:?}: {said:?}");
    let is_told = said.stderr.contains("error:") || said.stderr.contains("warning:");
    assert!(is_told || matches!(code, 0 | 3), "{case}: {args:?}: {said:?}");
}

fn remove(path: &Path) {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

#[test]
fn what_lives_in_another_container_is_told_of_and_left_alone() {
    if !mounts::are_ours(&[]) {
        return;
    }
    let project = worker("[\"sleep\", \"1000\"]");
    let inside = |script: &str| {
        let mut unshare = project.foreign("unshare");
        unshare.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, PIPULATE]);
        unshare
    };
    let mut container =
        inside("\"$0\" start --no-setup && touch started && exec sleep 1000").spawn().unwrap();
    holds("the start in the container", || project.path("started").exists());
    let there: Value = serde_json::from_str(&project.read(RECORD)).unwrap();
    for (args, code) in
        [(&["status"][..], 4), (&["stop"], 1), (&["stop", "--force"], 1), (&["start", "--no-setup"], 1)]
    {
        let said = project.run(args).expect(code);
        assert!(said.stderr.contains("in another container"), "{args:?}: {said:?}");
    }
    assert_eq!(serde_json::from_str::<Value>(&project.read(RECORD)).unwrap(), there);
    assert_eq!(project.processes().len(), 2);
    container.kill().unwrap();
    container.wait().unwrap();
    holds("the container's end", || project.processes().is_empty());

    // The container ended its processes; and from inside, a process outside is elsewhere.
    project.start(&[]);
    let said = run::output(&mut inside(
        "\"$0\" status; echo $?; \"$0\" stop --force; echo $?; \"$0\" start --no-setup; echo $?",
    ));
    let codes: Vec<&str> = said.stdout.lines().filter(|line| line.parse::<u8>().is_ok()).collect();
    assert_eq!(codes, ["4", "1", "1"], "{said:?}");
    assert_eq!(project.service("worker")["state"], "running");
    project.run(&["stop"]).expect(0);
}

#[test]
fn what_belongs_to_another_user_survives_a_stop_and_is_named() {
    if skip::unless_root() {
        return;
    }
    let project = worker(
        "[\"sh\", \"-c\", \"./becomes-root -c 'import os, time; os.setresuid(0, 0, 0); open(\\\"is-root\\\", \\\"w\\\"); time.sleep(1000)' & exec sleep 1000\"]",
    );
    let python = fs::canonicalize("/usr/bin/python3").unwrap();
    let above = project.home().parent().unwrap();
    run::output(run::command("chown").args(["-R", NOBODY]).arg(above)).expect(0);
    fs::copy(python, project.path("becomes-root")).unwrap();
    fs::set_permissions(project.path("becomes-root"), fs::Permissions::from_mode(0o4755)).unwrap();
    let call = |args: &[&str]| run::output(&mut run::as_user(NOBODY, &project.command(args)));
    call(&["start", "--no-setup"]).expect(0);
    holds("the child of another user", || project.path("is-root").exists());
    let survivor = wait_for("it among the processes", || {
        project.processes().into_iter().find(|process| process.command.starts_with("./becomes-root"))
    });

    let stopped = call(&["stop", "--timeout", "1s"]).expect(1);
    let line = format!("still alive: becomes-root (pid {}), belongs to another user", survivor.pid);
    assert!(stopped.stdout.contains(&line), "{stopped:?}");
    assert!(stopped.stdout.contains("1 process left"), "{stopped:?}");
    assert!(survivor.lives());
    // That is the answer for as long as it runs.
    let status = call(&["status"]);
    assert_ne!(status.code, Some(0), "{status:?}");
    assert!(call(&["stop"]).expect(1).stdout.contains(&line));
    survivor.kill();
    call(&["stop"]).expect(0);
    call(&["status"]).expect(3);
    run::output(run::command("chown").args(["-R", "0"]).arg(above)).expect(0);
}

#[test]
fn how_an_adopted_service_ended_is_told_where_the_kernel_tells() {
    let command = "[\"sh\", \"-c\", \"while [ ! -e go ]; do sleep 0.02; done; exit 0\"]";
    // This test adopts orphans and reaps them at once: not every init does.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let project = worker(command);
    project.start(&[]);
    Process::of(&project.service("worker")["supervisor_pid"]).kill();
    project.start(&[]);
    let adopted = project.service("worker");
    let pid =
        adopted["pid"].as_i64().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
    let reaper =
        std::thread::spawn(move || rustix::process::waitpid(pid, rustix::process::WaitOptions::empty()));
    project.write("go", "");
    reaper.join().unwrap().unwrap();
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split('.').map_while(|word| word.parse::<u32>().ok());
    if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 15) {
        assert_eq!(project.wait_for_state("worker", "exited")["last_exit"]["code"], 0);
    } else {
        // An end without a known status is a failure, and the next instance is a child again.
        let again = wait_for("another instance", || {
            Some(project.service("worker")).filter(|now| now["pid"] != adopted["pid"] && now["restarts"] == 1)
        });
        assert!(!again["last_exit"].is_null());
    }
}

#[test]
fn whoever_only_holds_a_lock_is_not_signaled_and_is_named() {
    let project = worker("[\"sleep\", \"1000\"]");
    project.start(&[]);
    project.run(&["stop"]).expect(0);
    let hold = "import fcntl, time\n\
                lock = open('.pipulate/run/worker.lock', 'r+')\n\
                fcntl.lockf(lock, fcntl.LOCK_EX)\n\
                time.sleep(1000)";
    let foreign = ForeignProcess::start(project.foreign("python3").args(["-c", hold]));
    let held = wait_for("the lock", || {
        Some(project.service("worker")).filter(|worker| worker["supervisor_pid"] == foreign.process().pid)
    });
    assert_eq!(held["state"], "stopped", "a lock starts nothing");
    for args in [&["stop"][..], &["stop", "--force"]] {
        let refused = project.run(args).expect(1);
        let named = format!("process {} holds its lock but is not its supervisor", foreign.process().pid);
        assert!(refused.stderr.contains(&named), "{refused:?}");
    }
    // "crashed" would have `start` ask the supervisor for a restart.
    for (state, code) in [("crashed", 124), ("running", 1)] {
        let mut record: Value = serde_json::from_str(&project.read(RECORD)).unwrap();
        record["state"] = state.into();
        project.write(RECORD, &record.to_string());
        let verb: &[&str] = if state == "crashed" {
            &["start", "--no-setup", "--wait-timeout", "1s"]
        } else {
            &["restart", "worker"]
        };
        project.run(verb).expect(code);
        foreign.process();
    }
}
