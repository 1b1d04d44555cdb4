use std::fs;

use regex::Regex;

use super::*;
use crate::context::samples::{self, Project};
use crate::error::FailureKind;

fn home(logs: &[(&str, &str)]) -> Project {
    let project =
        samples::project("[services.worker]\ncommand = [\"true\"]\nenv = { KEY = \"sk-12345678\" }");
    for (name, text) in logs {
        fs::write(project.context.project.layout.logs().at(format!("{name}.log")), text).unwrap();
    }
    project
}

fn shown(project: &Project, services: &[&str], show: LogsShow) -> String {
    let services = services.iter().map(|name| ServiceName::parse(name).unwrap()).collect();
    assert_eq!(logs(&project.context, LogsSettings { services, show }).unwrap(), ExitStatus::Success);
    project.printed.stdout()
}

fn lines(tail: Tail, grep: Option<&str>) -> LogsShow {
    LogsShow::Lines(settings(tail, grep))
}

fn settings(tail: Tail, grep: Option<&str>) -> LinesSettings {
    let grep = grep.map(|pattern| Regex::new(pattern).unwrap());
    LinesSettings { tail, grep, since: None, until: None, follow: false, prefix: true, form: LineForm::Plain }
}

#[test]
fn one_service_has_no_prefix_and_several_have_aligned_ones() {
    let project = home(&[("jupyter", "one\ntwo")]);
    assert_eq!(shown(&project, &[], lines(Tail::All, None)), "one\ntwo\n");
    let project = home(&[("worker", "w1\n"), ("jupyter", "j1\nj2\n")]);
    assert_eq!(shown(&project, &[], lines(Tail::All, None)), "jupyter | j1\njupyter | j2\nworker  | w1\n");
    let project = home(&[("worker", "w1\n"), ("jupyter", "j1\n")]);
    assert_eq!(shown(&project, &["worker", "worker"], lines(Tail::All, None)), "w1\n");
    let project = home(&[("worker", "w1\n"), ("jupyter", "j1\n")]);
    let show = LogsShow::Lines(LinesSettings { prefix: false, ..settings(Tail::All, None) });
    assert_eq!(shown(&project, &[], show), "j1\nw1\n");
}

#[test]
fn the_last_lines_are_chosen_after_the_search() {
    let text = "a1\nb1\na2\nb2\na3\nb3\n";
    assert_eq!(shown(&home(&[("worker", text)]), &[], lines(Tail::Lines(2), None)), "a3\nb3\n");
    assert_eq!(shown(&home(&[("worker", text)]), &[], lines(Tail::Lines(2), Some("a"))), "a2\na3\n");
    assert_eq!(shown(&home(&[("worker", text)]), &[], lines(Tail::All, Some("b"))), "b1\nb2\nb3\n");
}

#[test]
fn no_secret_and_no_control_sequence_is_shown_or_found() {
    let text = "key sk-12345678 \x1b]0;title\x07end\n\x1b[31mred\x1b[0m\n";
    let seen = shown(&home(&[("worker", text)]), &[], lines(Tail::All, None));
    assert_eq!(seen, "key **** end\nred\n");
    assert_eq!(shown(&home(&[("worker", text)]), &[], lines(Tail::All, Some("123"))), "");
}

#[test]
fn a_time_to_begin_with_that_is_after_the_end_is_told() {
    let told = |since: &str, until: &str| {
        let project = home(&[("worker", "a line\n")]);
        let at = |time: &str| Some(When::At(time.parse().unwrap()));
        let lines = LinesSettings { since: at(since), until: at(until), ..settings(Tail::All, None) };
        shown(&project, &[], LogsShow::Lines(lines));
        project.printed.stderr().contains("--since is later than --until")
    };
    assert!(told("2026-11-23T10:00:00Z", "2026-11-23T09:00:00Z"));
    assert!(!told("2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z"));
}

#[test]
fn paths_are_printed_for_scripts() {
    let project = home(&[("worker", ""), ("jupyter", "")]);
    let logs = project.context.project.layout.logs();
    assert_eq!(shown(&project, &[], LogsShow::Paths), format!("{logs}/jupyter.log\n{logs}/worker.log\n"));
    let project = home(&[]);
    let logs = project.context.project.layout.logs();
    assert_eq!(shown(&project, &["server"], LogsShow::Paths), format!("{logs}/server.log\n"));
}

#[test]
fn a_service_that_is_no_longer_configured_keeps_its_log() {
    let project = home(&[("gone", "bye\n")]);
    assert_eq!(shown(&project, &["gone"], lines(Tail::All, None)), "bye\n");
}

#[test]
fn an_unknown_service_is_a_usage_error_and_no_log_is_none() {
    let project = home(&[]);
    let services = vec![ServiceName::parse("nope").unwrap()];
    let failure = logs(&project.context, LogsSettings { services, show: LogsShow::Paths }).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Usage);
    assert_eq!(shown(&project, &[], lines(Tail::All, None)), "");
    assert!(project.printed.stderr().contains("No service has printed anything yet"));
}

#[test]
fn a_follower_expects_the_services_that_start_will_start() {
    let project = home(&[("gone", "")]);
    let names = |scope| -> Vec<String> {
        chosen(&project.context, Vec::new(), scope).unwrap().iter().map(ToString::to_string).collect()
    };
    assert_eq!(names(Scope::Existing), ["gone"]);
    assert_eq!(names(Scope::Expected), ["jupyter", "server", "worker", "gone"]);
}
