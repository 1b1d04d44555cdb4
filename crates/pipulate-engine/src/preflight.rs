//! Preflight checks: a running service is ended for a restart only if a new instance could be started.

use std::collections::BTreeMap;
use std::ffi::OsString;

use pipulate_core::layout::Layout;
use pipulate_core::reason::{PortHolder, Reason};
use pipulate_core::service::{PortWish, ServiceName, ServiceSpec};
use pipulate_process::{identity, ports, table};

use pipulate_supervisor::ownership::{Ownership, look_up};
use pipulate_supervisor::port_owner::port_owners;
use pipulate_supervisor::startable::try_out_program;

use crate::query;

/// Checks whether a new instance of a running service could be started after a stop. It would start in its
/// supervisor's environment: `spec` returns its specification there. A service that does not run is not
/// checked.
///
/// # Errors
/// It could not, or `spec` returns none.
pub fn try_out(
    layout: &Layout,
    service: &ServiceName,
    spec: impl FnOnce(&BTreeMap<OsString, OsString>) -> Result<ServiceSpec, Reason>,
) -> Result<(), Reason> {
    let (record, ownership) = look_up(layout, service, &identity::host());
    let Some(record) = record.filter(query::main_lives) else { return Ok(()) };
    let ours = || Some(std::env::vars_os().collect());
    let environment = match ownership {
        Ownership::Supervised(supervisor) => match table::try_out_program(supervisor) {
            Ok(()) => table::environment(supervisor),
            // It has just ended: its replacement would have our environment.
            Err(_) if look_up(layout, service, &identity::host()).1 != ownership => ours(),
            Err(error) => {
                let program = table::arguments(supervisor).into_iter().next().unwrap_or_default();
                return Err(Reason::SupervisorNotRunnable {
                    program: program.into(),
                    error: error.to_string(),
                });
            }
        },
        Ownership::Unsupervised => ours(),
        Ownership::Gone | Ownership::Unknown(_) => None,
    };
    let Some(environment) = environment else { return Ok(()) };
    let spec = spec(&environment)?;
    try_out_program(&spec, environment).and_then(|()| try_out_port(layout, &spec, record.port))
}

/// Checks a pinned port if it differs from the current one: it must be free. Another service of the project
/// may be about to release it.
fn try_out_port(layout: &Layout, spec: &ServiceSpec, had: Option<u16>) -> Result<(), Reason> {
    let Some(PortWish { port, pinned: true }) = spec.port else { return Ok(()) };
    if had == Some(port) || ports::is_free(port) {
        return Ok(());
    }
    let is_ours = |owner: &PortHolder| matches!(owner, PortHolder::Process { project: Some(project), .. } if *project == **layout.root());
    match port_owners(port).into_iter().find(|owner| !is_ours(owner)) {
        Some(holder) => Err(Reason::PortHeld { port, holder }),
        None => Ok(()),
    }
}
