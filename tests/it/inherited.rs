//! Inherited state that must not reach started programs: ignored and blocked signals, closed descriptors.

use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::project::PIPULATE;
use crate::support::run;
use crate::support::skip;
use crate::support::{Process, TestProject, holds};

const WORKER: &str = "[services.worker]\ncommand = [\"sleep\", \"1000\"]\n";

fn worker() -> TestProject {
    TestProject::light().table("server", "enabled = false").config(WORKER).build()
}

/// Executes the program from a Python that ran `preparation` first.
fn after(project: &TestProject, preparation: &str, args: &[&str]) -> Command {
    let script = format!("import os, signal, sys\n{preparation}\nos.execv(sys.argv[1], sys.argv[1:])");
    let mut command = project.foreign("python3");
    command.args(["-c", &script, PIPULATE]).args(args);
    command
}

const IGNORES_CHILDREN: &str = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)";
const IGNORES_EVERYTHING: &str = "for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:\n  \
                                  signal.signal(number, signal.SIG_IGN)";
const BLOCKS_EVERYTHING: &str = "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())";

#[test]
fn a_caller_that_ignores_the_end_of_its_children_changes_nothing() {
    let project = worker();
    let checks = |command: &mut Command| -> Vec<(String, String)> {
        let report: Value = serde_json::from_str(&run::output(command).stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let findings = report["findings"].as_array().unwrap().iter();
        findings.map(|finding| (text(&finding["id"]), text(&finding["status"]))).collect()
    };
    let doctor = &["doctor", "--json"];
    assert_eq!(checks(&mut after(&project, IGNORES_CHILDREN, doctor)), checks(&mut project.command(doctor)));
    let script = &["run", "--", "sh", "-c", "exit 3"];
    run::output(&mut after(&project, IGNORES_CHILDREN, script)).expect(3);
    // No set-up, which would write to the environment that all tests share.
    run::output(&mut after(&project, IGNORES_CHILDREN, &["start", "--no-setup"])).expect(0);
    run::output(&mut after(&project, IGNORES_CHILDREN, &["restart"])).expect(0);
    let stopped = run::output(&mut after(&project, IGNORES_CHILDREN, &["stop"])).expect(0);
    assert!(stopped.stdout.contains("0 processes left"), "{stopped:?}");
}

#[test]
fn a_folder_for_temporary_files_that_ends_with_the_shell_is_not_inherited() {
    let config = "[services.worker]\ncommand = [\"sleep\", \"1000\"]\n\
                  [services.own]\ncommand = [\"sleep\", \"1000\"]\nenv = { TMPDIR = \"/tmp/nix-shell.own\" }\n";
    let project = TestProject::light().table("server", "enabled = false").config(config).build();
    let (nix, kept) = (project.home().join("nix-shell.Ab1"), project.home().join("kept"));
    std::fs::create_dir(&nix).unwrap();
    std::fs::create_dir(&kept).unwrap();
    let mut start = project.command(&["start", "--no-setup"]);
    start.env("TMPDIR", &nix).env("TMP", &nix).env("TEMPDIR", &kept).env("NIX_BUILD_TOP", &nix);
    start.env("TMUX", "/tmp/tmux-0/default,1,0");
    run::output(&mut start).expect(0);
    let variables = |service: &str| {
        let pid = Process::of(&project.service(service)["pid"]).pid;
        std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap()
    };
    let worker = variables("worker");
    let has = |line: String| worker.split('\0').any(|variable| variable == line);
    let home = project.home();
    for name in ["TMPDIR", "TMP"] {
        assert!(
            has(format!("{name}={}", home.display())),
            "what that folder is in takes its place: {worker}"
        );
    }
    assert!(has(format!("TEMPDIR={}", kept.display())), "{worker}");
    assert!(!worker.contains("NIX_BUILD_TOP") && !worker.contains("TMUX="), "{worker}");
    assert!(variables("own").contains("TMPDIR=/tmp/nix-shell.own"), "the configuration's word counts");
    project.run(&["stop"]).expect(0);
}

#[test]
fn a_service_gets_no_signal_that_its_starter_ignored_or_blocked() {
    let project = worker();
    for preparation in [IGNORES_EVERYTHING, BLOCKS_EVERYTHING] {
        run::output(&mut after(&project, preparation, &["start", "--no-setup"])).expect(0);
        let main = Process::of(&project.service("worker")["pid"]);
        let status = std::fs::read_to_string(format!("/proc/{}/status", main.pid)).unwrap();
        for mask in ["SigBlk:", "SigIgn:"] {
            let line = status.lines().find_map(|line| line.strip_prefix(mask)).unwrap();
            // The C library reserves two signals that programs can't change.
            let unset = u64::from_str_radix(line.trim(), 16).unwrap() & !(0b11 << 31);
            assert_eq!(unset, 0, "{preparation}: {mask}");
        }
        run::output(&mut after(&project, preparation, &["stop"])).expect(0);
        assert!(!main.lives());
    }
}

#[test]
fn ctrl_c_is_heard_although_the_caller_blocked_it() {
    let slow = "[services.worker]\ncommand = [\"sleep\", \"1000\"]\nready = { log = \"never\", timeout = \"300s\" }\n";
    let project = TestProject::light().table("server", "enabled = false").config(slow).build();
    let mut start = after(&project, BLOCKS_EVERYTHING, &["start", "--no-setup"]).spawn().unwrap();
    project.wait_for_state("worker", "starting");
    let process = Process::find(i32::try_from(start.id()).unwrap()).unwrap();
    let mut ended = None;
    holds("its end by Ctrl-C", || {
        process.signal(Signal::INT);
        ended = start.try_wait().unwrap();
        ended.is_some()
    });
    assert_eq!(ended.unwrap().code(), Some(130));
}

#[test]
fn a_caller_that_closed_stdin_stdout_and_stderr_starts_and_stops_like_any_other() {
    let project = worker();
    let closed = |verb: &str| {
        let mut shell = project.foreign("sh");
        shell.args(["-c", &format!("exec \"$0\" {verb} <&- >&- 2>&-"), PIPULATE]);
        run::output(&mut shell).expect(0)
    };
    closed("start --no-setup");
    let worker = project.service("worker");
    assert_eq!(worker["state"], "running");
    // No file of ours got the number of a closed descriptor.
    let log = project.read(".pipulate/log/worker.log");
    assert_eq!(log, "", "{log}");
    closed("restart");
    closed("stop");
    assert_eq!(project.processes(), []);
}

#[test]
fn a_umask_that_takes_the_users_own_rights_keeps_nobody_from_a_home() {
    if skip::unless_root() {
        return;
    }
    let project = worker();
    let above = project.home().parent().unwrap();
    run::output(run::command("chown").args(["-R", "65534"]).arg(above)).expect(0);
    let masked = |mask: &str, verb: &str| {
        let program = above.join("home/pipulate");
        let mut shell = project.foreign("sh");
        shell.args(["-c", &format!("umask {mask}; exec \"$0\" {verb}")]).arg(&program);
        if !program.exists() {
            std::fs::copy(PIPULATE, &program).unwrap();
        }
        run::output(&mut run::as_user("65534", &shell)).expect(0)
    };
    for mask in ["777", "277"] {
        masked(mask, "start --no-setup");
        masked(mask, "restart");
        // The service's own settings stay.
        let main =
            project.processes().into_iter().find(|process| process.command.starts_with("sleep")).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", main.pid)).unwrap();
        assert!(status.contains("Umask:\t0077"), "{status}");
        masked(mask, "stop");
        std::fs::remove_dir_all(project.path(".pipulate")).unwrap();
    }
    run::output(run::command("chown").args(["-R", "0"]).arg(above)).expect(0);
}
