//! Invalid records: `status` says that the state is unknown (4), nothing is signaled, and the file is kept.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::support::{Process, Session, TestProject};

const RECORD: &str = ".pipulate/run/server.json";

/// A home in which the app ran once.
fn stopped_home() -> TestProject {
    let project = TestProject::light().build();
    project.start(&[]);
    project.run(&["stop"]).expect(0);
    project
}

#[test]
fn a_record_that_can_not_be_read_is_told_and_left_as_it_is() {
    let project = stopped_home();
    let good = project.read(RECORD);
    let mut session = Session::new(&project);
    for bad in ["", "{\"version\":1,", "[]", &good.replace("\"version\": 2", "\"version\": 999")] {
        project.write(RECORD, bad);
        session.run(&["status"], 4);
        session.run(&["stop"], 1);
        assert_eq!(project.read(RECORD), bad);
    }
    insta::assert_snapshot!(session.text());
    let json = project.run(&["status", "--json"]).expect(4);
    assert!(json.stderr.contains("is refused"), "{json:?}");
    serde_json::from_str::<Value>(&json.stdout).unwrap();
}

#[test]
fn a_record_that_is_a_link_is_not_followed() {
    let project = stopped_home();
    let elsewhere = project.path("elsewhere.json");
    fs::rename(project.path(RECORD), &elsewhere).unwrap();
    symlink(&elsewhere, project.path(RECORD)).unwrap();
    let before = project.read("elsewhere.json");
    let mut session = Session::new(&project);
    session.run(&["status"], 1);
    session.run(&["stop"], 1);
    insta::assert_snapshot!(session.text());
    assert_eq!(project.read("elsewhere.json"), before);
    assert!(fs::symlink_metadata(project.path(RECORD)).unwrap().is_symlink());
}

#[test]
fn a_start_replaces_a_record_that_can_not_be_read() {
    let project = stopped_home();
    project.write(RECORD, "{");
    project.start(&[]);
    assert_eq!(project.service("server")["state"], "ready");
    project.run(&["status"]).expect(0);
}

#[test]
fn a_damaged_record_keeps_nothing_that_is_supervised_from_being_stopped() {
    let project = TestProject::light().build();
    project.start(&[]);
    let server = Process::of(&project.service("server")["pid"]);
    project.write(RECORD, "{");
    project.run(&["status"]).expect(4);
    assert!(server.lives(), "a question ends nothing");
    // The kernel names the holder of the lock: that is the supervisor.
    project.run(&["stop"]).expect(0);
    assert!(!server.lives());
}

#[test]
fn a_record_of_another_machine_names_it_and_nothing_is_signaled() {
    let project = TestProject::light().build();
    project.start(&[]);
    let record: Value = serde_json::from_str(&project.read(RECORD)).unwrap();
    project.run(&["stop"]).expect(0);
    let stopped: Value = serde_json::from_str(&project.read(RECORD)).unwrap();
    assert_ne!(record["main"], stopped["main"]);

    // As on a disk that two machines share; this test's pid takes the place of the process.
    let mut elsewhere = record.clone();
    elsewhere["main"]["identity"]["machine"] = "another-machine".into();
    elsewhere["main"]["identity"]["pid"] = std::process::id().into();
    elsewhere["supervisor"]["machine"] = "another-machine".into();
    project.write(RECORD, &elsewhere.to_string());
    for (args, code) in [(&["status"][..], 4), (&["stop"], 1), (&["start", "--no-setup"], 1)] {
        let said = project.run(args).expect(code).stderr;
        assert!(said.contains("on another machine"), "{args:?}: {said}");
    }
    fs::remove_file(project.path(RECORD)).unwrap();
}
