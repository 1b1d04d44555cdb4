//! The parts of sentences about reasons.

use std::path::PathBuf;

use pipulate_core::fault::SystemErrorKind;
use pipulate_core::reason::{Ending, Fate, PortHolder, ProbeProblem, Process, Processes, Remnant};
use pipulate_core::service::ServiceName;
use pipulate_core::text::printable;

/// `ended with code 1`, `was killed by SIGKILL`.
pub(crate) fn ending(end: &Ending) -> String {
    match end {
        Ending::Code { code } => format!("ended with code {code}"),
        Ending::Signal { name, .. } => format!("was killed by {name}"),
        Ending::TimedOut => "took too long".to_owned(),
        Ending::Unseen => "ended with an unknown status".to_owned(),
    }
}

/// `python3 (pid 12), sleep (pid 13) and 2 more`.
pub(crate) fn processes(processes: &Processes) -> String {
    let name = |one: &Process| format!("{} (pid {})", printable(&one.name), one.pid);
    and_more(processes.named.iter().map(name).collect(), processes.more)
}

/// `app.py, views.py and 3 more`.
pub(crate) fn files(files: &[PathBuf], more: u32) -> String {
    and_more(files.iter().map(|file| printable(&file.to_string_lossy())).collect(), more)
}

fn and_more(names: Vec<String>, more: u32) -> String {
    let names = names.join(", ");
    match more {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

/// `sudo (pid 12) belongs to another user`, of each.
pub(crate) fn remnants(remnants: &[Remnant]) -> String {
    let named = |one: &Remnant| format!("{} (pid {}) {}", printable(&one.name), one.pid, fate(&one.why));
    remnants.iter().map(named).collect::<Vec<_>>().join(", ")
}

/// Returns the fate of a process in a stop, to follow its name: `belongs to another user`.
pub fn fate(fate: &Fate) -> String {
    match fate {
        Fate::KilledAtOnce => "was to end at once".to_owned(),
        Fate::KilledAfter { timeout } => format!("did not end within {} s", timeout.as_secs_f64()),
        Fate::KilledUnheeding => "did not end when asked".to_owned(),
        Fate::OfAnotherUser => "belongs to another user".to_owned(),
        Fate::Uninterruptible => "is in a system call that can't be interrupted".to_owned(),
        Fate::OutlivesKill => "did not end even when killed".to_owned(),
        Fate::OfService { service } => format!("belongs to the service {service}"),
        Fate::OfAnotherProject => "belongs to another project".to_owned(),
        Fate::Supervises { service } => format!("supervises {service}"),
        Fate::DetachedFromTerminal => "detached itself from a JupyterLab terminal".to_owned(),
        Fate::WritesToAnotherLog => "writes to the log of another service".to_owned(),
        Fate::Told { text } => printable(text),
        Fate::Foreign { code, .. } => format!("{} (as a newer Pipulate says)", printable(code)),
    }
}

/// Returns the holder of a port that `service` is to have: `nginx (pid 12)`.
pub fn holder(holder: &PortHolder, service: &ServiceName) -> String {
    match holder {
        PortHolder::Hidden => "another user's process".to_owned(),
        PortHolder::Process { pid, command, project: None, service: _ } => {
            format!("{} (pid {pid})", printable(command))
        }
        PortHolder::Process { pid, command, project: Some(project), service } => {
            let service = service.as_ref().map(|name| format!(", service {name}")).unwrap_or_default();
            let (command, project) = (printable(command), printable(&project.to_string_lossy()));
            format!("{command} (pid {pid}){service} of the Pipulate project {project}")
        }
        PortHolder::LeftBehind { pid, command } => {
            format!("{} (pid {pid}), which {service} left running", printable(command))
        }
        PortHolder::Own { processes: left } => {
            format!("what {service} left running when it ended: {}", processes(left))
        }
        PortHolder::Unseen => "a process that has released it since".to_owned(),
    }
}

/// Describes the failed probe of a service's listener.
pub(crate) fn probe(problem: &ProbeProblem) -> String {
    match problem {
        ProbeProblem::Refused { address } => format!("it refuses connections at {address}"),
        ProbeProblem::Silent { address } => format!("it accepts connections at {address} and sends nothing"),
        ProbeProblem::Closed { address } => format!("it closes connections to {address} without an answer"),
        ProbeProblem::Status { code, path } => format!("it answered {code} at {path}"),
        ProbeProblem::NotHttp { address } => format!("its answer at {address} is not HTTP"),
        ProbeProblem::NotTls { address } => format!("its answer at {address} is not TLS"),
        ProbeProblem::TlsRefused { address, error } => {
            format!("it speaks TLS at {address} and refused the connection: {error}")
        }
    }
}

/// Returns advice against an error of the system.
pub fn advice_against(kind: SystemErrorKind) -> Option<&'static str> {
    match kind {
        SystemErrorKind::DiskFull => Some("make room on that disk; `df -h` shows how full it is"),
        SystemErrorKind::OverQuota => Some("your share of that disk is used up: remove what you don't need"),
        SystemErrorKind::ReadOnlyDisk => Some("that disk is read-only; work in a folder on another one"),
        SystemErrorKind::NotPermitted | SystemErrorKind::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use pipulate_core::reason::examples;

    use super::*;

    #[test]
    fn every_fate_has_its_words() {
        let text: Vec<String> = examples::fates().iter().map(fate).collect();
        insta::assert_snapshot!(text.join("\n"));
    }
}
