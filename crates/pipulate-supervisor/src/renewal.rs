//! Asking running supervisors from outside: for a restart of their services, or to make way for a
//! newer program.

use std::time::{Duration, Instant};

use pipulate_core::identity::{Host, Pid};
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_process::identity;
use pipulate_process::poll;
use pipulate_process::signals::Signal;
use pipulate_process::table;
use pipulate_store::record::{self, Record};

use crate::launch::{GLANCE, LaunchError, Started, run_of};
use crate::query::{self, Standing};

/// How long a supervisor may take to make way for a newer program.
const MAKES_WAY: Duration = Duration::from_secs(2);

/// Asks the supervisors among these that run an older program to make way for the one that stands
/// in its place now, and waits until they did. Their services are not touched. The answer names
/// their services.
pub fn upgrade(layout: &Layout, services: &[ServiceName]) -> Vec<ServiceName> {
    let host = identity::host();
    let mut asked = Vec::new();
    for service in services {
        let record = record::read(layout, service).unwrap_or(None);
        if let Standing::Supervised(pid) = query::standing(layout, service, record.as_ref(), &host)
            && table::program_was_replaced(pid)
            && ask(layout, service, pid, Signal::USR1, &host).is_ok()
        {
            asked.push((service.clone(), pid));
        }
    }
    let deadline = Instant::now() + MAKES_WAY;
    asked.retain(|(_, pid)| {
        while table::program_was_replaced(*pid) && Instant::now() < deadline {
            // Nothing tells of an exec; without a second look at once it would take a glance.
            let _interrupted = poll::wait(&[], Some(MAKES_WAY / 1000));
        }
        !table::program_was_replaced(*pid)
    });
    asked.into_iter().map(|(service, _)| service).collect()
}

/// Asks the holder of a service's lock to restart it.
///
/// # Errors
/// The process that the kernel named is gone, or may not be signalled.
pub fn ask_to_restart(
    layout: &Layout,
    service: &ServiceName,
    supervisor: Pid,
    host: &Host,
) -> Result<(), String> {
    ask(layout, service, supervisor, Signal::USR2, host)
}

fn ask(
    layout: &Layout,
    service: &ServiceName,
    supervisor: Pid,
    signal: Signal,
    host: &Host,
) -> Result<(), String> {
    match query::pin_supervisor(layout, service, supervisor, host) {
        Some(verified) => verified.signal(signal).map_err(|error| error.to_string()),
        None => Err("its supervisor has just ended".to_owned()),
    }
}

/// Waits until each of these services, asked to restart, has a run other than the one `before`.
///
/// # Errors
/// The system can't wait.
pub fn wait_for_new_runs(
    layout: &Layout,
    mut asked: Vec<(ServiceName, Option<Record>)>,
    deadline: Instant,
) -> Result<Vec<(ServiceName, Started)>, LaunchError> {
    let host = identity::host();
    let mut settled = Vec::new();
    while !asked.is_empty() {
        for (service, before) in std::mem::take(&mut asked) {
            match renewed(layout, &service, before.as_ref(), &host) {
                Some(outcome) => settled.push((service, outcome)),
                None if Instant::now() >= deadline => settled.push((service, Started::TimedOut)),
                None => asked.push((service, before)),
            }
        }
        if !asked.is_empty() {
            poll::wait(&[], Some(GLANCE))?;
        }
    }
    Ok(settled)
}

fn renewed(layout: &Layout, service: &ServiceName, before: Option<&Record>, host: &Host) -> Option<Started> {
    let record = record::read(layout, service).unwrap_or(None)?;
    let is_new = before.and_then(run_of) != run_of(&record) || record.last_exit != before?.last_exit;
    let has_supervisor =
        matches!(query::standing(layout, service, Some(&record), host), Standing::Supervised(_));
    match record.state {
        ServiceState::Ready | ServiceState::Running | ServiceState::Exited if is_new => {
            Some(Started::Up { record: Box::new(record), fresh: true })
        }
        ServiceState::Crashed | ServiceState::Degraded if is_new => {
            Some(Started::Failed { record: Box::new(record) })
        }
        ServiceState::Stopped if !has_supervisor => Some(Started::Failed { record: Box::new(record) }),
        _ if !has_supervisor => {
            Some(Started::NotSupervised { why: "its supervisor ended; see supervisor.log".to_owned() })
        }
        ServiceState::Starting
        | ServiceState::Backoff
        | ServiceState::Stopping
        | ServiceState::Unsupervised
        | ServiceState::Unknown
        | ServiceState::Ready
        | ServiceState::Running
        | ServiceState::Exited
        | ServiceState::Crashed
        | ServiceState::Degraded
        | ServiceState::Stopped => None,
    }
}
