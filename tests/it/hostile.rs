//! A hostile folder: its names, files and sizes can't harm a user who only looks at it.
//!
//! Such folders are built here and never committed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Instant;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;

use crate::support::project::PIPULATE;
use crate::support::run::{self, Output};
use crate::support::{Terminal, TestProject, holds};

/// Writes to the clipboard, hides text, moves the cursor and reverses the text direction.
const NAME: &str = "demo\x1b]52;c;QQ==\x07\x1b[8mhidden\x1b[2J\u{9b}31m\u{202e}txet\r\nerror: forged";

/// The read-only commands.
const QUESTIONS: [&[&str]; 10] = [
    &["status"],
    &["status", "--json"],
    &["logs", "--tail", "1"],
    &["config", "--show"],
    &["secret", "list"],
    &["url"],
    &["stop"],
    &["start", "--dry-run"],
    &["models"],
    &["doctor"],
];

fn toml_text(text: &str) -> String {
    let escaped: Vec<String> = text.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
    format!("\"{}\"", escaped.concat())
}

fn named() -> TestProject {
    TestProject::light().config(&format!("[project]\nname = {}\n", toml_text(NAME))).build()
}

#[track_caller]
fn is_clean(text: &str) {
    let steers = |c: &char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert_eq!(text.chars().find(steers), None, "{text:?}");
}

#[test]
fn a_hostile_name_steers_no_terminal_and_forges_no_line() {
    let project = named();
    for words in QUESTIONS {
        // The only command with exact output in a pipe.
        if *words != ["config", "--show"] {
            let output = project.run(words);
            is_clean(&output.stdout);
            is_clean(&output.stderr);
        }
    }
    let heading = project.run(&["status"]).stdout;
    assert!(heading.starts_with("demo") && !heading.contains("\nerror: forged"), "{heading:?}");
    assert_eq!(project.status()["project"]["name"], NAME, "JSON has the very name");

    let terminal = Terminal::open(&project.command(&[]), &format!("{PIPULATE} status"));
    terminal.wait_for("server");
    let shown = terminal.shown();
    assert!(shown.contains("\x1b[1m"), "there are colors: {shown:?}");
    for hostile in ["\x1b]", "\x07", "\x1b[8m", "\x1b[2J", "\u{9b}", "\u{202e}"] {
        assert!(!shown.contains(hostile), "{hostile:?} in {shown:?}");
    }
    terminal.hang_up();
}

#[test]
fn what_is_exact_is_so_in_a_pipe() {
    let project = named();
    let shown: toml::Table = project.run(&["config", "--show"]).expect(0).stdout.parse().unwrap();
    assert_eq!(shown["project"]["name"].as_str(), Some(NAME));

    let folder = project.path("a\u{9b}b\x1b[2Jc");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("pipulate.toml"), "").unwrap();
    let output = run::output(project.command(&["logs", "--path", "server"]).current_dir(&folder)).expect(0);
    assert_eq!(Path::new(output.stdout.trim_end()), folder.join(".pipulate/log/server.log"));
    let output = run::output(project.command(&["status"]).current_dir(&folder));
    is_clean(&output.stdout);
}

#[test]
fn a_line_of_the_configuration_is_shown_clean() {
    let project = TestProject::light().build();
    project.write("pipulate.toml", "nmae = \"\x1b]0;title\x07\u{202e}\u{9b}2J\"\n");
    let output = project.run(&["config", "--show"]).expect(1);
    assert!(output.stderr.contains("nmae"), "{output:?}");
    is_clean(&output.stderr);
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
}

/// Limits memory: unbounded growth fails soon and affects no other process.
fn bounded(project: &TestProject, words: &[&str]) -> Output {
    let mut command = project.foreign("prlimit");
    command.args(["--as=2000000000", "timeout", "60", PIPULATE]).args(words);
    let output = run::output(&mut command);
    assert!(matches!(output.code, Some(code) if code < 124), "{words:?}: {output:?}");
    output
}

#[test]
fn what_is_no_file_of_bounded_size_is_neither_waited_for_nor_read() {
    for put in [fifo as fn(&Path), |path| symlink("/dev/zero", path).unwrap()] {
        let project = TestProject::builder().build();
        // Unlink the environment that all tests share.
        fs::remove_file(project.path(".venv")).unwrap();
        fs::create_dir_all(project.path(".venv")).unwrap();
        fs::create_dir_all(project.path(".pipulate/run")).unwrap();
        for name in [
            "pipulate.toml",
            ".env",
            "requirements.txt",
            "pyproject.toml",
            "uv.toml",
            ".python-version",
            "server.py",
            "local.nix",
            ".venv/pyvenv.cfg",
            ".pipulate/run/token",
            ".pipulate/run/jupyter-token",
            ".pipulate/run/server.json",
        ] {
            let _may_be_there = fs::remove_file(project.path(name));
            put(&project.path(name));
        }
        for words in QUESTIONS {
            bounded(&project, words);
        }
        let output = bounded(&project, &["config", "--show"]);
        assert!(output.stderr.contains("it is not a regular file"), "{output:?}");
        let mut tab = project.command(&["--", "pipulate", "stop", ""]);
        tab.env("PIPULATE_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "2").env("_CLAP_IFS", "\n");
        assert!(run::output(&mut tab).expect(0).stdout.contains("server"));
    }
}

#[test]
fn what_grows_by_itself_or_by_its_number_stays_small() {
    let nested: String = (1..60).map(|n| format!("A{n}=${{A{0}}}${{A{0}}}\n", n - 1)).collect();
    // python-dotenv expands only `${A}`, the second reader `$A` as well.
    let short: String = (1..60).map(|n| format!("A{n}=$A{0}$A{0}\n", n - 1)).collect();
    let needs =
        |number: usize| (0..number).map(|needed| format!("\"s{needed}\"")).collect::<Vec<_>>().join(",");
    let needy: String = (0..60)
        .map(|number| format!("[services.s{number}]\ncommand = [\"x\"]\ndepends_on = [{}]\n", needs(number)))
        .collect();
    for dotenv in [nested, short] {
        let project = TestProject::light().config(&needy).build();
        project.write(".env", &format!("A0_KEY=0123456789abcdef\nA0=x\n{dotenv}SECRET=sesame-1\n"));
        for words in QUESTIONS {
            bounded(&project, words);
        }
    }
}

#[test]
fn thousands_of_lines_and_services_are_listed() {
    let needy: String = (0..2_000)
        .map(|n: usize| {
            let needed = n.checked_sub(1).map(|needed| format!("\"s{needed}\"")).unwrap_or_default();
            format!("[services.s{n}]\ncommand = [\"x\"]\ndepends_on = [{needed}]\n")
        })
        .collect();
    let project = TestProject::light().config(&needy).build();
    let lines: String = (0..30_000).map(|n| format!("NAME_{n}=value\n")).collect();
    project.write(".env", &format!("{}=x\n{lines}", "LONG".repeat(10_000)));
    let listed = bounded(&project, &["secret", "list"]).expect(0).stdout;
    assert_eq!(listed.lines().count(), 30_001);
    assert!(listed.len() < 5_000_000, "one long name makes no column: {}", listed.len());
    let status: Value = serde_json::from_str(&bounded(&project, &["status", "--json"]).stdout).unwrap();
    assert!(status["services"].as_array().unwrap().len() > 2_000);
    bounded(&project, &["stop"]).expect(0);
    holds("nothing is left", || project.processes().is_empty());
}

/// A project with the records of 10,001 services without a running process.
fn thousands_killed() -> TestProject {
    let project = TestProject::light().config("[services.worker]\ncommand = [\"sleep\", \"1000\"]\n").build();
    project.start(&["worker"]);
    project.processes().iter().for_each(|process| process.kill());
    holds("they are gone", || project.processes().is_empty());
    let record = project.read(".pipulate/run/worker.json");
    for n in 0..10_000 {
        let name = format!("x{n}");
        project.write(
            &format!(".pipulate/run/{name}.json"),
            &record.replace("\"worker\"", &format!("\"{name}\"")),
        );
    }
    project
}

#[test]
fn a_stop_of_thousands_whose_supervisors_were_killed_writes_that_down_itself() {
    let project = thousands_killed();
    let said = project.read(".pipulate/log/supervisor.log");
    let took = |words: &[&str]| {
        let begun = Instant::now();
        let mut command = project.foreign("prlimit");
        command.args(["--data=268435456", PIPULATE]).args(words);
        let output = run::output(&mut command);
        assert!(matches!(output.code, Some(0 | 1)), "{words:?}: {output:?}");
        (begun.elapsed(), output)
    };
    let (asked, _) = took(&["status"]);
    let (stopped, output) = took(&["stop"]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), "0 processes left\n"));
    assert!(stopped < asked * 20, "a stop took {stopped:?}, a status {asked:?}");
    assert_eq!(project.read(".pipulate/log/supervisor.log"), said, "no supervisor was started");
    for name in ["worker", "x0", "x9999"] {
        let record: Value =
            serde_json::from_str(&project.read(&format!(".pipulate/run/{name}.json"))).unwrap();
        assert_eq!((&record["state"], &record["wanted"]), (&"stopped".into(), &"stopped".into()), "{record}");
        assert!(record["supervisor"].is_null() && record["main"].is_null(), "{record}");
    }
    assert!(!project.path(".pipulate/run/worker.pid").exists());
    assert!(took(&["stop"]).1.stderr.contains("Nothing was running"));
    fs::remove_dir_all(project.path(".pipulate")).unwrap();
}

#[test]
fn thousands_of_records_of_killed_supervisors_cost_one_look_at_the_processes() {
    let project = thousands_killed();
    for words in
        [&["status", "--json"][..], &["status"], &["url"], &["logs", "worker"], &["start", "--dry-run"]]
    {
        let mut command = project.foreign("prlimit");
        command.args(["--cpu=10", "--data=268435456", PIPULATE]).args(words);
        let output = run::output(&mut command);
        assert!(matches!(output.code, Some(0 | 1)), "{words:?}: {output:?}");
        if words.contains(&"--json") {
            let status: Value = serde_json::from_str(&output.stdout).unwrap();
            assert_eq!(status["services"].as_array().unwrap().len(), 10_002);
        }
    }
    fs::remove_dir_all(project.path(".pipulate")).unwrap();
}
