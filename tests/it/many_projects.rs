//! Several projects of one user: side by side, nested, moved, deleted, and with unusual paths.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::ports::DefaultPorts;
use crate::support::project::PIPULATE;
use crate::support::run::{self, Output};
use crate::support::{Process, TestProject, holds, wait_for};

const WORKER: &str = "[services.worker]\ncommand = [\"sleep\", \"1000\"]\n";

fn only_a_worker() -> TestProject {
    TestProject::light().table("server", "enabled = false").config(WORKER).build()
}

/// The program in another folder of the same user.
#[track_caller]
fn run_in(user: &TestProject, folder: &Path, args: &[&str]) -> Output {
    run::output(user.foreign(PIPULATE).current_dir(folder).args(args))
}

/// The only service of a status with one project.
fn only_service(output: &Output) -> Value {
    let status: Value = serde_json::from_str(&output.stdout).unwrap();
    status["services"].as_array().unwrap().iter().find(|service| service["name"] == "worker").unwrap().clone()
}

fn another_project(user: &TestProject, folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    fs::copy(user.path("pipulate.toml"), folder.join("pipulate.toml")).unwrap();
    folder.canonicalize().unwrap()
}

#[test]
fn all_of_a_users_projects_are_told_and_stopped_nested_ones_too() {
    let user = only_a_worker();
    let inner = another_project(&user, &user.path("deep/inner"));
    user.start(&[]);
    run_in(&user, &inner, &["start", "--no-setup"]).expect(0);
    let below = inner.join("notes");
    fs::create_dir(&below).unwrap();
    assert_ne!(
        only_service(&run_in(&user, &below, &["status", "--json"]))["pid"],
        user.service("worker")["pid"]
    );

    let all: Value =
        serde_json::from_str(&user.run(&["status", "--all", "--json"]).expect(0).stdout).unwrap();
    let roots: Vec<&Value> =
        all["projects"].as_array().unwrap().iter().map(|one| &one["project"]["root"]).collect();
    assert_eq!(roots, [&json!(user.root()), &json!(inner)]);

    // Stopping the outer project ends nothing of the inner one.
    user.run(&["stop"]).expect(0);
    assert_eq!(only_service(&run_in(&user, &inner, &["status", "--json"]).expect(0))["state"], "running");
    user.start(&[]);
    let stopped = user.run(&["stop", "--all"]).expect(0);
    assert_eq!(stopped.stdout.matches("Stopped worker").count(), 2, "{stopped:?}");
    user.run(&["status", "--all"]).expect(3);
}

#[test]
fn what_is_wrong_in_one_project_keeps_no_other_from_being_stopped() {
    let user = only_a_worker();
    let others = ["a", "b"].map(|name| another_project(&user, &user.home().join(name)));
    user.start(&[]);
    for other in &others {
        run_in(&user, other, &["start", "--no-setup"]).expect(0);
    }
    let (run, aside) = (user.path(".pipulate/run"), user.path(".pipulate/aside"));
    fs::rename(&run, &aside).unwrap();
    fs::write(&run, "").unwrap();

    let stopped = user.run(&["stop", "--all"]).expect(1);
    assert!(stopped.stderr.contains("error: could not read"), "{}", stopped.stderr);
    for other in &others {
        run_in(&user, other, &["status"]).expect(3);
    }
    fs::remove_file(&run).unwrap();
    fs::rename(&aside, &run).unwrap();
    user.run(&["stop", "--all"]).expect(0);
    assert_eq!(user.processes(), []);
}

#[test]
fn a_project_that_is_moved_while_it_runs_goes_on_and_is_ended_in_its_new_place() {
    let user = only_a_worker();
    user.start(&[]);
    let before = user.service("worker");
    let moved = user.home().join("moved");
    fs::rename(user.root(), &moved).unwrap();

    let status = run_in(&user, &moved, &["status"]).expect(0);
    assert!(status.stdout.contains("running"), "{}", status.stdout);
    assert!(
        status.stdout.contains(&format!("the folder was {}", user.root().display())),
        "{}",
        status.stdout
    );
    let now = only_service(&run_in(&user, &moved, &["status", "--json"]));
    assert_eq!((&now["pid"], &now["supervisor_pid"]), (&before["pid"], &before["supervisor_pid"]));
    let all = user.foreign(PIPULATE).current_dir("/").args(["status", "--all", "--json"]).output().unwrap();
    let all: Value = serde_json::from_slice(&all.stdout).unwrap();
    assert_eq!(all["projects"][0]["project"]["root"], json!(moved), "{all}");

    // A crash is noticed, reported in the new place, and recovered there.
    Process::of(&before["pid"]).kill();
    let after = wait_for("a new worker", || {
        Some(only_service(&run_in(&user, &moved, &["status", "--json"])))
            .filter(|now| now["state"] == "running" && now["pid"] != before["pid"])
    });
    let worker = Process::of(&after["pid"]);
    assert_eq!(fs::read_link(format!("/proc/{}/cwd", worker.pid)).unwrap(), moved);
    let again = run_in(&user, &moved, &["start", "--no-setup"]).expect(0);
    assert!(again.stderr.contains("running already"), "{}", again.stderr);

    run_in(&user, &moved, &["stop"]).expect(0);
    assert!(!worker.lives());
    run_in(&user, &moved, &["start", "--no-setup"]).expect(0);
    let fresh = run_in(&user, &moved, &["status"]).expect(0);
    assert!(!fresh.stdout.contains("the folder was"), "{}", fresh.stdout);
    run_in(&user, &moved, &["stop"]).expect(0);
    fs::rename(&moved, user.root()).unwrap();
}

#[test]
fn what_runs_in_a_folder_that_had_this_name_before_is_anothers() {
    let user = only_a_worker();
    user.start(&[]);
    let before = user.service("worker");
    let [worker, supervisor] = ["pid", "supervisor_pid"].map(|pid| Process::of(&before[pid]));
    let earlier = user.home().join("earlier");
    fs::rename(user.root(), &earlier).unwrap();
    user.write("pipulate.toml", &fs::read_to_string(earlier.join("pipulate.toml")).unwrap());
    let stop_without_supervisor = || {
        user.start(&[]);
        let own = Process::of(&user.service("worker")["supervisor_pid"]);
        assert!(!own.is(&supervisor));
        // Now all processes are searched for the service's.
        own.kill();
        let stopped = user.run(&["stop"]).expect(0);
        assert!(worker.lives(), "{}", stopped.stdout);
        assert!(stopped.stdout.starts_with("Stopped worker: 1 process "), "{}", stopped.stdout);
    };
    stop_without_supervisor();
    assert!(supervisor.lives());
    supervisor.kill();
    stop_without_supervisor();

    run_in(&user, &earlier, &["stop"]).expect(0);
    assert!(!worker.lives());
}

#[test]
fn a_copy_made_of_hard_links_is_another_project() {
    let user = only_a_worker();
    user.start(&[]);
    let worker = Process::of(&user.service("worker")["pid"]);
    let copy = user.home().join("copy");
    run::output(user.foreign("cp").arg("-al").args([user.root(), &copy])).expect(0);
    run_in(&user, &copy, &["stop"]).expect(1);
    assert!(worker.lives(), "it was stopped from the copy");
    user.run(&["stop"]).expect(0);
    assert!(!worker.lives());
}

#[test]
fn a_flood_that_goes_on_in_a_moved_folder_touches_nothing_in_its_old_place() {
    let flood = "i=0; while :; do i=$((i+1)); echo $i; done";
    let config = format!(
        "[services.worker]\ncommand = [\"bash\", \"-c\", \"{flood}\"]\n[logs]\nmax_size = \"64KiB\"\n"
    );
    let user = TestProject::light().table("server", "enabled = false").config(&config).build();
    user.start(&[]);
    let moved = user.home().join("moved");
    fs::rename(user.root(), &moved).unwrap();
    user.write(".pipulate/log/worker.log", "somebody else's\n");
    let newest = || fs::metadata(moved.join(".pipulate/log/worker.log")).unwrap().modified().unwrap();
    let begun = newest();
    holds("the flood to go on", || newest() > begun && moved.join(".pipulate/log/worker.log.5").exists());
    assert_eq!(user.read(".pipulate/log/worker.log"), "somebody else's\n");
    run_in(&user, &moved, &["stop"]).expect(0);
}

#[test]
fn a_moved_project_without_supervisors_is_still_its_own() {
    let user = only_a_worker();
    user.start(&[]);
    let before = user.service("worker");
    Process::of(&before["supervisor_pid"]).kill();
    let (moved, copy) = (user.home().join("moved"), user.home().join("copy"));
    fs::rename(user.root(), &moved).unwrap();
    run::output(user.foreign("cp").current_dir("/").arg("-a").args([&moved, &copy])).expect(0);

    run_in(&user, &copy, &["status"]).expect(3);
    run_in(&user, &copy, &["stop"]).expect(0);
    let worker = Process::of(&before["pid"]);
    assert_eq!(
        only_service(&run_in(&user, &moved, &["status", "--json"]).expect(1))["state"],
        "unsupervised"
    );
    run_in(&user, &moved, &["stop"]).expect(0);
    assert!(!worker.lives());
    fs::rename(&moved, user.root()).unwrap();
}

#[test]
fn a_project_that_was_deleted_while_it_runs_is_told_of_and_ended() {
    let user = only_a_worker();
    user.start(&[]);
    let worker = Process::of(&user.service("worker")["pid"]);
    // Only the records are removed: the folder's own files stay. Its supervisor may be writing there.
    holds("their end", || fs::remove_dir_all(user.path(".pipulate")).is_ok());
    let status = user.run(&["status"]).expect(4);
    assert!(status.stdout.contains("unknown"), "{}", status.stdout);
    assert!(status.stderr.contains("its records were deleted while it ran"), "{}", status.stderr);
    assert!(!user.path(".pipulate").exists(), "a question makes nothing");

    // The whole folder, which is also a process's current directory.
    let mut here = user.foreign("sh");
    let verbs = "\"$0\" status; \"$0\" -C \"$HOME/.runtime\" status; \"$0\" status --all; \"$0\" stop --all";
    here.args(["-c", &format!("rm -rf \"$PWD\"; {verbs}"), PIPULATE]);
    let told = run::output(&mut here).expect(0);
    assert!(told.stdout.contains(".runtime stopped"), "a folder that is named is found: {}", told.stdout);
    for said in ["could not find the current folder", "pipulate stop --all", "its records were deleted"] {
        assert!(told.stderr.contains(said), "{said:?} is missing in: {}", told.stderr);
    }
    assert!(told.stdout.contains("Stopped worker, whose records had been deleted"), "{}", told.stdout);
    assert!(!worker.lives());
    holds("the end of everything", || user.processes().is_empty());
    fs::create_dir(user.root()).unwrap();
}

#[test]
fn records_that_were_moved_away_while_it_runs_hide_nothing() {
    let user = only_a_worker();
    user.start(&[]);
    let worker = Process::of(&user.service("worker")["pid"]);
    // As a file manager does that moves to the trash.
    fs::rename(user.path(".pipulate"), user.home().join("trash")).unwrap();
    let status = user.run(&["status"]).expect(4);
    assert!(status.stderr.contains("while it ran"), "{}", status.stderr);
    let started = user.run(&["start"]).expect(1);
    assert!(started.stderr.contains("worker runs already"), "{}", started.stderr);
    assert!(worker.lives());

    let stopped = user.run(&["stop"]).expect(0);
    assert!(stopped.stdout.contains("Stopped worker"), "{}", stopped.stdout);
    assert!(!worker.lives());
    holds("the end of everything", || user.processes().is_empty());
}

#[test]
fn a_project_may_be_called_anything() {
    let user = only_a_worker();
    let names: [Vec<u8>; 6] = [
        b"two words  and\ttabs".to_vec(),
        b"it's \"quoted\" `$(touch hit)` \\ %s ; & | > *".to_vec(),
        "Übung – 数据 🎈 e\u{301}".into(),
        b"line\nbreak".to_vec(),
        b"-C".to_vec(),
        b"not \xff utf-8".to_vec(),
    ];
    let folders = names.map(|name| user.home().join(OsString::from_vec(name)));
    let mut deep = user.home().to_owned();
    while deep.as_os_str().len() < 4_000 {
        deep.push("d".repeat(200.min(3_999 - deep.as_os_str().len())));
    }
    for folder in folders.into_iter().chain([deep]) {
        let folder = another_project(&user, &folder);
        run_in(&user, &folder, &["start", "--no-setup"]).expect(0);
        let status = run_in(&user, &folder, &["status", "--json"]).expect(0);
        let worker = Process::of(&only_service(&status)["pid"]);
        run_in(&user, &folder, &["restart"]).expect(0);
        run_in(&user, &folder, &["logs"]).expect(0);
        run_in(&user, &folder, &["status"]).expect(0);
        user.run(&["status", "--all"]).expect(0);
        run_in(&user, &folder, &["stop"]).expect(0);
        assert!(!worker.lives(), "{folder:?}");
    }
    assert_eq!(user.processes(), []);
}

/// Listens only after a file appears, like a program that is slow to start.
const SLOW: &str = "import os, time
from http.server import HTTPServer, SimpleHTTPRequestHandler

while not os.path.exists('go'):
    time.sleep(0.01)
HTTPServer(('127.0.0.1', int(os.environ['PORT'])), SimpleHTTPRequestHandler).serve_forever()
";

#[test]
fn two_projects_that_start_at_the_same_time_choose_different_ports() {
    let _ports = DefaultPorts::take();
    let user = TestProject::light().ports_by_default().file("server.py", SLOW).build();
    let other = another_project(&user, &user.home().join("other"));
    let free = user.read("pipulate.toml");
    fs::write(other.join("server.py"), SLOW).unwrap();
    fs::write(other.join("go"), "").unwrap();

    user.run(&["start", "--no-setup", "--no-wait"]).expect(0);
    let first = user.wait_for_service("server", "to have a port", |server| server["port"].is_u64());
    assert_eq!(first["state"], "starting");

    // The same port by configuration: the message names the service that is about to listen on it.
    let pinned = free.replace("[services.server]", &format!("[services.server]\nport = {}", first["port"]));
    fs::write(other.join("pipulate.toml"), pinned).unwrap();
    let refused = run_in(&user, &other, &["start", "--no-setup"]).expect(1).stderr;
    let named = format!("service server of the Pipulate project {}", user.root().display());
    assert!(refused.contains(&named), "{refused}");

    fs::write(other.join("pipulate.toml"), free).unwrap();
    run_in(&user, &other, &["start", "--no-setup"]).expect(0);
    user.write("go", "");
    assert_eq!(user.wait_for_state("server", "ready")["port"], first["port"]);
    run_in(&user, &other, &["stop"]).expect(0);
}
