//! The result of a start, in words.

use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_engine::report::Outcome;
use pipulate_store::record::Record;

use crate::style::Style;

/// One line about one service.
pub(crate) fn line(service: &ServiceName, outcome: &Outcome, style: Style) -> String {
    match outcome {
        Outcome::Up { record, fresh } => {
            let mut text = format!("{} {service}", style.state(record.state, record.state));
            let reason = pipulate_words::reasons(&record.reasons, service).filter(|_| !fresh);
            let reason = reason.map(|reason| format!("{service}: {reason}"));
            for note in notes(record, *fresh).chain(reason) {
                text.push_str(&format!("\n{} {note}", style.warning("warning:")));
            }
            text
        }
        Outcome::Failed { record } => {
            let state = record.shown_state();
            let mut text = format!("{} {service}", style.state(state, state));
            for note in notes(record, true) {
                text.push_str(&format!("\n{} {note}", style.warning("warning:")));
            }
            text
        }
        Outcome::Refused(_)
        | Outcome::Unmet { .. }
        | Outcome::AlreadyStopped
        | Outcome::StartWithdrawn
        | Outcome::Stopped { .. }
        | Outcome::Unrecorded(_) => format!("{} {service}", style.bad("failed")),
        Outcome::TimedOut | Outcome::Begun => {
            format!("{} {service}", style.state(ServiceState::Starting, "starting"))
        }
    }
}

/// The state of a service that is not up, in a few words.
pub(crate) fn in_short(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Failed { record } => match record.shown_state() {
            ServiceState::Degraded if record.is_in_background() => "running in the background",
            ServiceState::Degraded => "running but not responding",
            ServiceState::Unstable => "keeps crashing",
            ServiceState::Stopped
            | ServiceState::Starting
            | ServiceState::Ready
            | ServiceState::Running
            | ServiceState::Stopping
            | ServiceState::Backoff
            | ServiceState::Crashed
            | ServiceState::Exited
            | ServiceState::Unsupervised
            | ServiceState::Unknown => "could not start",
        },
        Outcome::TimedOut | Outcome::Begun => "still starting",
        Outcome::Up { .. }
        | Outcome::Refused(_)
        | Outcome::Unmet { .. }
        | Outcome::AlreadyStopped
        | Outcome::StartWithdrawn
        | Outcome::Stopped { .. }
        | Outcome::Unrecorded(_) => "could not start",
    }
}

/// The reason why it did not start; `None` if it is only slow.
pub(crate) fn reason(service: &ServiceName, outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Failed { record } => {
            let why = pipulate_words::reasons(&record.reasons, service).unwrap_or_else(|| {
                match record.state == ServiceState::Stopped {
                    true => "it was stopped meanwhile".to_owned(),
                    false => format!("it is {}", record.shown_state()),
                }
            });
            Some(format!("{service}: {why}"))
        }
        Outcome::StartWithdrawn => Some(format!("{service}: it was stopped meanwhile")),
        Outcome::Refused(why) => Some(format!("{service}: {}", pipulate_words::reason(why, service))),
        Outcome::Up { .. }
        | Outcome::Begun
        | Outcome::TimedOut
        | Outcome::Unmet { .. }
        | Outcome::AlreadyStopped
        | Outcome::Stopped { .. }
        | Outcome::Unrecorded(_) => None,
    }
}

/// The notes of a start, a sentence each.
fn notes(record: &Record, is_fresh: bool) -> impl Iterator<Item = String> {
    reasons_to_note(record, is_fresh).map(|note| pipulate_words::note(note, &record.service))
}

/// The reasons to mention after a start. `is_fresh`: this call started it; port notes of an earlier start are
/// not repeated.
pub(crate) fn reasons_to_note(record: &Record, is_fresh: bool) -> impl Iterator<Item = &Reason> {
    let is_of_ports =
        |note: &Reason| matches!(note, Reason::PortMoved { .. } | Reason::ListensPublicly { .. });
    record.notes.iter().filter(move |note| is_fresh || !is_of_ports(note))
}
