//! Which process is meant: a pid alone is not an identity.

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

    /// The number.
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

/// Where pids have their meaning: one boot of one machine, seen from one pid namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Random per boot.
    pub boot: String,
    /// The pid namespace (its inode); zero where there is no such thing.
    pub pid_namespace: u64,
    /// Random per installation; empty where none is known.
    pub machine: String,
}

/// One process, for good: no later process is equal to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessIdentity {
    pub pid: Pid,
    /// The kernel's own word for when it started (Linux: clock ticks since boot).
    pub start: u64,
    pub host: Host,
}

/// What is known of a process that a record names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Liveness {
    /// It lives, and it is the very one.
    Alive,
    /// It ended: no such pid, a zombie, another process with its number, or another boot.
    Gone,
    /// It may live where we can't look.
    Elsewhere(Elsewhere),
    /// Something has its number, and the system doesn't say what; `error` is what it says instead.
    Unverifiable { error: Option<String> },
}

/// A place whose processes can't be seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elsewhere {
    Machine,
    Container,
}
