//! Work in progress, and what else a stop or restart ends besides a service's processes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::identity::Pid;
use crate::service::ServiceName;

/// Some work in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// A kernel that is busy, according to JupyterLab.
    BusyKernel { notebook: String, at_least: Duration, memory_bytes: Option<u64> },
    /// A kernel that outlived its JupyterLab, and that computes or waits for something.
    Orphan { pid: Pid, is_running: bool, memory_bytes: u64 },
    /// Kernels whose activity JupyterLab does not report.
    Silent { kernels: usize },
    /// A command in the foreground of a JupyterLab terminal.
    TerminalJob { pid: Pid, command: String },
    /// A process that a kernel started in a new session.
    Detached { pid: Pid, command: String },
}

/// Something that ends with a stop or restart, and that is asked about first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// The page that asks; `pipulate open` of this service brings it back.
    Page {
        service: ServiceName,
    },
    /// Every service, and the page with them.
    EveryService,
    Work(Work),
    /// A kernel without work, with its variables.
    IdleKernel {
        notebook: String,
    },
}
