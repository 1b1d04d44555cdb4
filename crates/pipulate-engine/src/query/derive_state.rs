//! A service in one word, by its record and by who stands behind that.

use pipulate_core::identity::Host;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_core::text::printable;
use pipulate_store::record::{Named, Record};

use pipulate_supervisor::ownership::{self, Ownership};

/// The state, whether the service is wanted, and why it is as it is.
pub(super) fn state(
    record: Option<&Record>,
    ownership: &Ownership,
    host: &Host,
) -> (ServiceState, Wanted, Option<String>) {
    let Some(record) = record else {
        let state = match ownership {
            Ownership::Supervised(_) => ServiceState::Starting,
            Ownership::Unsupervised | Ownership::Gone => ServiceState::Stopped,
            Ownership::Unknown(_) => ServiceState::Unknown,
        };
        let wanted = if state == ServiceState::Stopped { Wanted::Stopped } else { Wanted::Run };
        return (state, wanted, None);
    };
    match ownership {
        Ownership::Supervised(pid) => match &record.supervisor {
            Some(supervisor) if supervisor.pid == *pid => as_recorded(record),
            // It has the lock and has not written yet.
            Some(_) => (ServiceState::Starting, Wanted::Run, None),
            // Whoever wrote that is on the way out, or somebody new has begun nothing yet.
            None => last_word(record, host),
        },
        Ownership::Unsupervised => {
            let takes_over = || "its supervisor is gone; the next start takes it over as it is".to_owned();
            (ServiceState::Unsupervised, Wanted::Run, Some(outlived(record).unwrap_or_else(takes_over)))
        }
        Ownership::Unknown(why) => (ServiceState::Unknown, record.wanted, Some(why.clone())),
        Ownership::Gone => last_word(record, host),
    }
}

/// Names the processes that the last stop could not end.
fn outlived(record: &Record) -> Option<String> {
    let named = |one: &Named| format!("{} (pid {}) {}", printable(&one.name), one.pid, one.why);
    let survivors: Vec<String> = ownership::survivors(record).map(named).collect();
    let is_all = record.main.is_none() && !survivors.is_empty();
    is_all.then(|| format!("the stop could not end everything: {}", survivors.join(", ")))
}

fn as_recorded(record: &Record) -> (ServiceState, Wanted, Option<String>) {
    (record.shown_state(), record.wanted, record.reason.clone())
}

/// Nothing of it lives.
fn last_word(record: &Record, host: &Host) -> (ServiceState, Wanted, Option<String>) {
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

/// Its record says that it runs and nothing of it does: a reboot, or everything was killed.
fn ended_unseen(record: &Record, host: &Host) -> (ServiceState, Wanted, Option<String>) {
    let rebooted = record.supervisor.as_ref().is_some_and(|supervisor| supervisor.host.boot != host.boot);
    if rebooted || record.wanted == Wanted::Stopped {
        let why = rebooted.then(|| "the machine was restarted".to_owned());
        return (ServiceState::Stopped, Wanted::Stopped, why);
    }
    (ServiceState::Crashed, Wanted::Run, Some("it and its supervisor were ended from outside".to_owned()))
}
