//! The receipt of a stop: the processes that ended, were killed, or are left, and why.

use crate::identity::Pid;
use crate::reason::Fate;

/// The receipt of a stop.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Receipt {
    /// Processes that ended, the main one included.
    pub stopped: u32,
    pub seconds: f64,
    /// Those that had to be killed.
    pub forced: Vec<Named>,
    /// Those that were left running, because they are not the service's.
    pub left: Vec<Named>,
    /// Those that should have ended and did not.
    pub survivors: Vec<Named>,
}

/// A process to report to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub pid: Pid,
    /// Its start token: see [`ProcessIdentity::start`](crate::identity::ProcessIdentity::start).
    pub start: u64,
    pub name: String,
    pub why: Fate,
}
