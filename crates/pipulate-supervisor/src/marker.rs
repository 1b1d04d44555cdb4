//! The marker of a process: a hint about the service that it belongs to, never an identity.

use pipulate_core::identity::Pid;
use pipulate_core::marker::{Marker, VARIABLE};
use pipulate_process::table;

/// Returns the marker in the environment of a process; `None` also if we lack permission.
pub fn marker_of(pid: Pid) -> Option<Marker> {
    Marker::parse(table::variable(pid, VARIABLE)?.to_str()?)
}
