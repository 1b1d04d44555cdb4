//! A folder that came with a `.pipulate`: cloned, copied, moved, or made by an earlier version.
//!
//! Such folders are built here and never committed.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

use crate::support::run::{self, Output};
use crate::support::{Process, TestProject, holds, skip};

const TOKEN: &str = ".pipulate/run/token";
const RECORD: &str = ".pipulate/run/server.json";

/// The program in another folder of the same user.
fn run_in(project: &TestProject, folder: &Path, args: &[&str]) -> Output {
    run::output(project.command(args).current_dir(folder))
}

fn beside(project: &TestProject, name: &str) -> PathBuf {
    let folder = project.home().join(name);
    fs::create_dir(&folder).unwrap();
    folder
}

fn copy(from: &Path, to: &Path) {
    run::output(run::command("cp").arg("-a").arg(from).arg(to)).expect(0);
}

/// An unrelated process of the same user; ended on drop.
struct Innocent(std::process::Child);

impl Innocent {
    fn start() -> Self {
        let mut command = run::command("sleep");
        command.arg("600").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.env_remove("PIPULATE_SESSION").spawn().unwrap())
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Innocent {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn a_link_to_another_projects_state_is_refused_by_every_verb() {
    let project = TestProject::light().build();
    project.start(&[]);
    let before = project.service("server");
    let clone = beside(&project, "clone");
    for link in ["", "run", "run/server.json", "run/server.lock", "log", "run/token", "run/jupyter"] {
        let state = clone.join(".pipulate");
        fs::create_dir_all(state.join("run")).unwrap();
        let at = state.join(link);
        match at.symlink_metadata() {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(&at).unwrap(),
            Ok(_) | Err(_) => {}
        }
        symlink(project.path(".pipulate").join(link), state.join(link).components().as_path()).unwrap();
        let verbs: [&[&str]; 11] = [
            &["stop"],
            &["stop", "--force"],
            &["start", "--no-setup"],
            &["restart"],
            &["status"],
            &["status", "--json"],
            &["logs", "--tail", "1"],
            &["doctor"],
            &["url"],
            &["secret", "list"],
            &["setup"],
        ];
        run_in(&project, &clone, &["config", "--show"]).expect(0);
        for words in verbs {
            let output = run_in(&project, &clone, words).expect(1);
            assert!(output.stderr.contains("symbolic link"), "{link}: {words:?}: {output:?}");
            assert_eq!(output.stdout, "", "{link}: {words:?}");
        }
        match link {
            "" => fs::remove_file(&state).unwrap(),
            _ => fs::remove_dir_all(&state).unwrap(),
        }
    }
    let after = project.service("server");
    assert_eq!((&after["pid"], &after["supervisor_pid"]), (&before["pid"], &before["supervisor_pid"]));
}

#[test]
fn a_project_whose_state_became_a_link_is_passed_over_by_what_is_about_all() {
    let project = TestProject::light().build();
    project.start(&[]);
    let clone = beside(&project, "clone");
    fs::write(clone.join("pipulate.toml"), project.read("pipulate.toml")).unwrap();
    let state = project.home().join(".local/state/pipulate/projects");
    let entry = fs::read_dir(&state).unwrap().next().unwrap().unwrap().path();
    fs::write(entry.with_file_name("0000000000000000"), clone.to_str().unwrap()).unwrap();
    symlink("../demo/.pipulate", clone.join(".pipulate")).unwrap();
    let status = project.run(&["status", "--all"]).expect(4);
    assert!(status.stderr.contains("symbolic link"), "{status:?}");
    let stopped = project.run(&["stop", "--all"]).expect(1);
    assert!(stopped.stderr.contains("symbolic link"), "{stopped:?}");
    assert!(stopped.stdout.starts_with("Stopped server: "), "{stopped:?}");
}

#[test]
fn links_above_the_state_are_no_obstacle() {
    let project = TestProject::light().build();
    let link = project.home().join("link");
    symlink(project.root(), &link).unwrap();
    run_in(&project, &link, &["start", "--no-setup"]).expect(0);
    run_in(&project, &link, &["status"]).expect(0);
    run_in(&project, &link, &["stop"]).expect(0);
}

/// The record of a running home, changed to name an unrelated process.
fn forged(project: &TestProject, record: &Value, innocent: &Innocent) -> Value {
    let stat = fs::read_to_string(format!("/proc/{}/stat", innocent.0.id())).unwrap();
    let start: u64 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    let mut record = record.clone();
    record["root"] = json!(project.root());
    for process in ["main", "supervisor"] {
        record[process]["pid"] = json!(innocent.0.id());
        record[process]["start"] = json!(start);
    }
    record
}

#[test]
fn a_forged_record_claims_no_process_and_ends_none() {
    // Only the machine id and boot id come from a real record.
    let model = TestProject::light().build();
    model.start(&[]);
    let record: Value = serde_json::from_str(&model.read(RECORD)).unwrap();
    for what in ["a link to /dev/null", "a plain file", "nothing", "a FIFO"] {
        let project = TestProject::light().build();
        let mut innocent = Innocent::start();
        let mut forged = forged(&project, &record, &innocent);
        let survivor =
            json!({"pid": innocent.0.id(), "start": forged["main"]["start"], "name": "x", "why": "x"});
        forged["receipt"] =
            json!({"stopped": 0, "seconds": 0.0, "forced": [], "left": [], "survivors": [survivor]});
        project.write(RECORD, &forged.to_string());
        let fifo = project.path(".pipulate/run/server.out");
        match what {
            "a link to /dev/null" => symlink("/dev/null", &fifo).unwrap(),
            "a plain file" => fs::write(&fifo, "").unwrap(),
            "a FIFO" => mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap(),
            _ => {}
        }
        let pid = innocent.0.id().to_string();
        for words in [&["status", "--json"][..], &["stop"], &["stop", "--force"], &["stop", "--all"]] {
            let output = project.run(words);
            assert!(!output.stdout.contains(&pid), "{what}: {words:?}: {output:?}");
            assert!(innocent.lives(), "{what}: {words:?}: {output:?}");
        }
        project.write(RECORD, &forged.to_string());
        if what != "a link to /dev/null" {
            project.start(&[]);
            project.run(&["restart", "server"]).expect(0);
            project.run(&["stop"]).expect(0);
        }
        assert!(innocent.lives(), "{what}");
        let _a_link_would_be_refused = fs::remove_file(fifo);
    }
}

fn token(root: &Path) -> String {
    fs::read_to_string(root.join(TOKEN)).unwrap()
}

#[test]
fn keys_that_came_with_the_folder_are_no_keys() {
    let project = TestProject::light().build();
    let committed = "ab".repeat(32);
    project.write(TOKEN, &committed);
    fs::set_permissions(project.path(TOKEN), fs::Permissions::from_mode(0o644)).unwrap();
    let started = project.start(&[]);
    assert!(started.stderr.contains("it gets keys of its own"), "{started:?}");
    let made = token(project.root());
    assert_ne!(made, committed);
    assert_eq!(fs::metadata(project.path(TOKEN)).unwrap().mode() & 0o777, 0o600);
    // Files that were made here stay, also over restarts, and are not reported again.
    assert_eq!(project.run(&["restart", "server"]).expect(0).stderr.matches("keys").count(), 0);
    assert_eq!(token(project.root()), made);
    // A git checkout overwrites ignored files.
    project.write(TOKEN, &committed);
    project.run(&["restart", "server"]).expect(0);
    assert_ne!(token(project.root()), committed);
}

#[test]
fn a_copy_and_a_moved_home_get_keys_of_their_own() {
    let project = TestProject::light().build();
    project.start(&[]);
    let first = token(project.root());
    let copied = project.home().join("copied");
    copy(project.root(), &copied);
    let before = project.service("server");
    run_in(&project, &copied, &["stop"]).expect(0);
    assert!(Process::of(&before["pid"]).lives());
    project.run(&["stop"]).expect(0);
    run_in(&project, &copied, &["start", "--no-setup"]).expect(0);
    assert_ne!(token(&copied), first);
    run_in(&project, &copied, &["stop"]).expect(0);
    fs::remove_dir_all(&copied).unwrap();

    fs::rename(project.root(), &copied).unwrap();
    run_in(&project, &copied, &["start", "--no-setup"]).expect(0);
    assert_ne!(token(&copied), first);
    run_in(&project, &copied, &["stop"]).expect(0);
    fs::rename(&copied, project.root()).unwrap();
}

#[test]
fn what_runs_is_not_lost_with_what_is_remembered() {
    let project = TestProject::light().build();
    project.start(&[]);
    let before = project.service("server");
    // A home of an earlier version, or one whose state directory was cleared.
    fs::remove_dir_all(project.home().join(".local/state/pipulate/known")).unwrap();
    assert_eq!(project.service("server")["pid"], before["pid"]);
    let [supervisor, server] = ["supervisor_pid", "pid"].map(|which| Process::of(&before[which]));
    supervisor.signal(rustix::process::Signal::KILL);
    holds("its end", || !supervisor.lives());
    fs::remove_dir_all(project.home().join(".local/state")).unwrap();
    let adopted = project.start(&[]);
    assert!(adopted.stderr.contains("keys of its own"), "{adopted:?}");
    assert_eq!(project.service("server")["pid"], before["pid"]);
    project.run(&["stop"]).expect(0);
    assert!(!server.lives());
}

#[test]
fn a_state_directory_that_can_not_be_written_keeps_nothing_from_running() {
    let project = TestProject::light().build();
    let state = project.home().join(".local/state");
    fs::create_dir_all(state.parent().unwrap()).unwrap();
    fs::write(&state, "no folder").unwrap();
    project.start(&[]);
    let first = token(project.root());
    project.run(&["restart", "server"]).expect(0);
    assert_ne!(token(project.root()), first, "a key that can't be remembered is made at each start");
    project.run(&["status"]).expect(0);
    project.run(&["stop"]).expect(0);
}

#[test]
fn what_only_asks_runs_nothing_of_the_folder() {
    let project = TestProject::light().build();
    fs::remove_file(project.path(".venv")).unwrap();
    let trap = format!("#!/bin/sh\necho \"$0\" >> '{}'\n", project.path("was-run").display());
    for program in [".venv/bin/python", ".venv/bin/jupyter", "monitor"] {
        project.write(program, &trap);
        fs::set_permissions(project.path(program), fs::Permissions::from_mode(0o755)).unwrap();
    }
    project.write(".venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.11.0\n");
    project.write(".env", "A=1\n");
    run::output(project.foreign("git").args(["init", "--quiet"])).expect(0);
    run::output(project.foreign("git").args(["config", "core.fsmonitor", "./monitor"])).expect(0);
    let stamp = json!({"version": 1, "state": "made", "origin": "made", "venv": project.path(".venv"),
        "venv_made": "1", "python": "/usr/bin/python3", "python_version": "3.11.0", "installed": null});
    project.write(".pipulate/setup.json", &stamp.to_string());
    let questions: [&[&str]; 11] = [
        &["doctor"],
        &["doctor", "--json"],
        &["status"],
        &["logs", "--tail", "1"],
        &["stop"],
        &["config", "--show"],
        &["url"],
        &["completions", "bash"],
        &["activate", "bash"],
        &["secret", "list"],
        &["start", "--dry-run"],
    ];
    for words in questions {
        let output = project.run(words);
        assert!(!project.path("was-run").exists(), "{words:?}: {output:?}");
    }
    let mut completion = project.command(&["--", "pipulate", "logs", ""]);
    run::output(completion.env("PIPULATE_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "2"));
    assert!(!project.path("was-run").exists(), "completion");
    let doctor: Value = serde_json::from_str(&project.run(&["doctor", "--json"]).stdout).unwrap();
    let found = |id: &str| {
        let mut findings = doctor["findings"].as_array().unwrap().iter();
        findings.find(|finding| finding["id"] == id).unwrap().clone()
    };
    assert_eq!(found("venv.python")["status"], "skipped");
    assert!(found("venv.python")["fix"].to_string().contains("setup"), "{doctor}");
    assert_eq!(found("secrets.ignored")["status"], "warning");
}

/// Another user's folder below a directory that all may enter; needs root.
fn of_another_user(project: &TestProject, folder: &Path) {
    for path in [folder.to_path_buf(), folder.join("pipulate.toml")] {
        std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
    }
    assert!(project.home().exists());
}

#[test]
fn another_users_folder_is_used_only_by_name() {
    let project = TestProject::light().build();
    if skip::unless_root() {
        return;
    }
    let team = beside(&project, "team");
    let mine = team.join("mine");
    fs::create_dir(&mine).unwrap();
    fs::write(team.join("pipulate.toml"), "[services.evil]\ncommand = [\"touch\", \"evil\"]\n").unwrap();
    of_another_user(&project, &team);
    let walked = run_in(&project, &mine, &["start", "--dry-run"]).expect(0);
    assert!(!walked.stdout.contains("evil"), "{walked:?}");
    assert!(walked.stderr.contains("because it belongs to another user"), "{walked:?}");
    assert!(walked.stderr.contains("pipulate -C "), "{walked:?}");
    for words in [&["status"][..], &["start"], &["init"], &["doctor"]] {
        let inside = run_in(&project, &team, words).expect(1);
        assert!(inside.stderr.contains("this folder belongs to another user"), "{words:?}: {inside:?}");
        assert!(inside.stderr.contains("pipulate -C ."), "{words:?}: {inside:?}");
    }
    let named = run_in(&project, &team, &["-C", ".", "start", "--dry-run"]).expect(0);
    assert!(named.stdout.contains("evil") && named.stderr.contains("warning: it belongs"), "{named:?}");
    // Owned by root, writable by the group.
    std::os::unix::fs::chown(team.join("pipulate.toml"), Some(0), Some(0)).unwrap();
    std::os::unix::fs::chown(&team, Some(0), Some(65534)).unwrap();
    let of_root = run_in(&project, &mine, &["start", "--dry-run"]).expect(0);
    assert!(of_root.stdout.contains("evil"), "{of_root:?}");
    fs::set_permissions(&team, fs::Permissions::from_mode(0o2775)).unwrap();
    let shared = run_in(&project, &mine, &["start", "--dry-run"]).expect(0);
    assert!(!shared.stdout.contains("evil"), "{shared:?}");
    assert!(shared.stderr.contains("other users can write to it"), "{shared:?}");
}
