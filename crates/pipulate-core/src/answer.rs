//! What came of a request, line by line, as values. Each user interface makes sentences of them, those of
//! `pipulate-words`.

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::project::AbsPath;
use crate::reason::Reason;
use crate::receipt::Receipt;
use crate::service::ServiceName;

/// One thing that came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// All that was to be started runs already.
    AllUp,
    /// Nothing that could be restarted runs.
    NothingRuns,
    Started {
        services: Vec<ServiceName>,
    },
    /// They ran without a supervisor, and have one again.
    TookOver {
        services: Vec<ServiceName>,
    },
    Restarted {
        service: ServiceName,
    },
    Stopped {
        service: ServiceName,
        receipt: Receipt,
    },
    /// It was stopped, and no record says how that came.
    StoppedUnrecorded {
        service: ServiceName,
        why: Reason,
    },
    /// A start had still to begin it, and does not.
    StartWithdrawn {
        service: ServiceName,
    },
    /// This notebook's kernel ended without work in progress, with its variables.
    EndedKernel {
        notebook: String,
    },
    /// How many processes are left of these services, or of the whole project if none was named.
    Left {
        services: Vec<ServiceName>,
        processes: usize,
    },
    /// What a person should know about a service that is up.
    OfService {
        service: ServiceName,
        note: Reason,
    },
    Note(Note),
}

/// What a person should know beside what was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// A home was made.
    NewHome { root: AbsPath },
    /// The home was copied or came with the folder, and gets keys of its own.
    CopiedHome,
    /// The folder can't hold what a home needs.
    RunMoved { run: AbsPath },
    /// This home, or its environment, will not be known as this user's own.
    NotRemembered { error: Fault },
    /// `status --all` will not list this project.
    NotListed { error: Fault },
    /// The supervisor makes way for this version of the program.
    Upgraded { service: ServiceName },
    /// JupyterLab was not restarted: it has kernels.
    HasKernels { service: ServiceName, kernels: usize },
    /// It was not restarted: the configuration would not bring it back.
    NotConfigured { service: ServiceName },
    /// pipulate.toml can't be used, and is not needed for a stop.
    ConfigIgnored { file: AbsPath, error: String },
    /// Secrets that the project can't do without have no value.
    SecretsMissing { names: Vec<String> },
    /// The file of the secrets can't be read.
    SecretsUnread { error: String },
    /// Older logs could not be looked at.
    LogsUnread { error: Fault },
}

impl Note {
    /// Whether something is wrong.
    pub fn is_warning(&self) -> bool {
        match self {
            Self::NotListed { .. }
            | Self::ConfigIgnored { .. }
            | Self::SecretsMissing { .. }
            | Self::SecretsUnread { .. } => true,
            Self::NewHome { .. }
            | Self::CopiedHome
            | Self::RunMoved { .. }
            | Self::NotRemembered { .. }
            | Self::Upgraded { .. }
            | Self::HasKernels { .. }
            | Self::NotConfigured { .. }
            | Self::LogsUnread { .. } => false,
        }
    }
}
