//! The reasons why nothing was done for a service, or why a supervisor gave up, as sentences.

use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;
use pipulate_core::text::printable;

/// Returns the sentence for a reason of this kind; empty for others.
pub(crate) fn refusal(reason: &Reason, service: &ServiceName) -> String {
    match reason {
        Reason::RunsUnrecorded { supervisor } => format!(
            "{service} runs already, supervised by process {supervisor}, although .pipulate was deleted \
             meanwhile; end it with: pipulate stop {service}"
        ),
        Reason::LockHeld { pid } => format!(
            "process {pid} holds its lock but is not its supervisor; check what it is, and end it first"
        ),
        Reason::StartedSince => {
            "it was stopped, and has been started again since; to end that, stop it again".to_owned()
        }
        Reason::RecordUnreadable { problem, .. } | Reason::SupervisorNotStarted { problem } => {
            problem.to_string()
        }
        Reason::SupervisorNotSignaled { pid, error: None } => {
            format!("process {pid} belongs to another user")
        }
        Reason::SupervisorNotSignaled { pid, error: Some(error) } => {
            format!("could not signal process {pid}: {error}")
        }
        Reason::SupervisorFailed => {
            "its supervisor ended without a message; see `pipulate logs` and supervisor.log".to_owned()
        }
        Reason::SupervisorsKilled => "its supervisors were killed repeatedly; see supervisor.log".to_owned(),
        Reason::SupervisorRestless => "its supervisor keeps restarting; stop it again".to_owned(),
        Reason::ConfigUnusable { file, error } => {
            format!("the configuration can't be used: {}: {}", file.display(), in_short(error))
        }
        Reason::NotConfigured => format!("there is no such service here: {service}"),
        Reason::EnvFileMissing { path } => format!("its env_file is not there: {}", path.display()),
        Reason::EnvFileUnusable { error } => printable(&error.to_string()),
        _ => String::new(),
    }
}

/// Returns the place and the kind of the error, without the quoted line in between.
fn in_short(error: &str) -> String {
    let lines: Vec<&str> = error.lines().collect();
    match lines.as_slice() {
        [first, .., last] => format!("{first}: {last}"),
        _ => error.to_owned(),
    }
}
