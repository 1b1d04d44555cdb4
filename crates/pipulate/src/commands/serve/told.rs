//! The result of a request, for the page: lines, or why it was not carried out.

use pipulate_core::answer::{Line, Note};
use pipulate_core::status::ProjectStatus;
use pipulate_engine::act::{Idle, Report};
use pipulate_engine::answer;
use pipulate_engine::denial::Denial;
use pipulate_engine::request::{Desired, Request};
use pipulate_web::world::{ControlError, Verb};

use crate::commands::last_lines;
use crate::context::Context;
use crate::error::Failure;
use crate::ui::launched::{self, Launched};
use crate::ui::{denial, receipt};

/// The report of a result. `before` is the status before the request.
pub(crate) fn of_result(
    context: &Context,
    request: &Request,
    before: Option<&ProjectStatus>,
    said: &[Note],
    result: Result<Report, Denial>,
) -> Result<Vec<Line>, ControlError> {
    let report = result.map_err(|denied| {
        ControlError::Refused(of_failure(&match denied {
            Denial::WorkInProgress { work } => {
                denial::not_stopped(&work, verb_of(request.desired).word(), &request.services)
            }
            Denial::NeedsDown { outcomes } => {
                let needs = Launched::of(outcomes);
                let missing = last_lines::missing_modules(context, &needs.failed);
                denial::needs_down(needs.failure(needs.with_a_log(), &missing))
            }
            other => denial::failure(other),
        }))
    })?;
    let mut lines: Vec<Line> =
        said.iter().filter(|note| is_worth_a_line(note)).cloned().map(Line::Note).collect();
    match report.idle {
        Some(Idle::AllUp) => lines.push(Line::AllUp),
        Some(Idle::NothingRuns) => lines.push(Line::NothingRuns),
        Some(Idle::LeftAlone) => {}
        None => lines.extend(of_outcomes(context, request, before, report)?),
    }
    Ok(lines)
}

/// The verb for a desired state.
pub(crate) fn verb_of(desired: Desired) -> Verb {
    match desired {
        Desired::Running => Verb::Start,
        Desired::Stopped => Verb::Stop,
        Desired::Restarted => Verb::Restart,
    }
}

fn is_worth_a_line(note: &Note) -> bool {
    note.is_warning() || matches!(note, Note::HasKernels { .. } | Note::NotConfigured { .. })
}

fn of_outcomes(
    context: &Context,
    request: &Request,
    before: Option<&ProjectStatus>,
    report: Report,
) -> Result<Vec<Line>, ControlError> {
    let refused = |failures: Vec<String>| match failures.is_empty() {
        true => Ok(()),
        false => Err(ControlError::Refused(failures.join("\n"))),
    };
    let Report { outcomes, ended_kernels, idle: _ } = report;
    if request.desired == Desired::Stopped {
        refused(receipt::failures(&outcomes).iter().map(of_failure).collect())?;
        return Ok(answer::of_stop(&outcomes, &request.services, &ended_kernels));
    }
    let launched = Launched::of(outcomes);
    let missing = last_lines::missing_modules(context, &launched.failed);
    let mut lines = match request.desired {
        Desired::Running | Desired::Stopped => {
            refused(launched.failure(launched.with_a_log(), &missing).iter().map(of_failure).collect())?;
            answer::of_start(before, &launched.up)
        }
        Desired::Restarted => {
            refused(launched::not_back(&launched, &missing).iter().map(of_failure).collect())?;
            let up = launched.up.iter().map(|service| Line::Restarted { service: service.clone() });
            up.chain(answer::of_kernels(&ended_kernels)).collect()
        }
    };
    lines.extend(launched.notes.into_iter().map(|(service, note)| Line::OfService { service, note }));
    Ok(lines)
}

/// The failure and the advice, line by line.
pub(super) fn of_failure(failure: &Failure) -> String {
    failure.lines().join("\n")
}

#[cfg(test)]
mod tests {
    use pipulate_core::reason::Reason;
    use pipulate_core::service::ServiceName;
    use pipulate_core::state::ServiceState;
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
            answer::of_start(Some(&before), &up.iter().map(|name| (*name).clone()).collect::<Vec<_>>())
        };
        let started = |services: &[&ServiceName]| Line::Started {
            services: services.iter().map(|name| (*name).clone()).collect(),
        };
        assert_eq!(told(&[&stopped, &ready]), [started(&[&stopped])]);
        let new = name("new");
        let took_over = Line::TookOver { services: vec![orphan.clone()] };
        assert_eq!(told(&[&stopped, &new, &orphan]), [started(&[&stopped, &new]), took_over]);
        assert_eq!(told(&[&ready]), [Line::AllUp]);
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
                "worker was not stopped\nits supervisor keeps restarting; stop it again".to_owned()
            ))
        );
        let killed = "its supervisors were killed repeatedly; see supervisor.log";
        assert_eq!(
            told(Desired::Restarted, Outcome::Refused(Box::new(Reason::SupervisorsKilled))),
            Err(ControlError::Refused(format!("worker did not start again\nworker: {killed}")))
        );
        assert_eq!(
            told(Desired::Stopped, Outcome::AlreadyStopped),
            Ok(vec![Line::Left { services: Vec::new(), processes: 0 }])
        );
    }
}
