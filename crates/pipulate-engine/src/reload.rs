//! Asking running supervisors from outside to make way for another program: a newer one in the same place,
//! or the one that was called from elsewhere.

use std::path::Path;
use std::time::{Duration, Instant};

use pipulate_core::identity::{Host, Pid};
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use pipulate_process::identity::{self, SignalError, Verified};
use pipulate_process::poll;
use pipulate_process::signals::Signal;
use pipulate_process::table;
use pipulate_store::{program, record};

use pipulate_supervisor::ownership::{self, Ownership, look_up};

use crate::plan;

/// How long a supervisor may take to make way for another program.
const MAKES_WAY: Duration = Duration::from_secs(2);

/// Asks the supervisors among these that run another program than the home's ([`program::recall`]) to make
/// way for that one, and waits until they did. Their services are not touched. The answer names their
/// services.
pub fn upgrade(layout: &Layout, services: &[ServiceName]) -> Vec<ServiceName> {
    let Some(program) = program::recall(layout) else { return Vec::new() };
    let host = identity::host();
    let mut asked = Vec::new();
    for service in services {
        if let (_, Ownership::Supervised(pid)) = look_up(layout, service, &host)
            && table::runs_another(pid, &program)
            && let Ok(Some(supervisor)) = ask(layout, service, pid, Signal::USR1, &host)
        {
            asked.push((service.clone(), supervisor));
        }
    }
    let deadline = Instant::now() + MAKES_WAY;
    asked.retain(|(_, supervisor)| {
        let pid = supervisor.identity().pid;
        while table::runs_another(pid, &program) && Instant::now() < deadline {
            // Nothing tells of an exec; without a second look at once it would take a glance.
            let _interrupted = poll::wait(&[], Some(MAKES_WAY / 1000));
        }
        supervisor.lives() && !table::runs_another(pid, &program)
    });
    asked.into_iter().map(|(service, _)| service).collect()
}

/// Those of these services that are the embedded web app in another program than this one.
pub fn other_apps(layout: &Layout, services: &[ServiceName], program: &Path) -> Vec<ServiceName> {
    let host = identity::host();
    let is_other_app = |service: &&ServiceName| {
        let (record, ownership) = look_up(layout, service, &host);
        let is_supervised = matches!(ownership, Ownership::Supervised(_));
        let main = record.filter(|_| is_supervised).and_then(|record: record::Record| record.main);
        main.is_some_and(|main| {
            let pid = main.identity.pid;
            plan::is_app(&table::arguments(pid)) && table::runs_another(pid, program)
        })
    };
    services.iter().filter(is_other_app).cloned().collect()
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
