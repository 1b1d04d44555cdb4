//! The identity of a process: a pid alone is not enough.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A process id, greater than zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub struct Pid(i32);

impl Pid {
    /// `None` for zero and negative numbers, which mean groups to `kill(2)`.
    pub fn new(raw: i32) -> Option<Self> {
        (raw > 0).then_some(Self(raw))
    }

    /// Returns the number.
    pub fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i32> for Pid {
    type Error = &'static str;

    fn try_from(raw: i32) -> Result<Self, Self::Error> {
        Self::new(raw).ok_or("not a process id")
    }
}

impl From<Pid> for i32 {
    fn from(pid: Pid) -> Self {
        pid.0
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The scope of pids: one boot of one machine, seen from one pid namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Random per boot.
    pub boot: String,
    /// The pid namespace (its inode); zero on systems without namespaces.
    pub pid_namespace: u64,
    /// Random per installation; empty if unknown.
    pub machine: String,
}

/// A permanent identity of one process: no later process is equal to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessIdentity {
    pub pid: Pid,
    /// The kernel's start time of the process (Linux: clock ticks since boot).
    pub start: u64,
    pub host: Host,
}

/// The result of verifying a recorded process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Liveness {
    /// It is alive, and its identity matches.
    Alive,
    /// It ended: no such pid, a zombie, a reused pid, or another boot.
    Gone,
    /// It may be alive where we can't look.
    Elsewhere(Elsewhere),
    /// A process has its pid, and the system doesn't show its identity; `error` is the system's message.
    Unverifiable { error: Option<String> },
}

/// A place whose processes are not visible from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elsewhere {
    Machine,
    Container,
}
