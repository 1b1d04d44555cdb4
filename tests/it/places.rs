//! The place of a home's files is remembered: running services are found again when `.pipulate` has another
//! owner, when the runtime directory changes, and when a home has two places at once.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::run::{self, Output};
use crate::support::skip;
use crate::support::{Process, TestProject, holds};

const NOBODY: &str = "65534";
const TWO: &str =
    "[services.one]\ncommand = [\"sleep\", \"1000\"]\n[services.two]\ncommand = [\"sleep\", \"1000\"]\n";

fn project() -> TestProject {
    TestProject::light().table("server", "enabled = false").config(TWO).build()
}

fn chown(project: &TestProject, user: &str) {
    run::output(run::command("chown").arg(user).arg(project.path(".pipulate"))).expect(0);
}

/// A home in a folder whose `.pipulate` belongs to another user; needs root.
fn started_beside_another_user() -> Option<TestProject> {
    if skip::unless_root() {
        return None;
    }
    let project = project();
    fs::create_dir(project.path(".pipulate")).unwrap();
    chown(&project, NOBODY);
    project.start(&[]);
    assert!(!project.path(".pipulate/run").exists());
    Some(project)
}

/// Every command sees both services and starts no second instance.
fn is_found_by_every_verb(project: &TestProject, call: &dyn Fn(&[&str]) -> Output, pids: &[i32; 2]) {
    for args in
        [&["status"][..], &["status", "--all"], &["start", "--no-setup"], &["logs"], &["restart", "one"]]
    {
        call(args).expect(0);
    }
    let status: Value = serde_json::from_str(&call(&["status", "--json"]).expect(0).stdout).unwrap();
    let pid = |index: usize| status["services"][index]["pid"].clone();
    assert_ne!(pid(0), pids[0], "it was restarted: {status}");
    assert_eq!(pid(1), pids[1], "{status}");
    assert_eq!(project.processes().len(), 4, "{:?}", project.processes());
}

fn pids(project: &TestProject) -> [i32; 2] {
    ["one", "two"].map(|name| Process::of(&project.service(name)["pid"]).pid)
}

#[test]
fn what_was_started_beside_another_users_files_is_found_when_they_are_ones_own() {
    let Some(project) = started_beside_another_user() else { return };
    let before = pids(&project);
    chown(&project, "0");
    is_found_by_every_verb(&project, &|args| project.run(args), &before);
    // A sibling rescues the other service in that place.
    let supervisor = Process::of(&project.service("one")["supervisor_pid"]);
    supervisor.kill();
    project.wait_for_service("one", "to have another supervisor", |one| {
        one["state"] == "running" && one["supervisor_pid"] != supervisor.pid
    });
    let stopped = project.run(&["stop"]).expect(0);
    assert!(
        stopped.stdout.contains("Stopped two") && stopped.stdout.contains("0 processes left"),
        "{stopped:?}"
    );
    assert_eq!(project.processes(), []);
    project.run(&["status"]).expect(3);
    // A new start uses the folder again.
    project.start(&[]);
    assert!(project.path(".pipulate/run/one.json").exists());
    project.run(&["stop"]).expect(0);
}

#[test]
fn what_was_started_in_ones_own_folder_is_found_when_another_user_has_it() {
    if skip::unless_root() {
        return;
    }
    let project = project();
    project.start(&[]);
    let before = pids(&project);
    chown(&project, NOBODY);
    is_found_by_every_verb(&project, &|args| project.run(args), &before);
    let stopped = project.run(&["stop", "--all"]).expect(0);
    assert!(stopped.stdout.contains("0 processes left"), "{stopped:?}");
    assert_eq!(project.processes(), []);
    chown(&project, "0");
}

#[test]
fn what_another_user_left_in_the_folder_is_not_taken_for_ones_own() {
    let Some(project) = started_beside_another_user() else { return };
    // As if another user's service were running there.
    let elsewhere = project.run(&["logs", "--path", "one"]).expect(0).stdout;
    let state = PathBuf::from(elsewhere.trim()).parent().unwrap().parent().unwrap().to_path_buf();
    run::output(run::command("cp").arg("-a").arg(state.join("run")).arg(project.path(".pipulate/run")))
        .expect(0);
    run::output(run::command("chown").args(["-R", NOBODY]).arg(project.path(".pipulate"))).expect(0);
    let before = pids(&project);
    is_found_by_every_verb(&project, &|args| project.run(args), &before);
    project.run(&["stop"]).expect(0);
    assert_eq!(project.processes(), []);
    run::output(run::command("chown").args(["-R", "0"]).arg(project.path(".pipulate"))).expect(0);
}

#[test]
fn what_runs_in_two_places_at_once_is_seen_and_stopped_in_both() {
    let Some(project) = started_beside_another_user() else { return };
    project.run(&["stop", "two"]).expect(0);
    chown(&project, "0");
    let homes = project.home().join(".local/state/pipulate/homes");
    // As an older version did, which knew only one place.
    fs::rename(&homes, homes.with_extension("away")).unwrap();
    project.start(&["two"]);
    fs::rename(homes.with_extension("away"), &homes).unwrap();

    let status = project.run(&["status"]).expect(0);
    assert_eq!(status.stdout.matches("its files are in:").count(), 1, "{status:?}");
    let [one, two] = pids(&project);
    for verb in [&["start", "--no-setup", "one", "two"][..], &["status", "--all"]] {
        project.run(verb).expect(0);
    }
    assert_eq!(pids(&project), [one, two]);
    // The service in the other place is not started a second time.
    let refused = ["one", "two"].map(|name| project.run(&["restart", name]));
    let refused: Vec<&Output> = refused.iter().filter(|said| said.code == Some(1)).collect();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].stderr.contains("runs already, with its files in:"), "{refused:?}");
    assert_eq!(project.processes().len(), 4);
    let stopped = project.run(&["stop"]).expect(0);
    assert!(stopped.stdout.contains("Stopped one") && stopped.stdout.contains("Stopped two"), "{stopped:?}");
    assert_eq!(project.processes(), []);
    project.run(&["status"]).expect(3);
}

#[test]
fn what_keeps_its_files_in_a_runtime_directory_is_found_without_it() {
    let project = project();
    // As for a folder whose disk has no FIFOs.
    let id = pipulate_core::project::ProjectId::of_root(
        &pipulate_core::project::AbsPath::new(project.root()).unwrap(),
    );
    let run_folder = project.home().join(".runtime/pipulate").join(id.to_string());
    run::output(run::command("mkdir").args(["-p", "-m", "700"]).arg(&run_folder)).expect(0);
    project.start(&[]);
    assert!(run_folder.join("one.json").exists());
    let before = pids(&project);
    let other = project.home().join(".other");
    fs::create_dir(&other).unwrap();
    let without = |args: &[&str]| -> Command {
        let mut command = project.command(args);
        command.env_remove("XDG_RUNTIME_DIR");
        command
    };
    let with_another = |args: &[&str]| -> Command {
        let mut command = project.command(args);
        command.env("XDG_RUNTIME_DIR", &other);
        command
    };
    for mut status in [without(&["status", "--json"]), with_another(&["status", "--json"])] {
        let said = run::output(&mut status).expect(0);
        let status: Value = serde_json::from_str(&said.stdout).unwrap();
        assert_eq!(status["services"][1]["pid"], before[1], "{said:?}");
    }
    is_found_by_every_verb(&project, &|args| run::output(&mut with_another(args)), &before);
    let stopped = run::output(&mut without(&["stop"])).expect(0);
    assert!(stopped.stdout.contains("Stopped two"), "{stopped:?}");
    assert_eq!(project.processes(), []);
    holds("nothing", || project.run(&["status"]).code == Some(3));
}
