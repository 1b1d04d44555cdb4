//! The current state of a project: the view model of the terminal and of the page.

use jiff::Timestamp;

use crate::fault::Fault;
use crate::identity::Pid;
use crate::project::AbsPath;
use crate::reason::Reason;
use crate::service::ServiceName;
use crate::state::{ServiceState, Wanted};

/// A project and its services.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectStatus {
    pub name: String,
    pub root: AbsPath,
    pub services: Vec<ServiceStatus>,
    /// Facts that could not be determined; `status` then exits with 4.
    pub unknown: Vec<Doubt>,
}

/// A fact about a project that could not be determined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// A file or folder of the home can't be read.
    Unreadable { problem: Fault },
    /// A service may be running where it is not visible.
    Service { service: ServiceName, why: Reason },
}

/// The state of a project as a whole, for an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every wanted service is healthy.
    Well,
    /// One is not.
    Unwell,
    /// Nothing is running, and nothing is wanted.
    NothingRunning,
    Unknown,
}

impl ProjectStatus {
    /// The worst state of the wanted services.
    pub fn state(&self) -> ServiceState {
        ServiceState::worst(self.wanted().map(|service| service.state))
    }

    /// Returns the verdict for scripts.
    pub fn verdict(&self) -> Verdict {
        if !self.unknown.is_empty() {
            return Verdict::Unknown;
        }
        if self.wanted().next().is_none() {
            return Verdict::NothingRunning;
        }
        if self.wanted().all(|service| service.state.is_well()) { Verdict::Well } else { Verdict::Unwell }
    }

    /// Returns the service of that name.
    pub fn service(&self, name: &str) -> Option<&ServiceStatus> {
        self.services.iter().find(|service| service.name.as_str() == name)
    }

    fn wanted(&self) -> impl Iterator<Item = &ServiceStatus> {
        self.services.iter().filter(|service| service.wanted == Wanted::Run)
    }
}

/// One service.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceStatus {
    pub name: ServiceName,
    pub state: ServiceState,
    pub wanted: Wanted,
    pub live: Option<LiveService>,
    pub supervisor_pid: Option<Pid>,
    /// Starts after the first one, since it was asked to run.
    pub restarts: u32,
    pub last_exit: Option<LastExit>,
    pub port: Option<u16>,
    pub url: Option<String>,
    pub log: AbsPath,
    /// Lines that were dropped since it was started, for lack of room.
    pub log_dropped: u64,
    /// Why its log can't be written at present.
    pub log_trouble: Option<String>,
    /// Reasons beyond the state itself; the first one explains the state.
    pub reasons: Vec<Reason>,
    /// Notes for the user about the start of the running instance.
    pub notes: Vec<Reason>,
}

impl ServiceStatus {
    /// True if the service or its supervisor is alive.
    pub fn is_there(&self) -> bool {
        self.live.is_some() || self.supervisor_pid.is_some()
    }

    /// True if its main process exited successfully and left other processes running.
    pub fn is_in_background(&self) -> bool {
        let processes = self.live.as_ref().map_or(&[][..], |live| &live.processes);
        self.state == ServiceState::Degraded
            && !processes.is_empty()
            && processes.iter().all(|process| process.role != Role::Main)
    }
}

/// The data of a living service only.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveService {
    pub pid: Pid,
    pub pgid: Pid,
    pub started_at: Timestamp,
    pub uptime_seconds: f64,
    /// Mean over its life, in percent of one core.
    pub cpu_percent: f64,
    /// CPU time that its present processes have used.
    pub cpu_seconds: f64,
    /// Resident memory of all of its processes.
    pub memory_bytes: u64,
    pub processes: Vec<ProcessInfo>,
    pub kernels: Vec<KernelInfo>,
}

/// How a service's main process last ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastExit {
    pub code: Option<i32>,
    /// The signal's number.
    pub signal: Option<i32>,
    pub at: Timestamp,
}

/// One process of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessInfo {
    pub pid: Pid,
    pub ppid: i32,
    pub role: Role,
    pub name: String,
}

/// The role of a process in its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Main,
    Child,
    Kernel,
    Terminal,
    /// A kernel whose JupyterLab is gone.
    Orphaned,
}

impl Role {
    /// Returns the word of `status --json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Child => "child",
            Self::Kernel => "kernel",
            Self::Terminal => "terminal",
            Self::Orphaned => "orphaned",
        }
    }
}

/// A notebook kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelInfo {
    /// JupyterLab's own id for it.
    pub id: String,
    pub pid: Pid,
    /// The kernel spec: `python3`.
    pub name: String,
    /// Resident memory of it and of the processes below it.
    pub memory_bytes: u64,
}

/// The activity of a kernel, as JupyterLab reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelActivity {
    /// JupyterLab's own id of the kernel.
    pub id: String,
    /// The notebook, or the kind of kernel if there is none.
    pub name: String,
    pub is_busy: bool,
    /// When JupyterLab last heard of it: a busy kernel has been busy at least since then.
    pub last_activity: Option<Timestamp>,
}
