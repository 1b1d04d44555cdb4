//! The system refuses to end a process, start one, show one, or keep a file. Running services go on, and
//! every report stays true.

use std::fs;
use std::io::{ErrorKind, Write as _};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::project::PIPULATE;
use crate::support::run::{self, Output, as_user};
use crate::support::skip;
use crate::support::{Process, TestProject, holds, mounts, wait_for};

fn worker(command: &str) -> TestProject {
    let config = format!("[services.worker]\ncommand = {command}\n");
    TestProject::light().table("server", "enabled = false").config(&config).build()
}

/// A user id without other processes.
fn lonely_user() -> String {
    (1_000_000 + std::process::id()).to_string()
}

/// The worker's status as its own user sees it.
#[track_caller]
fn as_seen_by(user: &str, project: &TestProject) -> Value {
    let status = run::output(&mut as_user(user, &project.command(&["status", "--json"]))).stdout;
    let status: Value = serde_json::from_str(&status).unwrap();
    status["services"].as_array().unwrap().iter().find(|found| found["name"] == "worker").unwrap().clone()
}

#[track_caller]
fn chown(project: &TestProject, user: &str) {
    let above = project.home().parent().unwrap();
    run::output(run::command("chown").args(["-R", user]).arg(above)).expect(0);
}

#[test]
fn what_nothing_can_interrupt_survives_a_stop_and_is_named() {
    if !mounts::are_ours(&[]) {
        return;
    }
    let project = worker(
        "[\"sh\", \"-c\", \"until [ -e go ]; do sleep 0.02; done; echo x >> disk/file; exec sleep 1000\"]",
    );
    let disk = project.path("disk");
    if !mounts::disk(&disk) {
        return;
    }
    project.start(&[]);
    let main = Process::of(&project.service("worker")["pid"]);
    fs::write(disk.join("file"), "").unwrap();
    let frozen = mounts::Frozen::new(&disk);
    project.write("go", "");
    // Once the file is open, only the frozen disk can block it.
    holds("a wait that nothing ends", || {
        let output = fs::read_link(format!("/proc/{}/fd/1", main.pid));
        let is_open = output.is_ok_and(|file| file == disk.join("file"));
        is_open && fs::read_to_string(format!("/proc/{}/stat", main.pid)).unwrap().contains(") D ")
    });
    let line = format!("still alive: sh (pid {}), is in a system call that can't be interrupted", main.pid);
    let stopped = project.run(&["stop", "--timeout", "100ms"]).expect(1);
    assert!(stopped.stdout.contains(&line) && stopped.stdout.contains("1 process left"), "{stopped:?}");
    assert_ne!(project.run(&["status"]).code, Some(3), "something of it still runs");
    assert!(main.lives());

    // The disk thaws, and the pending kill takes effect.
    drop(frozen);
    holds("the end of it", || !main.lives());
    project.run(&["stop"]).expect(0);
    project.run(&["status"]).expect(3);
}

#[test]
fn with_no_process_left_to_be_had_a_command_says_so_and_a_service_is_tried_again() {
    if skip::unless_root() {
        return;
    }
    let (project, user) = (worker("[\"sleep\", \"1000\"]"), lonely_user());
    chown(&project, &user);
    let call = |args: &[&str]| run::output(&mut as_user(&user, &project.command(args)));
    let limited = |number: u32, args: &[&str]| -> Output {
        let mut command = project.foreign("prlimit");
        command.arg(format!("--nproc={number}")).arg(PIPULATE).args(args);
        run::output(&mut as_user(&user, &command))
    };
    let mut refused = 0;
    for number in 0..5 {
        let said = limited(number, &["start", "--no-setup"]);
        assert!(!said.stderr.contains("panicked"), "{number}: {said:?}");
        match said.code {
            Some(0) => assert!(number > 0),
            Some(1) => {
                let word = "Resource temporarily unavailable";
                assert!(said.stderr.contains(word), "{number}: {said:?}");
                refused += 1;
            }
            _ => panic!("{number}: {said:?}"),
        }
        call(&["stop"]).expect(0);
        assert_eq!(project.processes(), [], "{number}");
    }
    assert!(refused > 0, "the limit was felt");

    call(&["start", "--no-setup"]).expect(0);
    let before = as_seen_by(&user, &project);
    let supervisor = before["supervisor_pid"].to_string();
    let limit = |number: &str| {
        let arguments = ["--pid", &supervisor, &format!("--nproc={number}:")];
        run::output(&mut as_user(&user, run::command("prlimit").args(arguments))).expect(0);
    };
    limit("1");
    Process::of(&before["pid"]).kill();
    wait_for("the attempt", || (as_seen_by(&user, &project)["state"] == "backoff").then_some(()));
    for args in [&["status"][..], &["stop"], &["restart"]] {
        let said = limited(1, args);
        assert!(!said.stderr.contains("panicked"), "{args:?}: {said:?}");
        assert!(said.code.is_some_and(|code| code <= 4), "{args:?}: {said:?}");
    }
    limit("100");
    call(&["start", "--no-setup"]).expect(0);
    assert_eq!(as_seen_by(&user, &project)["state"], "running");
    call(&["stop"]).expect(0);
    chown(&project, "0");
}

#[test]
fn what_was_ended_to_be_started_again_waits_for_a_process_to_be_had() {
    if skip::unless_root() {
        return;
    }
    let (project, user) = (worker("[\"sleep\", \"1000\"]\nwatch = [\"*.txt\"]"), lonely_user());
    chown(&project, &user);
    let call = |args: &[&str]| run::output(&mut as_user(&user, &project.command(args)));
    call(&["start", "--no-setup"]).expect(0);
    // By a save, and by a restart.
    for by_save in [true, false] {
        let before = as_seen_by(&user, &project);
        let supervisor = before["supervisor_pid"].to_string();
        let limit = |number: &str| {
            let arguments = ["--pid", &supervisor, &format!("--nproc={number}:")];
            run::output(&mut as_user(&user, run::command("prlimit").args(arguments))).expect(0);
        };
        limit("1");
        std::thread::scope(|scope| {
            let restart = (!by_save).then(|| scope.spawn(|| call(&["restart", "worker"])));
            if by_save {
                project.write("notes.txt", "saved");
            }
            wait_for("the attempt", || {
                let now = as_seen_by(&user, &project);
                let why = now["reason"].as_str().unwrap_or_default().to_owned();
                assert_ne!(now["state"], "crashed", "{by_save}: {now}");
                why.ends_with("temporarily unavailable (os error 11); it is tried again").then_some(())
            });
            limit("100");
            let after = wait_for("another instance", || {
                Some(as_seen_by(&user, &project)).filter(|now| now["state"] == "running")
            });
            assert_ne!(after["pid"], before["pid"], "{by_save}");
            restart.map(|restart| restart.join().unwrap().expect(0));
        });
    }
    call(&["stop"]).expect(0);
    chown(&project, "0");
}

#[test]
fn where_other_users_processes_are_hidden_everything_works() {
    if skip::unless_root() || !mounts::are_ours(&[]) {
        return;
    }
    let project = worker("[\"sh\", \"-c\", \"setsid sleep 1001 & exec sleep 1000\"]");
    let user = lonely_user();
    chown(&project, &user);
    mounts::hide_strangers();
    let call = |args: &[&str]| run::output(&mut as_user(&user, &project.command(args)));
    assert_eq!(run::output(&mut as_user(&user, run::command("ls").arg("/proc/1"))).code, Some(2));
    call(&["start", "--no-setup"]).expect(0);
    let before = as_seen_by(&user, &project);
    Process::of(&before["supervisor_pid"]).kill();
    call(&["status"]).expect(1);
    call(&["start", "--no-setup"]).expect(0);
    let after = as_seen_by(&user, &project);
    assert_eq!((&after["state"], &after["pid"]), (&"running".into(), &before["pid"]));
    call(&["restart"]).expect(0);
    call(&["status"]).expect(0);
    let stopped = call(&["stop"]).expect(0);
    assert!(stopped.stdout.starts_with("Stopped worker: 2 processes"), "{stopped:?}");
    assert_eq!(project.processes(), []);
    chown(&project, "0");
}

/// Runs a command while the system refuses every file lock, as network disks may.
const LOCKLESS: &str = r"
import ctypes, os, platform, struct, sys
fcntl = {'x86_64': 72, 'aarch64': 25}[platform.machine()]
F_GETLK, F_SETLKW, ENOLCK = 5, 7, 37
LOAD, EQUAL, LARGER, AT_LEAST, RETURN = 0x20, 0x15, 0x25, 0x35, 0x06
REFUSED, ALLOWED = 0x50000, 0x7fff0000
filter = b''.join(struct.pack('HBBI', *step) for step in [
    (LOAD, 0, 0, 0), (EQUAL, 0, 4, fcntl), (LOAD, 0, 0, 24), (LARGER, 2, 0, F_SETLKW),
    (AT_LEAST, 0, 1, F_GETLK), (RETURN, 0, 0, REFUSED | ENOLCK), (RETURN, 0, 0, ALLOWED)])
class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('filter', ctypes.c_char_p)]
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(7, filter))) == 0
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
fn where_nothing_can_be_locked_nothing_is_started_and_what_to_do_is_said() {
    let project = worker("[\"sleep\", \"1000\"]");
    let call =
        |args: &[&str]| run::output(project.foreign("python3").args(["-c", LOCKLESS, PIPULATE]).args(args));
    let refused = call(&["start", "--no-setup"]).expect(1);
    let words = "its disk can't hold a FIFO or a lock, nor can the project's; \
                 set XDG_RUNTIME_DIR to a folder on a disk of this machine";
    assert!(refused.stderr.contains(words), "{refused:?}");
    assert_eq!(project.processes(), []);
    call(&["status"]).expect(3);
    call(&["stop"]).expect(0);
    // Outside, locks work again.
    project.start(&[]);
    project.run(&["stop"]).expect(0);
}

/// Runs a command while splice(2) is refused, as on some file systems.
const SPLICELESS: &str = r"
import ctypes, os, platform, struct, sys
splice = {'x86_64': 275, 'aarch64': 76}[platform.machine()]
EINVAL, LOAD, EQUAL, RETURN, REFUSED, ALLOWED = 22, 0x20, 0x15, 0x06, 0x50000, 0x7fff0000
filter = b''.join(struct.pack('HBBI', *step) for step in [
    (LOAD, 0, 0, 0), (EQUAL, 0, 1, splice), (RETURN, 0, 0, REFUSED | EINVAL), (RETURN, 0, 0, ALLOWED)])
class Program(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('filter', ctypes.c_char_p)]
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(4, filter))) == 0
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
fn where_splice_is_refused_every_line_is_captured_over_rotations_and_restarts() {
    let config = "[logs]\nmax_size = \"64KiB\"\nkeep = 50\n";
    let project = TestProject::light().table("server", "enabled = false");
    let project = project.config(&format!(
        "{config}[services.worker]\nrestart = \"never\"\ncommand = [\"seq\", \"100000\"]\n"
    ));
    let project = project.build();
    let start = ["-c", SPLICELESS, PIPULATE, "start", "--no-setup", "worker"];
    run::output(project.foreign("python3").args(start)).expect(0);
    project.wait_for_state("worker", "exited");
    let shown = project.run(&["logs", "worker", "-n", "all"]).expect(0).stdout;
    assert!(shown.lines().eq((1..=100_000).map(|number: u32| number.to_string())), "a line is missing");
    assert!(project.path(".pipulate/log/worker.log.2").exists());
    assert!(!project.run(&["status", "worker"]).stdout.contains("dropped"));
}

#[test]
fn where_files_may_not_grow_as_large_as_a_log_it_is_rotated_before_that() {
    let project = TestProject::light().table("server", "enabled = false");
    let project = project.config("[services.worker]\nrestart = \"never\"\ncommand = [\"seq\", \"100000\"]\n");
    let project = project.build();
    let limited = format!("exec prlimit --fsize=100000 {PIPULATE} start --no-setup worker");
    run::output(project.foreign("sh").args(["-c", &limited])).expect(0);
    project.wait_for_state("worker", "exited");
    let shown = project.run(&["logs", "worker", "-n", "all"]).expect(0).stdout;
    assert!(shown.lines().eq((1..=100_000).map(|number: u32| number.to_string())), "a line is missing");
    assert!(!project.run(&["status", "worker"]).stdout.contains("dropped"));
}

#[test]
fn on_a_broken_disk_the_service_goes_on_and_nobody_guesses() {
    if !mounts::are_ours(&[]) {
        return;
    }
    let project = worker("[\"sh\", \"-c\", \"while :; do echo a line; sleep 0.05; done\"]");
    let disk = project.path(".pipulate");
    if !mounts::disk(&disk) {
        return;
    }
    project.start(&[]);
    let before = project.service("worker");
    let (supervisor, main) = (Process::of(&before["supervisor_pid"]), Process::of(&before["pid"]));
    mounts::break_disk(&disk);
    for (args, code) in [
        (&["status"][..], 4),
        (&["start", "--no-setup"], 1),
        (&["restart"], 1),
        (&["stop"], 1),
        (&["logs"], 1),
    ] {
        let said = project.run(args).expect(code);
        assert!(said.stderr.contains("Input/output error"), "{args:?}: {said:?}");
        assert!(!said.stderr.contains("panicked"), "{args:?}: {said:?}");
    }
    assert!(supervisor.lives() && main.lives());

    // A user who knows the supervisor's pid can still end it gracefully.
    supervisor.signal(Signal::TERM);
    holds("the end of both", || !supervisor.lives() && !main.lives());
    run::output(run::command("umount").arg("--lazy").arg(&disk)).expect(0);
}

#[test]
fn whoever_has_used_up_a_share_of_the_disk_is_told_and_what_runs_goes_on() {
    if !mounts::are_ours(&[]) {
        return;
    }
    let project = worker("[\"sh\", \"-c\", \"while :; do echo a line; sleep 0.05; done\"]");
    let disk = project.path(".pipulate");
    if !mounts::shared_disk(&disk, "2M") {
        return;
    }
    project.start(&[]);
    let main = Process::of(&project.service("worker")["pid"]);
    let use_up = || {
        let mut ballast = fs::File::options().append(true).create(true).open(disk.join("ballast")).unwrap();
        let error = std::iter::repeat_with(|| ballast.write_all(&[b'b'; 4096])).find_map(Result::err);
        assert_eq!(error.unwrap().kind(), ErrorKind::QuotaExceeded);
    };
    let told = "your share of that disk is used up: remove what you don't need";
    use_up();
    let refused = project.run(&["restart"]).expect(1);
    assert!(refused.stderr.contains(told) && main.lives(), "{refused:?}");
    project.run(&["stop"]).expect(0);
    assert_eq!(project.processes(), []);
    use_up();
    let refused = project.run(&["start", "--no-setup"]).expect(1);
    assert!(refused.stderr.contains(told), "{refused:?}");
    assert_eq!(project.processes(), []);

    fs::remove_file(disk.join("ballast")).unwrap();
    holds("room again", || project.run(&["start", "--no-setup"]).code == Some(0));
    project.run(&["stop"]).expect(0);
    run::output(run::command("umount").arg("--lazy").arg(&disk)).expect(0);
}

#[test]
fn a_folder_on_a_memory_stick_has_a_home_all_the_same() {
    if !mounts::are_ours(&[]) {
        return;
    }
    let project = TestProject::light()
        .table("server", "enabled = false")
        .config("[logs]\nmax_size = \"64KiB\"\nkeep = 9\n[services.worker]\ncommand = [\"sh\", \"-c\", \"seq 1 50000; exec sleep 1000\"]\n")
        .build();
    let (root, config) = (project.root().to_owned(), project.read("pipulate.toml"));
    let Some(_stick) = mounts::Stick::over(&root) else { return };
    project.write("pipulate.toml", &config);

    let started = project.start(&[]);
    let told = "This folder can't hold what a home needs; it is kept in: [HOME]/.runtime/pipulate/";
    assert!(project.redact(&started.stderr).contains(told), "{started:?}");
    let worker = wait_for("all that it prints", || {
        let logs = project.run(&["logs", "--no-prefix", "--tail", "all"]).stdout;
        logs.ends_with("\n50000\n").then(|| project.service("worker"))
    });
    assert_eq!((&worker["log_trouble"], &worker["log_dropped_lines"]), (&Value::Null, &0.into()));
    let logs = project.run(&["logs", "--no-prefix", "--tail", "all"]).stdout;
    let numbers: Vec<u32> = logs.lines().map(|line| line.parse().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a + 1 == *b), "no line is lost between two files");
    assert!(project.path(".pipulate/log/worker.log.1").exists());
    assert_eq!(fs::read_dir(project.path(".pipulate/run")).unwrap().count(), 0, "no secret is kept there");

    Process::of(&worker["supervisor_pid"]).kill();
    project.start(&[]);
    assert_eq!(project.service("worker")["pid"], worker["pid"]);
    project.run(&["restart"]).expect(0);
    let stopped = project.run(&["stop"]).expect(0);
    assert!(stopped.stdout.starts_with("Stopped worker: "), "{stopped:?}");
    assert_eq!(project.processes(), []);
}
