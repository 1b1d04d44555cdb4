//! The program in a user's terminal: stdout and stderr, colors, and Ctrl-C.

use std::fs::{self, OpenOptions};
use std::io::Write;

use crate::support::project::PIPULATE;
use crate::support::{Process, Terminal, TestProject, http, run};

const CTRL_C: &str = "\u{3}";

/// The first character of every color and cursor movement.
const ESCAPE: char = '\u{1b}';

/// A home with one service that prints the lines of a file.
fn with_a_talker() -> TestProject {
    let service = "[services.talker]\ncommand = [\"tail\", \"-n\", \"+1\", \"-F\", \"feed\"]\n\
                   ready = { log = \"hello\" }\n";
    let project = TestProject::light()
        .table("server", "enabled = false")
        .config(service)
        .file("feed", "hello\n")
        .build();
    project.start(&[]);
    project
}

fn say(project: &TestProject, line: &str) {
    let mut feed = OpenOptions::new().append(true).open(project.path("feed")).unwrap();
    writeln!(feed, "{line}").unwrap();
}

/// The program alone in a terminal: Ctrl-C reaches no other process.
fn terminal(project: &TestProject, args: &str) -> Terminal {
    Terminal::open(&project.command(&[]), &format!("exec {PIPULATE} {args}"))
}

#[test]
fn the_welcome_is_for_people_and_the_addresses_are_for_everybody() {
    let project = TestProject::light().build();
    let started = project.run(&["start"]).expect(0);
    assert_eq!(project.redact(&started.stdout), "server  http://127.0.0.1:[PORT]/\n");
    let said = [
        "A new home: ",
        "|  __/| | |_) | |_| | | (_| | ||  __/",
        "Welcome to the Pipulate development environment on ",
        "- Checking if pip packages are installed...",
        "pip packages installed.",
        "- Checking if numpy is importable...",
        "- numpy is importable (good to go!)",
        "- Stop JupyterLab and the web server with: pipulate stop",
        "Checking Ollama connectivity...",
        "ready server",
        "Learn more at https://pipulate.com",
    ];
    let mut rest = started.stderr.as_str();
    for text in said {
        let at =
            rest.find(text).unwrap_or_else(|| panic!("{text:?} is not in its place: {}", started.stderr));
        rest = &rest[at + text.len()..];
    }
    assert!(started.stderr.contains("Ollama is not running at http://127.0.0.1:"), "{}", started.stderr);
    let quiet = project.run(&["-q", "start"]).expect(0);
    assert_eq!((quiet.stdout, quiet.stderr.as_str()), (started.stdout, ""));
}

#[test]
fn what_is_begun_is_said_when_it_is_true_and_a_start_ends_with_logs_and_how_to_stop() {
    let worker = "[services.worker]\ncommand = [\"sleep\", \"1000\"]\n";
    let project = TestProject::light().config(worker).build();
    let started = project.start(&[]);
    assert!(started.stderr.contains("Starting server and worker...\n"), "{}", started.stderr);
    let last_lines = |services: &[&str]| {
        let log = |name: &&str| {
            format!("{name} log: {}\n", project.path(&format!(".pipulate/log/{name}.log")).display())
        };
        services.iter().map(log).collect::<String>() + "Stop with: pipulate stop\n"
    };
    assert!(started.stderr.ends_with(&last_lines(&["server", "worker"])), "{}", started.stderr);
    let again = project.start(&["worker"]);
    assert!(!again.stderr.contains("Starting"), "{}", again.stderr);
    assert!(again.stderr.ends_with(&last_lines(&["worker"])), "{}", again.stderr);

    let stopped = project.run(&["stop", "worker"]).expect(0);
    assert!(stopped.stdout.ends_with("worker: 0 processes left\n"), "the server runs: {}", stopped.stdout);
    assert_eq!(stopped.stderr, "Stopping worker...\nWaiting for processes to terminate...\n");
    let again = project.run(&["stop", "worker"]).expect(0);
    assert_eq!(again.stderr, "Nothing was running\n");
    let one = project.start(&[]);
    assert!(one.stderr.contains("Starting worker...\n"), "the server runs: {}", one.stderr);
    let all = project.run(&["stop"]).expect(0);
    assert_eq!(all.stderr, "Stopping server and worker...\nWaiting for processes to terminate...\n");
    assert!(all.stdout.ends_with("s\n0 processes left\n"), "{}", all.stdout);
}

#[test]
fn a_dry_run_names_the_set_up_and_changes_nothing() {
    let project = TestProject::light().build();
    let would = |args: &[&str]| project.run(&[&["start", "--dry-run"], args].concat()).expect(0).stdout;
    assert_eq!(would(&[]), "server would be started\n");
    fs::remove_file(project.path(".venv")).unwrap();
    let set_up = "the Python environment would be made, and its packages installed\n";
    assert_eq!(would(&[]), format!("{set_up}server would be started\n"));
    assert_eq!(would(&["--no-setup"]), "server would be started\n");
    assert!(!project.path(".venv").exists() && !project.path(".pipulate").exists());
}

#[test]
fn after_ctrl_c_a_stop_says_what_is_still_stopping() {
    let stubborn = "[services.stubborn]\ncommand = [\"sh\", \"-c\", \"trap '' TERM; echo up; while :; do sleep 1; done\"]\n\
                    ready = { log = \"up\" }\nstop = { timeout = \"300s\" }\n";
    let project = TestProject::light().table("server", "enabled = false").config(stubborn).build();
    project.start(&[]);
    let mut terminal = terminal(&project, "stop");
    terminal.wait_for("Waiting for processes to terminate...");
    project.wait_for_state("stubborn", "stopping");
    terminal.type_text(CTRL_C);
    terminal.wait_for("Interrupted; still stopping: stubborn");
    terminal.wait_for("pipulate status");
    assert_eq!(terminal.end(), Some(130));
    project.run(&["stop", "--force"]).expect(0);
}

#[test]
fn the_addresses_that_people_see_sign_them_in() {
    let project = TestProject::builder().build();
    let line = format!("{PIPULATE} start --no-setup 2>/dev/null && echo done");
    let terminal = Terminal::open(&project.command(&[]), &line);
    terminal.wait_for("done");
    let shown = terminal.shown();
    let address = |name: &str| {
        let line = shown.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {shown}")).trim().to_owned()
    };
    assert_eq!(http::get(&address("server"), &[]).unwrap().status, 303);
    assert_eq!(http::get(&address("jupyter"), &[]).unwrap().status, 200);
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn following_a_log_shows_new_lines_and_ends_without_ending_anything() {
    let project = with_a_talker();
    let talker = Process::of(&project.service("talker")["pid"]);
    let mut terminal = terminal(&project, "logs -f");
    terminal.wait_for("hello");
    say(&project, "the second line");
    terminal.wait_for("the second line");
    terminal.type_text(CTRL_C);
    assert_eq!(terminal.end(), Some(0));
    assert!(talker.lives());
    project.run(&["status"]).expect(0);
}

#[test]
fn an_output_that_can_not_be_written_is_told_of_by_every_verb_and_by_help() {
    let project = TestProject::light().build();
    for verb in ["status", "--help", "--version", "config --schema", "man"] {
        let mut shell = project.foreign("sh");
        shell.args(["-c", &format!("\"$0\" {verb} > /dev/full"), PIPULATE]);
        let said = run::output(&mut shell);
        assert!(said.stderr.contains("could not write the output: No space left"), "{verb}: {said:?}");
        assert_ne!(said.code, Some(0), "{verb}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_ends_a_log_quietly() {
    let project = with_a_talker();
    let mut shell = project.foreign("bash");
    shell.args(["-o", "pipefail", "-c", "\"$0\" logs -f --no-prefix | head -n 1", PIPULATE]);
    let seen = run::output(&mut shell).expect(0);
    assert_eq!((seen.stdout.as_str(), seen.stderr.as_str()), ("hello\n", ""));
}

#[test]
fn colors_are_for_those_who_want_them() {
    let project = with_a_talker();
    let has_color = |args: &str, variables: &[(&str, &str)]| {
        let set: String = variables.iter().map(|(name, value)| format!("{name}={value} ")).collect();
        let terminal =
            Terminal::open(&project.command(&[]), &format!("{set}{PIPULATE} {args}; echo the end"));
        terminal.wait_for("the end");
        assert!(terminal.shown().contains("talker"), "{}", terminal.shown());
        terminal.shown().contains(ESCAPE)
    };
    assert!(has_color("status", &[]));
    assert!(!has_color("status", &[("NO_COLOR", "1")]));
    assert!(!has_color("status", &[("TERM", "dumb")]));
    assert!(!has_color("status --color never", &[("FORCE_COLOR", "1")]));
    assert!(has_color("status --color always", &[("NO_COLOR", "1")]));
    assert!(!has_color("status | cat", &[]));
    assert!(has_color("status | cat", &[("CLICOLOR_FORCE", "1")]));
    assert!(!project.run(&["status"]).stdout.contains(ESCAPE));
    assert!(project.run(&["status", "--color", "always"]).stdout.contains(ESCAPE));
}

#[test]
fn watching_the_status_shows_changes_until_it_is_left() {
    let project = with_a_talker();
    let mut terminal = terminal(&project, "status --watch");
    terminal.wait_for("ready");
    project.run(&["stop"]).expect(0);
    terminal.wait_for("stopped");
    terminal.type_text(CTRL_C);
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_start_that_is_interrupted_leaves_on_its_way_what_it_started() {
    let service = "[services.slow]\ncommand = [\"tail\", \"-F\", \"feed\"]\nready = { log = \"awake\" }\n";
    let project =
        TestProject::light().table("server", "enabled = false").config(service).file("feed", "").build();
    let mut terminal = terminal(&project, "start --no-setup");
    terminal.wait_for("waiting for slow");
    let slow = crate::support::wait::wait_for("slow's process", || {
        Some(project.service("slow")).filter(|slow| slow["state"] == "starting" && !slow["pid"].is_null())
    });
    terminal.type_text(CTRL_C);
    terminal.wait_for("pipulate stop");
    let shown = terminal.shown();
    for said in ["Interrupted; still running: slow (starting)", "pipulate status"] {
        assert!(shown.contains(said), "{said:?} is missing in: {shown}");
    }
    assert_eq!(terminal.end(), Some(130));
    say(&project, "awake");
    assert_eq!(project.wait_for_state("slow", "ready")["pid"], slow["pid"]);
}
