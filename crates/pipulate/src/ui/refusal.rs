//! Why the engine did nothing for a service, in words.

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
        Refusal::SupervisorFailed { words: Some(words) } => words.clone(),
        Refusal::SupervisorFailed { words: None } => {
            "its supervisor ended without a word; see `pipulate logs` and supervisor.log".to_owned()
        }
        Refusal::SupervisorsKilled => {
            "its supervisors were killed again and again; see supervisor.log".to_owned()
        }
        Refusal::Restless => "its supervisor comes and goes; stop it again".to_owned(),
    }
}

/// What is said of a stopped service that no record speaks of.
pub(crate) fn unrecorded(why: &Unrecorded) -> String {
    match why {
        Unrecorded::RecordsDeleted => "whose records had been deleted".to_owned(),
        Unrecorded::Unwritable { error: Some(Cause { text, kind }) } => {
            let hint = advice_against(*kind).map(|advice| format!("; hint: {advice}")).unwrap_or_default();
            format!("which can't be written down: {text}{hint}")
        }
        Unrecorded::Unwritable { error: None } => {
            "which can't be written down; see supervisor.log".to_owned()
        }
    }
}
