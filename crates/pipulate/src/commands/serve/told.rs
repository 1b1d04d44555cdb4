//! How a request came out, in the words of a page.

use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_core::status::ProjectStatus;
use pipulate_engine::act::{Idle, Report};
use pipulate_engine::denial::Denial;
use pipulate_engine::project::Note;
use pipulate_engine::request::{Desired, Request};
use pipulate_web::world::{ControlError, Target, Verb};

use crate::commands::last_lines;
use crate::context::Context;
use crate::error::Failure;
use crate::style::Style;
use crate::ui::launched::{self, Launched};
use crate::ui::{denial, notes, receipt};

/// What was done, or why not. `before` is what was true then.
pub(super) fn of_result(
    context: &Context,
    request: &Request,
    before: Option<&ProjectStatus>,
    said: &[Note],
    result: Result<Report, Denial>,
) -> Result<String, ControlError> {
    let report = result.map_err(|denied| {
        ControlError::Refused(of_failure(&match denied {
            Denial::WorkInProgress { work } => {
                denial::spared(&work, verb_of(request.desired).word(), &request.services)
            }
            Denial::NeedsDown { outcomes } => {
                let needs = Launched::of(outcomes);
                let missing = last_lines::missing_modules(context, &needs.failed);
                denial::needs_down(needs.failure(needs.with_a_log(), &missing))
            }
            other => denial::failure(other),
        }))
    })?;
    let said = said.iter().filter(|note| is_worth_a_line(note)).map(|note| match is_a_warning(note) {
        true => format!("warning: {}", notes::text(note)),
        false => notes::text(note),
    });
    let mut lines: Vec<String> = said.collect();
    match report.idle {
        Some(Idle::AllUp) => lines.push("everything is running already".to_owned()),
        Some(Idle::NothingRuns) => lines.push("nothing was restarted: nothing is running".to_owned()),
        Some(Idle::LeftAlone) => {}
        None => lines.extend(of_outcomes(context, request, before, report)?),
    }
    Ok(lines.join("\n"))
}

/// The word for a desired state.
pub(super) fn verb_of(desired: Desired) -> Verb {
    match desired {
        Desired::Running => Verb::Start,
        Desired::Stopped => Verb::Stop,
        Desired::Restarted => Verb::Restart,
    }
}

fn is_worth_a_line(note: &Note) -> bool {
    match note {
        Note::HasKernels { .. } | Note::NotConfigured { .. } => true,
        note => is_a_warning(note),
    }
}

fn is_a_warning(note: &Note) -> bool {
    matches!(
        note,
        Note::NotListed { .. }
            | Note::ConfigIgnored { .. }
            | Note::SecretsMissing { .. }
            | Note::SecretsUnread { .. }
    )
}

fn of_outcomes(
    context: &Context,
    request: &Request,
    before: Option<&ProjectStatus>,
    report: Report,
) -> Result<Vec<String>, ControlError> {
    let refused = |failures: Vec<String>| match failures.is_empty() {
        true => Ok(()),
        false => Err(ControlError::Refused(failures.join("\n"))),
    };
    let Report { outcomes, ended_kernels, idle: _ } = report;
    match request.desired {
        Desired::Stopped => {
            refused(receipt::failures(&outcomes).iter().map(of_failure).collect())?;
            Ok(vec![receipt::text(&outcomes, &request.services, &ended_kernels, Style::plain())])
        }
        Desired::Running => {
            let launched = Launched::of(outcomes);
            let missing = last_lines::missing_modules(context, &launched.failed);
            refused(launched.failure(launched.with_a_log(), &missing).iter().map(of_failure).collect())?;
            Ok(with_warnings(of_start(before, &launched.up), &launched))
        }
        Desired::Restarted => {
            let launched = Launched::of(outcomes);
            let missing = last_lines::missing_modules(context, &launched.failed);
            refused(launched::not_back(&launched, &missing).iter().map(of_failure).collect())?;
            let lines = launched.up.iter().map(|service| format!("Restarted {service}"));
            let lines =
                lines.chain(ended_kernels.iter().map(|notebook| receipt::ended_kernel(notebook))).collect();
            Ok(with_warnings(lines, &launched))
        }
    }
}

fn with_warnings(mut lines: Vec<String>, launched: &Launched) -> Vec<String> {
    lines.extend(launched.notes.iter().map(|note| format!("warning: {note}")));
    lines
}

/// What a start did, by what was true before it.
fn of_start(before: Option<&ProjectStatus>, up: &[ServiceName]) -> Vec<String> {
    let was = |name: &ServiceName| before?.service(name.as_str()).filter(|service| service.live.is_some());
    let (known, fresh): (Vec<&ServiceName>, Vec<&ServiceName>) =
        up.iter().partition(|name| was(name).is_some());
    let is_orphan =
        |name: &&ServiceName| was(name).is_some_and(|service| service.state == ServiceState::Unsupervised);
    let adopted: Vec<&ServiceName> = known.into_iter().filter(is_orphan).collect();
    let said = [("started", fresh), ("took over", adopted)];
    let said = said.into_iter().filter(|(_, names)| !names.is_empty());
    let names =
        |names: Vec<&ServiceName>| names.into_iter().map(ServiceName::as_str).collect::<Vec<_>>().join(", ");
    let lines: Vec<String> = said.map(|(verb, services)| format!("{verb} {}", names(services))).collect();
    if lines.is_empty() { vec!["everything is running already".to_owned()] } else { lines }
}

/// What was begun and is finished by another process.
pub(super) fn of_request(target: &Target, verb: Verb) -> String {
    match (target, verb) {
        (Target::One(service), verb) => format!("{service} was asked to {}", verb.word()),
        (Target::All, Verb::Restart) => {
            "all services were asked to restart; JupyterLab is skipped while kernels run".to_owned()
        }
        (Target::All, Verb::Start | Verb::Stop) => format!("all services were asked to {}", verb.word()),
    }
}

/// What failed and what to do, line by line.
pub(super) fn of_failure(failure: &Failure) -> String {
    failure.lines().join("\n")
}

#[cfg(test)]
mod tests {
    use pipulate_core::reason::Reason;
    use pipulate_engine::report::Outcome;
    use pipulate_engine::request::Wait;

    use super::*;
    use crate::context::samples;
    use crate::ui::status_table::samples as table;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    #[test]
    fn a_start_is_told_by_what_was_not_there_before() {
        let before = table::project();
        let of = |state| before.services.iter().find(|service| service.state == state).unwrap().name.clone();
        let (stopped, ready, orphan) =
            (of(ServiceState::Stopped), of(ServiceState::Ready), of(ServiceState::Unsupervised));
        let told = |up: &[&ServiceName]| {
            of_start(Some(&before), &up.iter().map(|name| (*name).clone()).collect::<Vec<_>>()).join("\n")
        };
        assert_eq!(told(&[&stopped, &ready]), format!("started {stopped}"));
        assert_eq!(
            told(&[&stopped, &name("new"), &orphan]),
            format!("started {stopped}, new\ntook over {orphan}")
        );
        assert_eq!(told(&[&ready]), "everything is running already");
    }

    #[test]
    fn a_refusal_says_what_why_and_what_next() {
        let told = |desired, outcome| {
            let request = Request::new(desired, Vec::new(), Wait::No);
            let report = Report { outcomes: vec![(name("worker"), outcome)], ..Report::default() };
            of_result(&samples::project("").context, &request, None, &[], Ok(report))
        };
        assert_eq!(
            told(Desired::Stopped, Outcome::Refused(Box::new(Reason::SupervisorRestless))),
            Err(ControlError::Refused(
                "worker was not stopped\nits supervisor comes and goes; stop it again".to_owned()
            ))
        );
        let killed = "its supervisors were killed again and again; see supervisor.log";
        assert_eq!(
            told(Desired::Restarted, Outcome::Refused(Box::new(Reason::SupervisorsKilled))),
            Err(ControlError::Refused(format!("worker did not come back\nworker: {killed}")))
        );
        assert_eq!(told(Desired::Stopped, Outcome::AlreadyStopped), Ok("0 processes left".to_owned()));
    }
}
