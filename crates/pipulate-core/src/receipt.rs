//! What a stop did: what ended, what had to be forced, what is left and why.

use crate::identity::Pid;
use crate::reason::Fate;

/// What a stop did.
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

/// A process that a person should hear about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub pid: Pid,
    /// Its start token: see [`ProcessIdentity::start`](crate::identity::ProcessIdentity::start).
    pub start: u64,
    pub name: String,
    pub why: Fate,
}
