//! `logs -f` for hours without help: over stops, starts, deletions, and new services.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::process::Process;
use crate::support::project::PIPULATE;
use crate::support::{Session, Terminal, TestProject, holds, wait_for};

const CTRL_C: &str = "\x03";

/// Prints the lines that are appended to `say`.
const TALKER: &str = "[services.talker]\nenv = { MY_TOKEN = \"sk-12345678\" }\n\
    command = [\"tail\", \"-f\", \"-n\", \"0\", \"say\"]\n";

fn say(project: &TestProject, text: &str) {
    let mut shell = project.foreign("sh");
    shell.args(["-c", "printf \"$0\" >> say", text]);
    assert!(shell.status().unwrap().success());
}

/// Starts the talker; returns when it is listening and has printed all lines so far.
fn start(project: &TestProject) {
    project.start(&["talker"]);
    let said = |text: &str| project.read(".pipulate/log/talker.log").matches(text).count();
    let (before, listens) = (said("begin"), said("listens"));
    wait_for("the talker to listen", || {
        say(project, "begin\\n");
        (said("begin") > before).then_some(())
    });
    // Under load, more than one "begin" may be in flight.
    say(project, "listens\\n");
    holds("all of it to be printed", || said("listens") > listens);
}

fn follow(project: &TestProject, args: &str) -> Terminal {
    Terminal::open(&project.command(&[]), &format!("exec {PIPULATE} --color never logs -f {args}"))
}

#[test]
fn a_follower_waits_for_a_project_that_starts_later_and_says_when_it_stops() {
    let project = TestProject::light().config(TALKER).file("say", "").build();
    let mut follower = follow(&project, "");
    follower.wait_for("is not running; waiting for the next start");
    start(&project);
    follower.wait_for("talker | begin");
    project.run(&["stop"]).expect(0);
    follower.wait_for("has stopped; waiting for the next start");
    start(&project);
    say(&project, "in the second life\\n");
    follower.wait_for("talker | in the second life");
    // A service that started meanwhile is followed as well.
    let mut config = project.read("pipulate.toml");
    config.push_str("[services.newcomer]\ncommand = [\"sh\", \"-c\", \"echo here I am; exec sleep 1000\"]\n");
    project.write("pipulate.toml", &config);
    project.start(&["newcomer"]);
    follower.wait_for("newcomer | here I am");
    assert_eq!(follower.shown().matches("has stopped").count(), 1);
    assert_eq!(follower.shown().matches("in the second life").count(), 1);
    follower.type_text(CTRL_C);
    assert_eq!(follower.end(), Some(0));
}

#[test]
fn a_follower_goes_on_when_a_log_is_emptied_or_deleted() {
    let project = TestProject::light().config(TALKER).file("say", "").build();
    start(&project);
    let mut follower = follow(&project, "talker");
    follower.wait_for("begin");
    let log = project.path(".pipulate/log/talker.log");
    for (number, spoil) in ["emptied", "deleted", "emptied again"].into_iter().enumerate() {
        match spoil {
            "deleted" => std::fs::remove_file(&log).unwrap(),
            _ => std::fs::write(&log, "").unwrap(),
        }
        let text = format!("after it was {spoil}, {number}");
        say(&project, &format!("{text}\\n"));
        follower.wait_for(&text);
        assert_eq!(std::fs::read_to_string(&log).unwrap(), format!("{text}\n"));
        assert_eq!(follower.shown().matches(&text).count(), 1);
    }
    // All log files are removed, so the new run has no folder for its log.
    let supervisor = project.service("talker")["supervisor_pid"].clone();
    std::fs::remove_dir_all(log.parent().unwrap()).unwrap();
    project.run(&["restart", "talker"]).expect(0);
    assert_eq!(project.service("talker")["supervisor_pid"], supervisor);
    wait_for("the talker to listen", || {
        say(&project, "after a restart\\n");
        follower.shown().contains("after a restart").then_some(())
    });
    follower.type_text(CTRL_C);
    assert_eq!(follower.end(), Some(0));
}

#[test]
fn a_secret_that_is_written_in_two_halves_shows_in_none() {
    let project = TestProject::light().config(TALKER).file("say", "").build();
    start(&project);
    let mut follower = follow(&project, "talker");
    follower.wait_for("begin");
    say(&project, "the key is sk-123");
    holds("the first half", || project.read(".pipulate/log/talker.log").ends_with("sk-123"));
    let now = project.run(&["logs", "talker", "-n", "1"]).expect(0).stdout;
    assert_eq!(now, "the key is ****\n");
    say(&project, "45678 to everything\\n");
    follower.wait_for("the key is **** to everything");
    assert!(!follower.shown().contains("sk-"), "{}", follower.shown());
    follower.type_text(CTRL_C);
    assert_eq!(follower.end(), Some(0));
}

#[test]
fn a_damaged_index_is_done_without_and_begun_anew_with_a_word() {
    let project = TestProject::light().config(TALKER).file("say", "").build();
    start(&project);
    project.run(&["stop"]).expect(0);
    project
        .write(".pipulate/log/talker.log.idx", "not an index, and long enough to be looked at more closely");
    let mut session = Session::new(&project);
    let shown = session.run(&["logs", "--since", "yesterday", "-n", "1"], 0);
    assert_eq!(shown.stdout, "listens\n");
    assert!(shown.stderr.contains("it is not known when some of these lines came"), "{}", shown.stderr);
    start(&project);
    let own = project.read(".pipulate/log/supervisor.log");
    assert!(own.contains("the index of its log was damaged; a new one is begun"), "{own}");
    let shown = project.run(&["logs", "--since", "last-start", "-n", "1"]).expect(0);
    assert_eq!((shown.stdout.as_str(), shown.stderr.as_str()), ("listens\n", ""));
}

#[test]
fn what_was_thrown_away_before_a_slow_reader_took_it_is_told_to_the_byte() {
    let flood = "[logs]\nmax_size = \"64KiB\"\nkeep = 1\n[services.flood]\nrestart = \"never\"\n\
        command = [\"sh\", \"-c\", \"echo begin; read now < go; seq 300000; echo end\"]\n";
    let project = TestProject::light().config(flood).build();
    assert!(project.foreign("mkfifo").arg("go").status().unwrap().success());
    project.start(&["flood"]);
    let mut follower = project.command(&["logs", "-f", "flood", "--json", "-n", "all"]);
    let mut follower = follower.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(follower.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let mut next = || serde_json::from_str::<Value>(&shown.next().unwrap()).unwrap();
    assert_eq!(next()["text"], "begin");

    // The follower's output is not read, so it soon blocks while the log is rotated.
    std::fs::write(project.path("go"), "now\n").unwrap();
    project.wait_for_state("flood", "exited");
    let (mut length, mut lost) = ("begin\n".len() as u64, 0);
    let last = loop {
        let line = next();
        assert_eq!(line["offset"].as_u64(), Some(length + lost + line["lost"].as_u64().unwrap_or_default()));
        lost += line["lost"].as_u64().unwrap_or_default();
        length += line["text"].as_str().unwrap().len() as u64 + 1;
        if line["text"] == "end" {
            break length + lost;
        }
    };
    let all: usize = (1..=300_000).map(|number: u32| number.to_string().len() + 1).sum();
    assert_eq!(last, all as u64 + "begin\nend\n".len() as u64);
    assert!(lost > 1 << 20, "{lost}");

    Process::find(follower.id().try_into().unwrap()).unwrap().signal(Signal::INT);
    assert!(follower.wait().unwrap().success());
    let mut told = String::new();
    follower.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(told.contains("MiB of what flood printed were thrown away before they could be shown"), "{told}");
}

/// Runs a command whose output is never read.
fn run_unread(project: &TestProject, args: &[&str]) -> (Option<i32>, String) {
    let (reader, stdout) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = project.command(args);
    let child = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_reader_that_has_left_ends_a_view_and_hides_no_failure() {
    let broken = "[services.broken]\ncommand = [\"sh\", \"-c\", \"exit 3\"]\nready = { log = \"never\" }\n\
                  [services.fine]\ncommand = [\"sleep\", \"1000\"]\n";
    let project = TestProject::light().table("server", "enabled = false").config(broken).build();
    for args in [&["start", "--no-setup"][..], &["restart", "fine", "broken"]] {
        let (code, said) = run_unread(&project, args);
        assert_eq!(code, Some(1), "{args:?}: {said}");
        assert!(said.contains("broken"), "{args:?}: {said}");
    }
    for view in [&["status", "-w"][..], &["logs", "-f"]] {
        assert_eq!(run_unread(&project, view), (Some(0), String::new()), "{view:?}");
    }
    assert_eq!(project.service("fine")["state"], "running");
    let (code, said) = run_unread(&project, &["stop"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("Stopped fine") && said.ends_with("0 processes left\n"), "{said}");
}

#[test]
fn a_status_that_is_watched_ends_with_its_reader() {
    let project = TestProject::light().table("server", "enabled = false").build();
    let mut command = project.command(&["status", "-w"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = child.stdout.take().unwrap();
    reader.read_exact(&mut [0]).unwrap();
    drop(reader);
    let code = wait_for("the end of the view", || child.try_wait().unwrap()).code();
    assert_eq!(code, Some(0));
}
