//! What a command printed, in the words of a page.

use pipulate_core::state::ServiceState;
use pipulate_core::status::ProjectStatus;
use pipulate_web::world::{Target, Verb};

/// What a start did: by what was true before it, and what it printed, a line for each service that is up.
pub(super) fn of_start(before: &ProjectStatus, stdout: &str, stderr: &str) -> String {
    let up = stdout.lines().filter_map(|line| line.split_whitespace().next());
    let was = |name: &str| before.service(name).filter(|service| service.live.is_some());
    let (known, fresh): (Vec<&str>, Vec<&str>) = up.partition(|name| was(name).is_some());
    let is_orphan =
        |name: &&str| was(name).is_some_and(|service| service.state == ServiceState::Unsupervised);
    let adopted: Vec<&str> = known.into_iter().filter(is_orphan).collect();
    let said = [("started", fresh), ("took over", adopted)];
    let said = said.into_iter().filter(|(_, names)| !names.is_empty());
    let mut lines: Vec<String> = said.map(|(verb, names)| format!("{verb} {}", names.join(", "))).collect();
    if lines.is_empty() {
        lines.push("everything is running already".to_owned());
    }
    with_warnings(lines.join("\n"), stderr)
}

/// What was done, and what was worth a look beside it.
pub(super) fn with_warnings(mut done: String, stderr: &str) -> String {
    for warning in stderr.lines().filter(|line| line.starts_with("warning: ")) {
        done.extend(["\n", warning]);
    }
    done
}

/// What was begun and is finished by somebody else.
pub(super) fn of_request(target: &Target, verb: Verb) -> String {
    match (target, verb) {
        (Target::One(service), verb) => format!("{service} was asked to {}", verb.word()),
        (Target::All, Verb::Restart) => {
            "all services were asked to restart; JupyterLab is left alone while it has kernels".to_owned()
        }
        (Target::All, Verb::Start | Verb::Stop) => format!("all services were asked to {}", verb.word()),
    }
}

/// Why it was not done, without the words for a terminal that come before that.
pub(super) fn of_failure(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().collect();
    let begin = lines.iter().rposition(|line| line.starts_with("error: ")).unwrap_or(0);
    // What stands under a line keeps its place there.
    let line = |line: &&'_ str| {
        let words = line.strip_prefix("error: ").or_else(|| line.strip_prefix("  because: "));
        words.unwrap_or(line).to_owned()
    };
    lines[begin..].iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::status_table::samples;

    #[test]
    fn a_start_is_told_by_what_was_not_there_before() {
        let before = samples::project();
        let name =
            |state| before.services.iter().find(|service| service.state == state).unwrap().name.to_string();
        let (stopped, ready, orphan) =
            (name(ServiceState::Stopped), name(ServiceState::Ready), name(ServiceState::Unsupervised));
        let told = |up: &[&str], stderr| of_start(&before, &up.join("\n"), stderr);
        let web = format!("{stopped}  http://127.0.0.1:5001/");
        assert_eq!(told(&[&web, &ready], "ready web\n"), format!("started {stopped}"));
        assert_eq!(
            told(&[&stopped, "new", &orphan], ""),
            format!("started {stopped}, new\ntook over {orphan}")
        );
        assert_eq!(told(&[&ready], "Everything is running already\n"), "everything is running already");
        let warned = told(&[&stopped], "ready web\nwarning: others can reach it\nhint: close it\n");
        assert_eq!(warned, format!("started {stopped}\nwarning: others can reach it"));
    }

    #[test]
    fn a_failure_is_told_without_what_came_before_it() {
        let stderr = "failed web\nThe last lines of web:\n  error: no\nerror: could not start: web\n  \
            because: web: its port is taken:\n    nginx, pid 12\nhint: set another port\n";
        assert_eq!(
            of_failure(stderr),
            "could not start: web\nweb: its port is taken:\n    nginx, pid 12\nhint: set another port"
        );
        assert_eq!(of_failure("killed\n"), "killed");
    }
}
