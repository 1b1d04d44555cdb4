//! The state of a service, by its record and its ownership.

use pipulate_core::identity::Host;
use pipulate_core::reason::{Reason, Remnant};
use pipulate_core::receipt::Named;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_store::record::Record;

use pipulate_supervisor::ownership::{self, Ownership};

/// Returns the state, whether the service is wanted, and the reasons for the state.
pub(super) fn state(
    record: Option<&Record>,
    ownership: &Ownership,
    host: &Host,
) -> (ServiceState, Wanted, Vec<Reason>) {
    let Some(record) = record else {
        let state = match ownership {
            Ownership::Supervised(_) => ServiceState::Starting,
            Ownership::Unsupervised | Ownership::Gone => ServiceState::Stopped,
            Ownership::Unknown(_) => ServiceState::Unknown,
        };
        let wanted = if state == ServiceState::Stopped { Wanted::Stopped } else { Wanted::Run };
        return (state, wanted, Vec::new());
    };
    match ownership {
        Ownership::Supervised(pid) => match &record.supervisor {
            Some(supervisor) if supervisor.pid == *pid => as_recorded(record),
            // It has the lock and has not written a record yet.
            Some(_) => (ServiceState::Starting, Wanted::Run, Vec::new()),
            // The record's writer is about to end, or a new supervisor has not begun yet.
            None => last_word(record, host),
        },
        Ownership::Unsupervised => {
            let why = outlived(record).unwrap_or(Reason::SupervisorGone);
            (ServiceState::Unsupervised, Wanted::Run, vec![why])
        }
        Ownership::Unknown(why) => (ServiceState::Unknown, record.wanted, vec![why.clone()]),
        Ownership::Gone => last_word(record, host),
    }
}

/// Names the processes that the last stop could not end.
fn outlived(record: &Record) -> Option<Reason> {
    let named = |one: &Named| Remnant { pid: one.pid, name: one.name.clone(), why: one.why.clone() };
    let survivors: Vec<Remnant> = ownership::survivors(record).map(named).collect();
    let is_all = record.main.is_none() && !survivors.is_empty();
    is_all.then_some(Reason::StopIncomplete { processes: survivors })
}

fn as_recorded(record: &Record) -> (ServiceState, Wanted, Vec<Reason>) {
    (record.shown_state(), record.wanted, record.reasons.clone())
}

/// Handles a service without living processes.
fn last_word(record: &Record, host: &Host) -> (ServiceState, Wanted, Vec<Reason>) {
    match record.state {
        ServiceState::Stopped | ServiceState::Exited | ServiceState::Crashed => as_recorded(record),
        ServiceState::Starting
        | ServiceState::Ready
        | ServiceState::Running
        | ServiceState::Degraded
        | ServiceState::Unstable
        | ServiceState::Backoff
        | ServiceState::Stopping
        | ServiceState::Unsupervised
        | ServiceState::Unknown => ended_unseen(record, host),
    }
}

/// Handles a record that says running without any living process: a reboot, or everything was killed.
fn ended_unseen(record: &Record, host: &Host) -> (ServiceState, Wanted, Vec<Reason>) {
    let rebooted = record.supervisor.as_ref().is_some_and(|supervisor| supervisor.host.boot != host.boot);
    if rebooted || record.wanted == Wanted::Stopped {
        let why = rebooted.then_some(Reason::MachineRestarted);
        return (ServiceState::Stopped, Wanted::Stopped, why.into_iter().collect());
    }
    (ServiceState::Crashed, Wanted::Run, vec![Reason::EndedFromOutside])
}
