//! Why the engine did nothing for a service, in words.

use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;
use pipulate_engine::cause::Cause;
use pipulate_engine::report::{Refusal, Unrecorded};

use crate::error::advice_against;

/// The sentence for a refusal.
pub(crate) fn words(service: &ServiceName, refusal: &Refusal) -> String {
    match refusal {
        Refusal::Unknown { why } => pipulate_words::reason(why, service),
        Refusal::Lost { supervisor } => format!(
            "{service} runs already, supervised by process {supervisor}, although .pipulate was deleted \
             meanwhile; end it with: pipulate stop {service}"
        ),
        Refusal::LockHeld { pid } => format!(
            "process {pid} holds its lock and is no supervisor of it; look what that is, and end it first"
        ),
        Refusal::StartedSince => {
            "it was stopped, and has been started again since; to end that, stop it again".to_owned()
        }
        Refusal::UnreadableRecord { error } => error.clone(),
        Refusal::NotSignaled { error } | Refusal::NotLaunched { error } => error.clone(),
        Refusal::SupervisorFailed { why: Some(why) } => supervisor_failed(service, why),
        Refusal::SupervisorFailed { why: None } => {
            "its supervisor ended without a word; see `pipulate logs` and supervisor.log".to_owned()
        }
        Refusal::SupervisorsKilled => {
            "its supervisors were killed again and again; see supervisor.log".to_owned()
        }
        Refusal::Restless => "its supervisor comes and goes; stop it again".to_owned(),
    }
}

/// Why a supervisor gave up.
pub(crate) fn supervisor_failed(service: &ServiceName, why: &Reason) -> String {
    let words = pipulate_words::reason(why, service);
    let is_doubt = matches!(
        why,
        Reason::InAnotherContainer
            | Reason::RunsElsewhere { .. }
            | Reason::ProcessUnproved { .. }
            | Reason::ProcessHidden { .. }
            | Reason::RecordUnreadable { .. }
    );
    match is_doubt {
        true => format!("nothing was started: could not tell whether {service} is running: {words}"),
        false => words,
    }
}

/// What is said of a stopped service that no record speaks of.
pub(crate) fn unrecorded(service: &ServiceName, why: &Unrecorded) -> String {
    match why {
        Unrecorded::RecordsDeleted => "whose records had been deleted".to_owned(),
        Unrecorded::Unwritable { error: Cause { text, kind } } => {
            let hint = advice_against(*kind).map(|advice| format!("; hint: {advice}")).unwrap_or_default();
            format!("which can't be written down: {text}{hint}")
        }
        Unrecorded::SupervisorFailed { why: Some(why) } => {
            format!("which can't be written down: {}", supervisor_failed(service, why))
        }
        Unrecorded::SupervisorFailed { why: None } => {
            "which can't be written down; see supervisor.log".to_owned()
        }
    }
}
