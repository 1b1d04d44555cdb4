//! Scarce or broken resources of the machine, and the operations that work regardless.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::support::project::PIPULATE;
use crate::support::skip;
use crate::support::{Process, Session, TestProject, holds, mounts, run, wait_for};

/// Writes numbered lines; each batch starts once a file with its name exists.
const WRITER: &str = "\
import os, sys, time\n\
number = 0\n\
for name, count in (('first', 60000), ('second', 60000), ('third', 1000)):\n    \
    while not os.path.exists(name):\n        time.sleep(0.02)\n    \
    for _ in range(count):\n        \
        number += 1\n        \
        sys.stdout.write(f'line {number:08} ' + 'x' * 80 + '\\n')\n    \
    sys.stdout.flush()\n    \
    open(name + '-done', 'w').close()\n\
time.sleep(1000)\n";

const LOUD: &str = "\
[logs]\nmax_size = \"512KiB\"\nkeep = 5\n\
[services.worker]\ncommand = [\"python3\", \"-u\", \"writer.py\"]\n";

fn loud_worker() -> TestProject {
    let builder = TestProject::light().table("server", "enabled = false");
    builder.config(LOUD).file("writer.py", WRITER).build()
}

/// Fills the disk.
fn fill(folder: &Path) {
    let mut ballast = fs::File::create(folder.join("ballast")).unwrap();
    loop {
        match ballast.write(&[b'b'; 4096]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// The numbers of the kept lines, which must all be complete.
fn kept_numbers(project: &TestProject) -> Vec<u64> {
    let old = (1..=5).rev().map(|number| project.path(&format!(".pipulate/log/worker.log.{number}")));
    let logs = old.chain([project.path(".pipulate/log/worker.log")]);
    let text: String = logs.filter_map(|log| fs::read_to_string(log).ok()).collect();
    assert!(text.ends_with('\n'));
    let number = |line: &str| {
        let (number, rest) =
            line.strip_prefix("line ").and_then(|line| line.split_once(' ')).unwrap_or_default();
        assert!(number.len() == 8 && rest.len() == 80, "a line is not whole: {line:?}");
        number.parse().unwrap()
    };
    text.lines().map(number).collect()
}

/// The number of lines missing after the first kept one.
fn lost_lines(kept: &[u64], written: u64) -> u64 {
    written + 1 - kept[0] - kept.len() as u64
}

#[test]
fn on_a_full_disk_the_oldest_log_goes_and_then_whole_lines_which_are_counted() {
    if !mounts::are_ours(&[]) {
        return;
    }
    let project = loud_worker();
    let disk = project.path(".pipulate");
    mounts::small(&disk, "2m");
    project.start(&[]);
    let tell = |name: &str| {
        project.write(name, "");
        holds(&format!("the writer to have written its {name}"), || {
            project.path(&format!("{name}-done")).exists()
        });
    };
    let last_number = |number: u64| {
        holds("the last line", || kept_numbers(&project).last() == Some(&number));
    };

    // More output than room: older logs are deleted, and no line of the newest is lost.
    tell("first");
    last_number(60_000);
    let kept = kept_numbers(&project);
    assert!(kept.is_sorted_by(|a, b| a + 1 == *b) && kept.len() > 5_000, "{}", kept.len());
    assert_eq!(project.service("worker")["log_dropped_lines"], 0);

    // No room at all, and no older log to delete: the service keeps running, can be stopped
    // and has a status as ever.
    for number in 1..=3 {
        fs::remove_file(project.path(&format!(".pipulate/log/worker.log.{number}"))).unwrap();
    }
    fill(&disk);
    tell("second");
    let short = wait_for("the number of lost lines", || {
        let worker = project.service("worker");
        (worker["log_dropped_lines"].as_u64() > Some(50_000) && !worker["log_trouble"].is_null())
            .then_some(worker)
    });
    assert_eq!(short["state"], "running");
    let said = |count: &serde_json::Value| {
        let told = project.run(&["status"]).expect(0).stdout;
        let line = told.lines().find(|line| line.contains("lines")).unwrap_or_else(|| panic!("{told}"));
        line.replace(&count.to_string(), "[COUNT]")
    };
    insta::assert_snapshot!(said(&short["log_dropped_lines"]), @"  its log can't be written: No space left on device (os error 28); [COUNT] lines dropped so far; make room on that disk");

    // With room again, that is noticed, and later lines are complete.
    fs::remove_file(disk.join("ballast")).unwrap();
    holds("the end of the trouble", || project.service("worker")["log_trouble"].is_null());
    tell("third");
    last_number(121_000);
    let kept = kept_numbers(&project);
    assert_eq!(project.service("worker")["log_dropped_lines"], lost_lines(&kept, 121_000));
    insta::assert_snapshot!(
        said(&project.service("worker")["log_dropped_lines"]),
        @"  [COUNT] lines of its log were dropped, because there was no room for them"
    );
    let shown = project.run(&["logs", "--no-prefix", "--tail", "1"]).expect(0).stdout;
    assert!(shown.starts_with("line 00121000 x"), "{shown}");
    project.run(&["stop"]).expect(0);
}

#[test]
fn on_a_full_disk_records_stay_true_and_a_start_says_what_is_wrong() {
    if !mounts::are_ours(&[]) {
        return;
    }
    let project = loud_worker();
    let disk = project.path(".pipulate");
    mounts::small(&disk, "1m");
    let mut session = Session::new(&project);
    fs::create_dir_all(&disk).unwrap();
    fill(&disk);
    session.run(&["start", "--no-setup"], 1);
    fs::remove_file(disk.join("ballast")).unwrap();

    project.start(&[]);
    // The spare file exists once no command waits for the service: updates on a full disk need it.
    let spare = disk.join("run/.worker.json.spare");
    holds("the room that is set aside", || spare.exists());
    fill(&disk);
    let before = project.service("worker");
    for restarts in 1..=2 {
        Process::of(&project.service("worker")["pid"]).kill();
        let after = wait_for("the restart", || {
            Some(project.service("worker"))
                .filter(|now| now["state"] == "running" && now["restarts"] == restarts)
        });
        assert_ne!(after["pid"], before["pid"]);
    }
    session.run(&["stop"], 0);
    session.run(&["status"], 3);
    // The stop freed a little room.
    fill(&disk);
    session.run(&["start", "--no-setup"], 1);
    assert_eq!(project.processes(), []);
    session.run(&["status"], 3);
    fs::remove_file(disk.join("ballast")).unwrap();
    session.run(&["start", "--no-setup"], 0);
    project.run(&["stop"]).expect(0);
    insta::assert_snapshot!(session.text());
}

#[test]
fn in_a_read_only_folder_questions_are_answered_and_a_start_says_what_is_wrong() {
    if !mounts::are_ours(&[]) {
        return;
    }
    let [project, fresh] = [loud_worker(), loud_worker()];
    project.start(&[]);
    project.run(&["stop"]).expect(0);
    project.start(&[]);
    let running = project.service("worker")["pid"].clone();
    mounts::read_only(project.root());
    mounts::read_only(fresh.root());
    let mut session = Session::new(&fresh);
    session.run(&["start", "--no-setup"], 1);
    session.run(&["status"], 3);
    session.run(&["stop"], 0);
    session.run(&["logs"], 0);
    insta::assert_snapshot!(session.text());

    // Running services go on and can still be ended: the supervisor's files were open before.
    assert_eq!(project.service("worker")["pid"], running);
    let again = project.run(&["start", "--no-setup"]).expect(0);
    assert!(again.stderr.contains("running already"), "{}", again.stderr);
    let restarted = project.run(&["restart"]).expect(1).stderr;
    assert!(restarted.ends_with("hint: running services were not changed\n"), "{restarted}");
    assert_eq!(project.service("worker")["pid"], running);
    let stopped = project.run(&["stop"]);
    assert_eq!(project.processes(), [], "{stopped:?}");
    insta::assert_snapshot!(project.redact(&(stopped.stdout + &stopped.stderr)));
}

#[test]
fn a_stop_that_can_not_be_written_down_is_told_of_as_one() {
    if !mounts::are_ours(&[]) {
        return;
    }
    let project = loud_worker();
    project.start(&[]);
    mounts::read_only(&project.path(".pipulate/run"));
    let stopped = project.run(&["stop"]).expect(0);
    assert_eq!(project.processes(), []);
    insta::assert_snapshot!(project.redact(&(stopped.stdout + &stopped.stderr)));
}

#[test]
fn a_service_gets_an_environment_of_any_size() {
    let config =
        "[services.worker]\ncommand = [\"sh\", \"-c\", \"echo $(env | wc -c) bytes; exec sleep 1000\"]\n";
    let project = TestProject::light().table("server", "enabled = false").config(config).build();
    let mut start = project.command(&["start", "--no-setup"]);
    for number in 0..16 {
        start.env(format!("LARGE_{number}"), "x".repeat(100 << 10));
    }
    run::output(&mut start).expect(0);
    let told = wait_for("what it got", || {
        let logs = project.run(&["logs", "--no-prefix"]).stdout;
        logs.split_once(" bytes").and_then(|(count, _)| count.parse::<u64>().ok())
    });
    assert!(told > 16 * (100 << 10), "{told}");
    let worker = project.service("worker");
    assert_eq!((&worker["state"], worker["processes"].as_array().unwrap().len()), (&"running".into(), 1));
    project.run(&["restart"]).expect(0);
    project.run(&["stop"]).expect(0);
    assert_eq!(project.processes(), []);
}

#[test]
fn a_restart_that_finds_no_descriptors_left_is_tried_again() {
    let project = loud_worker();
    project.start(&[]);
    let before = project.service("worker");
    let supervisor = before["supervisor_pid"].to_string();
    let limit = |number: &str| {
        let mut prlimit = run::command("prlimit");
        prlimit.args(["--pid", &supervisor, &format!("--nofile={number}:")]);
        run::output(&mut prlimit).expect(0);
    };
    // Open files stay, and at most one more can be opened: a start needs five.
    let open = fs::read_dir(format!("/proc/{supervisor}/fd")).unwrap().flatten();
    let numbers = open.filter_map(|open| open.file_name().to_str()?.parse::<u32>().ok());
    limit(&(numbers.max().unwrap() + 1).to_string());
    Process::of(&before["pid"]).kill();
    let short =
        wait_for("the attempt", || Some(project.service("worker")).filter(|now| now["pid"].is_null()));
    assert_eq!(short["state"], "backoff", "{short}");
    limit("256");
    let after = project.wait_for_state("worker", "running");
    assert_ne!(after["pid"], before["pid"]);
    assert_eq!(after["supervisor_pid"], before["supervisor_pid"]);
    project.run(&["stop"]).expect(0);
}

#[test]
fn with_too_few_descriptors_a_command_says_so() {
    let project = loud_worker();
    for limit in [4, 6, 8, 12, 16, 24, 32] {
        let mut start = project.foreign("prlimit");
        start.args([&format!("--nofile={limit}"), PIPULATE, "start", "--no-setup"]);
        let said = run::output(&mut start);
        assert!(!said.stderr.contains("panicked"), "{limit}: {said:?}");
        match said.code {
            Some(0) => assert_eq!(project.service("worker")["state"], "running"),
            Some(1) => assert!(said.stderr.contains("Too many open files"), "{limit}: {said:?}"),
            Some(127) => assert!(said.stderr.contains("shared libraries"), "{limit}: {said:?}"),
            _ => panic!("{limit}: {said:?}"),
        }
        project.run(&["stop"]).expect(0);
        assert_eq!(project.processes(), [], "{limit}");
    }
}

/// A session whose services systemd manages, to all appearances, with this `systemd-run`.
fn session_with(project: &TestProject, systemd_run: &str) -> (UnixListener, std::ffi::OsString) {
    let programs = project.home().join("programs");
    fs::create_dir_all(&programs).unwrap();
    fs::write(programs.join("systemd-run"), systemd_run).unwrap();
    fs::set_permissions(programs.join("systemd-run"), fs::Permissions::from_mode(0o755)).unwrap();
    let manager = project.home().join(".runtime/systemd");
    fs::create_dir_all(&manager).unwrap();
    let _from_before = fs::remove_file(manager.join("private"));
    let socket = UnixListener::bind(manager.join("private")).unwrap();
    let mut path = programs.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    (socket, path)
}

#[test]
fn supervisors_have_scopes_of_their_own_where_systemd_makes_them() {
    let project = loud_worker();
    let asked = "#!/bin/sh\necho \"$@\" >> \"$HOME/asked\"\n[ \"$1 $2 $3 $4\" = '--user --scope --quiet --' ] || exit 9\n\
                 shift 4\nIN_SCOPE=yes exec \"$@\"\n";
    let (_socket, path) = session_with(&project, asked);
    run::output(project.command(&["start", "--no-setup"]).env("PATH", &path)).expect(0);
    let worker = project.service("worker");
    let supervisor = Process::of(&worker["supervisor_pid"]);
    assert!(supervisor.command.contains("__supervise worker"), "{supervisor:?}");
    let environment = fs::read_to_string(format!("/proc/{}/environ", supervisor.pid)).unwrap();
    assert!(environment.split('\0').any(|variable| variable == "IN_SCOPE=yes"), "{environment}");
    assert_eq!(project.read("../asked").lines().count(), 2, "an attempt, and one supervisor");
    assert_eq!(worker["processes"].as_array().unwrap().len(), 1);
    project.run(&["restart"]).expect(0);
    project.run(&["stop"]).expect(0);
    assert_eq!(project.processes(), []);

    // systemd refuses: Pipulate works without it, and logs it.
    let (_socket, path) = session_with(&project, "#!/bin/sh\necho Failed to connect to bus >&2\nexit 1\n");
    let said = run::output(project.command(&["start", "--no-setup"]).env("PATH", &path)).expect(0);
    assert!(!said.stderr.contains("scope") && !said.stderr.contains("bus"), "{}", said.stderr);
    assert!(said.stderr.starts_with("Starting worker...\nrunning worker\n"), "{}", said.stderr);
    let log = project.read(".pipulate/log/supervisor.log");
    assert!(
        log.contains("no scope of its own: systemd-run ended with code 1: Failed to connect to bus"),
        "{log}"
    );
    project.run(&["stop"]).expect(0);
}

#[test]
fn where_another_user_has_a_home_ones_own_stands_elsewhere() {
    if skip::unless_root() {
        return;
    }
    let project = loud_worker();
    project.start(&[]);
    project.run(&["stop"]).expect(0);
    let theirs = ["--recursive", "65534", ".pipulate"];
    run::output(project.foreign("chown").args(theirs)).expect(0);
    let before = project.read(".pipulate/run/worker.json");
    let started = project.start(&[]);
    assert!(started.stderr.contains("/.local/state/"), "{started:?}");
    let worker = project.service("worker");
    assert_eq!(worker["state"], "running");
    assert!(worker["log"].as_str().unwrap().contains("/.local/state/"), "{worker}");
    project.run(&["logs"]).expect(0);
    project.run(&["stop"]).expect(0);
    assert_eq!(project.read(".pipulate/run/worker.json"), before, "theirs is theirs");
    run::output(project.foreign("chown").args(["--recursive", "0", ".pipulate"])).expect(0);
}
