//! Asking running supervisors from outside to make way for a newer program.

use std::time::{Duration, Instant};

use pipulate_core::identity::{Host, Pid};
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use pipulate_process::identity::{self, SignalError, Verified};
use pipulate_process::poll;
use pipulate_process::signals::Signal;
use pipulate_process::table;

use pipulate_supervisor::ownership::{self, Ownership, look_up};

/// How long a supervisor may take to make way for a newer program.
const MAKES_WAY: Duration = Duration::from_secs(2);

/// Asks the supervisors among these that run an older program to make way for the one that stands
/// in its place now, and waits until they did. Their services are not touched. The answer names
/// their services.
pub fn upgrade(layout: &Layout, services: &[ServiceName]) -> Vec<ServiceName> {
    let host = identity::host();
    let mut asked = Vec::new();
    for service in services {
        if let (_, Ownership::Supervised(pid)) = look_up(layout, service, &host)
            && table::program_was_replaced(pid)
            && let Ok(Some(supervisor)) = ask(layout, service, pid, Signal::USR1, &host)
        {
            asked.push((service.clone(), supervisor));
        }
    }
    let deadline = Instant::now() + MAKES_WAY;
    asked.retain(|(_, supervisor)| {
        let pid = supervisor.identity().pid;
        while table::program_was_replaced(pid) && Instant::now() < deadline {
            // Nothing tells of an exec; without a second look at once it would take a glance.
            let _interrupted = poll::wait(&[], Some(MAKES_WAY / 1000));
        }
        supervisor.lives() && !table::program_was_replaced(pid)
    });
    asked.into_iter().map(|(service, _)| service).collect()
}

fn ask(
    layout: &Layout,
    service: &ServiceName,
    supervisor: Pid,
    signal: Signal,
    host: &Host,
) -> Result<Option<Verified>, SignalError> {
    let found = ownership::pin_supervisor(layout, service, supervisor, host);
    found.map(|verified| verified.signal(signal).map(|()| verified)).transpose()
}
