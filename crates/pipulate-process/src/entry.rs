//! A process as the kernel describes it at one moment.

use pipulate_core::identity::Pid;

/// A snapshot of one process by the kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub pid: Pid,
    /// The kernel's short name for it, at most 15 bytes; any bytes are possible.
    pub name: String,
    pub state: RunState,
    /// Zero for the first process of a pid namespace.
    pub parent: i32,
    pub group: i32,
    pub session: i32,
    /// Its session has a controlling terminal.
    pub has_terminal: bool,
    /// The foreground process group of its terminal; -1 without a terminal.
    pub foreground_group: i32,
    pub cpu_seconds: f64,
    /// See [`pipulate_core::identity::ProcessIdentity::start`].
    pub start: u64,
    /// Resident set size.
    pub memory_bytes: u64,
    pub threads: u64,
}

/// The run state of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Sleeping.
    Living,
    /// Running or runnable.
    Running,
    /// In a system call that no signal interrupts, not even SIGKILL.
    Uninterruptible,
    /// A zombie: all of its threads ended, and it was not reaped.
    Dead,
}

impl Entry {
    /// False for a zombie. A process whose first thread ended lives on in the others.
    pub fn lives(&self) -> bool {
        self.state != RunState::Dead
    }
}
