use std::path::PathBuf;
use std::time::Duration;

use pipulate_engine::request::Wait;

use super::*;
use crate::call::{Format, LogsSettings, LogsShow, Projects, StartSettings, Tail, Verb};
use crate::ui::printer::Verbosity;
use crate::ui::terminal::ColorWish;

fn call(line: &str) -> Call {
    parse(line.split(' ').map(OsString::from)).unwrap()
}

/// Identical on every terminal.
fn answer(line: &str) -> Answer {
    let command = arguments::Arguments::command().term_width(100);
    parse_with(command, line.split(' ').map(OsString::from)).unwrap_err()
}

#[test]
fn the_help_of_every_verb() {
    let mut help = answer("pipulate --help").error.render().to_string();
    for verb in [
        "start",
        "stop",
        "restart",
        "status",
        "logs",
        "doctor",
        "setup",
        "app",
        "open",
        "url",
        "run",
        "secret",
        "init",
        "shell",
        "activate",
        "serve",
        "config",
        "completions",
        "man",
    ] {
        help.push_str(&format!(
            "\n──── {verb} ────\n{}",
            answer(&format!("pipulate {verb} --help")).error.render()
        ));
    }
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_short_call_means_the_same_to_all_arguments() {
    for line in [
        "status",
        "ps --json --color never",
        "-C /x status --all -q",
        "status -w --verbose",
        "stop",
        "down a b --timeout 5s -y",
        "-v stop --all --force --project /x",
    ] {
        let args: Vec<OsString> = "pipulate".split(' ').chain(line.split(' ')).map(OsString::from).collect();
        assert!(ShortArguments::may_be(&args));
        let short = read::<ShortArguments>(ShortArguments::command(), &args).unwrap().resolve();
        let by_all = parse_with(Arguments::command(), args).unwrap();
        assert_eq!(format!("{short:?}"), format!("{by_all:?}"), "{line}");
    }
    let complaint = parse("pipulate stop --nonsense".split(' ').map(OsString::from)).unwrap_err();
    assert!(complaint.error.render().to_string().contains("pipulate stop [OPTIONS] [SERVICE]..."));
}

#[test]
fn hidden_verbs_are_not_in_the_help() {
    assert!(!answer("pipulate --help").error.render().to_string().contains("__"));
    let Verb::Supervise(settings) = call("pipulate __supervise jupyter -C /x").verb else { panic!() };
    assert_eq!(settings.service.as_str(), "jupyter");
    assert!(matches!(call("pipulate __hand-over").verb, Verb::HandOver));
}

#[test]
fn a_bare_start_has_every_default() {
    for line in ["pipulate start", "pipulate up"] {
        let Verb::Start(settings) = call(line).verb else { panic!() };
        let expected = StartSettings {
            services: Vec::new(),
            browser: true,
            wait: Wait::AtMost(Duration::from_secs(90)),
            foreground: false,
            dry_run: false,
            setup: true,
        };
        assert_eq!(settings, expected);
    }
}

#[test]
fn flags_become_settings() {
    let Verb::Start(start) = call("pipulate start jupyter --no-wait --no-browser --no-setup").verb else {
        panic!()
    };
    assert_eq!((start.wait, start.browser, start.setup, start.services.len()), (Wait::No, false, false, 1));
    let Verb::Stop(stop) = call("pipulate down --timeout 500ms --force").verb else { panic!() };
    assert_eq!(
        (stop.timeout, stop.force, stop.projects),
        (Some(Duration::from_millis(500)), true, Projects::This)
    );
    let consent = |line: &str| match call(line).verb {
        Verb::Stop(stop) => (stop.yes, stop.force),
        Verb::Restart(restart) => (restart.yes, false),
        verb => panic!("{verb:?}"),
    };
    for (line, expected) in [
        ("pipulate stop", (false, false)),
        ("pipulate stop -y", (true, false)),
        ("pipulate stop --yes", (true, false)),
        ("pipulate stop --force", (true, true)),
        ("pipulate restart", (false, false)),
        ("pipulate restart jupyter --yes", (true, false)),
        ("pipulate restart jupyter --force", (true, false)),
    ] {
        assert_eq!(consent(line), expected, "{line}");
    }
    let Verb::Status(status) = call("pipulate ps --json --all").verb else { panic!() };
    assert_eq!((status.format, status.projects), (Format::Json, Projects::All));
    let Verb::Run(run) = call("pipulate run -- python -c --help").verb else { panic!() };
    assert_eq!(run.command, ["python", "-c", "--help"]);
    let global = call("pipulate stop -C /x -q --color never").global;
    assert_eq!(global.project, Some(PathBuf::from("/x")));
    assert_eq!((global.color, global.verbosity), (ColorWish::Never, Verbosity::Quiet));
}

#[test]
fn logs_show_a_hundred_lines_unless_something_else_chooses() {
    let lines = |line: &str| match call(line).verb {
        Verb::Logs(LogsSettings { show: LogsShow::Lines(lines), .. }) => {
            (lines.tail, lines.grep.map(|re| re.is_match("ERROR")))
        }
        verb => panic!("{verb:?}"),
    };
    assert_eq!(lines("pipulate logs"), (Tail::Lines(100), None));
    assert_eq!(lines("pipulate logs -n all"), (Tail::All, None));
    assert_eq!(lines("pipulate logs -n 7 -g error"), (Tail::Lines(7), Some(true)));
    assert_eq!(lines("pipulate logs -g Error"), (Tail::All, Some(false)));
    assert_eq!(lines(r"pipulate logs -g \Werror|error\S*"), (Tail::All, Some(true)));
    assert_eq!(lines("pipulate logs --since 10m"), (Tail::All, None));
    assert_eq!(lines("pipulate logs --until yesterday -n 3"), (Tail::Lines(3), None));
}

#[test]
fn what_is_typed_wrongly_is_a_usage_error() {
    for line in [
        "pipulate",
        "pipulate fly",
        "pipulate start ../x",
        "pipulate start --wait-timeout soon",
        "pipulate logs -n some",
        "pipulate logs -g (",
        "pipulate logs --since soon",
        "pipulate logs --path --json",
        "pipulate -q -v status",
        "pipulate stop jupyter --all",
        "pipulate config",
        "pipulate run",
    ] {
        let answer = answer(line);
        assert!(answer.is_complaint(), "{line}");
    }
    assert!(!answer("pipulate --version").is_complaint());
}

#[test]
fn colors_are_as_asked_even_in_a_complaint() {
    for (line, wish) in [
        ("pipulate fly --color=never", ColorWish::Never),
        ("pipulate --color always fly", ColorWish::Always),
        ("pipulate fly", ColorWish::Auto),
        ("pipulate --color", ColorWish::Auto),
    ] {
        assert_eq!(answer(line).color, wish, "{line}");
    }
}
