//! A process as the kernel describes it at one moment.

use pipulate_core::identity::Pid;

/// One process, as the kernel described it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub pid: Pid,
    /// The kernel's short name for it, at most 15 bytes; it may hold anything.
    pub name: String,
    pub state: RunState,
    /// Zero for the first process of a pid namespace.
    pub parent: i32,
    pub group: i32,
    pub session: i32,
    /// Whether its session has a controlling terminal.
    pub has_terminal: bool,
    /// The group that its terminal listens to; -1 without a terminal.
    pub foreground_group: i32,
    pub cpu_seconds: f64,
    /// See [`pipulate_core::identity::ProcessIdentity::start`].
    pub start: u64,
    /// Resident.
    pub memory_bytes: u64,
    pub threads: u64,
}

/// Whether a process can still do anything, and does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It waits for something.
    Living,
    /// It computes, or would if there were a processor for it.
    Running,
    /// In a system call that nothing interrupts, not even SIGKILL.
    Uninterruptible,
    /// A zombie: all of its threads ended and nobody asked how.
    Dead,
}

impl Entry {
    /// Zombies don't live. One whose first thread ended lives in the others.
    pub fn lives(&self) -> bool {
        self.state != RunState::Dead
    }
}
