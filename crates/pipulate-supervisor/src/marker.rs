//! Reading the marker of a process: a hint about whose it is, never an identity.

use pipulate_core::identity::Pid;
use pipulate_core::marker::{Marker, VARIABLE};
use pipulate_process::table;

/// Returns the marker in the environment of a process; `None` also where we may not look.
pub fn marker_of(pid: Pid) -> Option<Marker> {
    Marker::parse(table::variable(pid, VARIABLE)?.to_str()?)
}
