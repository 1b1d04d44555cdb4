//! Bad weather: what is short or broken on the machine, and what goes on all the same.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::support::{Process, Session, TestProject, holds, mounts, wait_for};

/// Writes numbered lines, so many whenever it is told to by a file of that name.
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

/// Takes all the room that is left.
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

/// The numbers of the lines that are kept, every one of which is whole.
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

/// How many lines are missing after the first that was kept.
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

    // More than there is room for, in all: older logs go, and no line of the newest is lost.
    tell("first");
    last_number(60_000);
    let kept = kept_numbers(&project);
    assert!(kept.is_sorted_by(|a, b| a + 1 == *b) && kept.len() > 5_000, "{}", kept.len());
    assert_eq!(project.service("worker")["log_dropped_lines"], 0);

    // No room at all, and no older log whose end would make some: the service is not kept from its work, and is ended and told of as ever.
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

    // Room again: it is noticed, and what comes next is whole.
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
    // What the stop removed was a little room.
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

    // What runs goes on, and can still be ended: its supervisor's files were open before.
    assert_eq!(project.service("worker")["pid"], running);
    let again = project.run(&["start", "--no-setup"]).expect(0);
    assert!(again.stderr.contains("running already"), "{}", again.stderr);
    let stopped = project.run(&["stop"]);
    assert_eq!(project.processes(), [], "{stopped:?}");
    insta::assert_snapshot!(project.redact(&(stopped.stdout + &stopped.stderr)));
}
