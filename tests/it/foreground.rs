//! `start --foreground`: it stays, and everything ends with it, however that comes.

use std::fs::OpenOptions;
use std::io::Write;

use rustix::process::Signal;

use crate::support::project::PIPULATE;
use crate::support::{Jupyter, Process, Terminal, TestProject, holds, run};

const CTRL_C: &str = "\u{3}";
const START: &str = "start --no-setup --no-browser --foreground";
/// Prints what is written into a file.
const TALKER: &str = "[services.talker]\ncommand = [\"tail\", \"-n\", \"+1\", \"-F\", \"feed\"]\n\
                      ready = { log = \"hello\" }\n";

fn project(more: &str) -> TestProject {
    let config = format!("{TALKER}{more}");
    TestProject::light().table("server", "enabled = false").config(&config).file("feed", "hello\n").build()
}

fn say(project: &TestProject, line: &str) {
    let mut feed = OpenOptions::new().append(true).open(project.path("feed")).unwrap();
    writeln!(feed, "{line}").unwrap();
}

/// The program alone in a terminal: Ctrl-C reaches nobody else.
fn terminal(project: &TestProject, args: &str) -> Terminal {
    Terminal::open(&project.command(&[]), &format!("exec {PIPULATE} {args}"))
}

#[test]
fn ctrl_c_stops_what_was_started() {
    let project = project("");
    let mut terminal = terminal(&project, START);
    terminal.wait_for("Ctrl-C stops everything");
    terminal.wait_for("hello");
    holds("a line of a service in the terminal", || {
        say(&project, "another line");
        terminal.shown().contains("another line")
    });
    terminal.type_text(CTRL_C);
    terminal.wait_for("0 processes left");
    assert_eq!(terminal.end(), Some(0));
    holds("the end of everything", || project.processes().is_empty());
    project.run(&["status"]).expect(3);
}

#[test]
fn what_failed_is_told_and_keeps_nobody_from_the_rest() {
    let broken = "[services.broken]\ncommand = [\"sh\", \"-c\", \"echo no luck; exit 3\"]\n\
                  ready = { log = \"never\" }\n";
    let project = project(broken);
    let mut terminal = terminal(&project, START);
    terminal.wait_for("Ctrl-C stops everything");
    let shown = terminal.shown();
    for said in ["could not start: broken", "broken: it ended with code 3 before it was ready", "no luck"] {
        assert!(shown.contains(said), "{said:?} is missing in: {shown}");
    }
    holds("a line of the other one", || {
        say(&project, "another line");
        terminal.shown().contains("another line")
    });
    terminal.type_text(CTRL_C);
    terminal.wait_for("0 processes left");
    assert_eq!(terminal.end(), Some(1), "not all that was asked for came about");
    assert_eq!(project.processes(), []);

    // Where nothing runs, there is nothing to stay for.
    let said = project.run(&["start", "--no-setup", "--foreground", "broken"]).expect(1);
    assert!(said.stderr.contains("could not start: broken"), "{said:?}");
    assert_eq!(project.processes(), []);
}

#[test]
fn ctrl_c_stops_what_is_still_on_its_way() {
    let slow = "[services.slow]\ncommand = [\"sleep\", \"1000\"]\nready = { log = \"never\" }\n";
    let project = project(slow);
    let mut terminal = terminal(&project, START);
    terminal.wait_for("waiting for");
    project.wait_for_state("talker", "ready");
    project.wait_for_state("slow", "starting");
    terminal.type_text(CTRL_C);
    terminal.wait_for("0 processes left");
    assert_eq!(terminal.end(), Some(0));
    assert_eq!(project.processes(), []);
}

#[test]
fn it_ends_by_term_and_with_the_last_of_its_services() {
    let project = project("");
    let begin = || {
        let mut start = project.command(&START.split(' ').collect::<Vec<_>>());
        let child = std::thread::spawn(move || run::output(&mut start));
        project.wait_for_state("talker", "ready");
        (child, project.find_process(&format!("{PIPULATE} {START}")))
    };
    // As systemd and Docker end what they run.
    let (said, process) = begin();
    process.signal(Signal::TERM);
    let said = said.join().unwrap().expect(0);
    assert!(said.stdout.ends_with("0 processes left\n"), "{said:?}");
    assert_eq!(project.processes(), []);

    // Stopped from elsewhere.
    let (said, _) = begin();
    project.run(&["stop"]).expect(0);
    let said = said.join().unwrap().expect(0);
    assert!(said.stderr.ends_with("Nothing runs any more\n"), "{said:?}");

    // It crashes for good.
    let (said, _) = begin();
    holds("the last crash", || {
        let talker = project.service("talker");
        let main = talker["pid"].as_i64().and_then(|pid| Process::find(i32::try_from(pid).unwrap()));
        if let Some(main) = main {
            main.signal(Signal::KILL);
        }
        talker["state"] == "crashed"
    });
    let said = said.join().unwrap().expect(1);
    assert!(
        said.stderr.contains("crashed: talker\n  because: talker: it ended 5 times within 60 s"),
        "{said:?}"
    );
}

#[test]
fn ctrl_c_does_not_end_hours_of_work_by_one_key() {
    let project = TestProject::builder().table("server", "enabled = false").build();
    let mut terminal = terminal(&project, START);
    terminal.wait_for("Ctrl-C stops everything");
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.kernel();
    kernel.run("import subprocess; job = subprocess.Popen(['sleep', '1001'], start_new_session=True)");
    let job = project.find_process("sleep 1001");
    terminal.type_text(CTRL_C);
    terminal.wait_for("was started from a kernel; Ctrl-C again stops everything");
    assert!(job.lives());
    assert_eq!(kernel.run("print(job.poll())"), "None\n");
    terminal.type_text(CTRL_C);
    terminal.wait_for("0 processes left");
    assert_eq!(terminal.end(), Some(0));
    assert_eq!(project.processes(), []);
}
