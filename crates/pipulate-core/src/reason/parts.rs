//! The parts of reasons: how a process ended, who holds a port, the result of a probe.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::identity::Pid;
use crate::service::ServiceName;

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    Code {
        code: i32,
    },
    /// `name` is the system's, such as `SIGKILL`: numbers differ between systems.
    Signal {
        number: i32,
        name: String,
    },
    TimedOut,
    /// The exit status was collected by another process, or lost.
    Unseen,
}

/// A process, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    pub pid: Pid,
    pub name: String,
}

/// The first of some processes, and the number of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processes {
    pub named: Vec<Process>,
    pub more: u32,
}

/// A process that should have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remnant {
    pub pid: Pid,
    pub name: String,
    pub why: Fate,
}

/// The fate of a process in a stop, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Killed: the stop was to be immediate.
    KilledAtOnce,
    /// Killed: it did not end in this time.
    KilledAfter { timeout: Duration },
    /// Killed: it did not end after a TERM.
    KilledUnheeding,
    /// Alive: it can't be signaled.
    OfAnotherUser,
    /// Alive: in an uninterruptible system call.
    Uninterruptible,
    /// Alive, although it was killed.
    OutlivesKill,
    /// Left running: another service's.
    OfService { service: ServiceName },
    /// Left running: another project's.
    OfAnotherProject,
    /// Left running: the supervisor of a service.
    Supervises { service: ServiceName },
    /// Left running: it detached itself from a JupyterLab terminal.
    DetachedFromTerminal,
    /// Left running: its output goes to another service's log.
    WritesToAnotherLog,
    /// A sentence from a record of format 1.
    Told { text: String },
    /// A code of a newer version, kept as it was read; `data` is JSON.
    Foreign { code: String, data: String },
}

/// The holder of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortHolder {
    Process {
        pid: Pid,
        /// Program and first words, without anything that could hold a secret.
        command: String,
        /// The service that it belongs to.
        service: Option<ServiceName>,
        /// The folder of the Pipulate project that it belongs to.
        project: Option<PathBuf>,
    },
    /// Another user's process, whose sockets we may not see.
    Hidden,
    /// A process that this very service left running.
    LeftBehind { pid: Pid, command: String },
    /// Processes that this very service left running when it ended.
    Own { processes: Processes },
    /// It released the port before it could be identified.
    Unseen,
}

/// The obstacle that keeps a starting service from being ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// None of its processes listens anywhere.
    NoListener,
    /// Another process listens on its port.
    PortHeld { port: u16, holder: PortHolder },
    /// It listens, but not on its configured port.
    OtherPort { port: u16, wanted: u16 },
    /// It listens where no connection from here arrives.
    OutOfReach { address: SocketAddr },
    /// A connection to its listener did not give the expected answer.
    Probe { problem: ProbeProblem },
}

/// The failed result of connecting to a service's listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeProblem {
    Refused {
        address: SocketAddr,
    },
    /// It accepted the connection and sent nothing.
    Silent {
        address: SocketAddr,
    },
    Closed {
        address: SocketAddr,
    },
    Status {
        code: u16,
        path: String,
    },
    NotHttp {
        address: SocketAddr,
    },
    NotTls {
        address: SocketAddr,
    },
    /// It speaks TLS and refused the connection.
    TlsRefused {
        address: SocketAddr,
        error: String,
    },
}

impl ProbeProblem {
    /// True if there was no answer at all.
    pub fn is_silence(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Silent { .. } => true,
            Self::Closed { .. }
            | Self::Status { .. }
            | Self::NotHttp { .. }
            | Self::NotTls { .. }
            | Self::TlsRefused { .. } => false,
        }
    }
}

/// An operation that the operating system refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    OpenOutput,
    WatchProcess,
    GetRandomNumbers,
}

/// Why some saves may be missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchProblem {
    /// The system's limit of watches is reached.
    NoWatchesLeft {
        folder: PathBuf,
    },
    TooManyFolders {
        most: u32,
    },
    FolderGone {
        folder: PathBuf,
    },
    /// A link whose target is not watched, and the number of further ones.
    Links {
        first: PathBuf,
        more: u32,
    },
    System {
        folder: PathBuf,
        error: String,
    },
}

/// A key of the home that can be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    JupyterToken,
    /// The key that keeps browsers signed in to JupyterLab.
    JupyterSignIns,
    /// The app's key, and with it the sign-ins of browsers.
    App,
}
