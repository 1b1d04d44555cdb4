//! The result of a request, line by line, as values. Each user interface renders them with the sentences of
//! `pipulate-words`.

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::env_error::EnvError;
use crate::fault::Fault;
use crate::project::AbsPath;
use crate::reason::Reason;
use crate::receipt::Receipt;
use crate::service::ServiceName;

/// One line of the result of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// All services to be started run already.
    AllUp,
    /// No service that could be restarted runs.
    NothingRuns,
    Started {
        services: Vec<ServiceName>,
    },
    /// They ran without a supervisor, and have a new one.
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
    /// It was stopped, and no record has the cause.
    StoppedUnrecorded {
        service: ServiceName,
        why: Reason,
    },
    /// A start had announced it, and does not begin it.
    StartWithdrawn {
        service: ServiceName,
    },
    /// This notebook's kernel ended without work in progress, with its variables.
    EndedKernel {
        notebook: String,
    },
    /// The number of remaining processes of these services, or of the whole project if none was named.
    Left {
        services: Vec<ServiceName>,
        processes: usize,
    },
    /// A note about a service that is up.
    OfService {
        service: ServiceName,
        note: Reason,
    },
    Note(Note),
}

/// A note in addition to the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// A home was made.
    NewHome { root: AbsPath },
    /// The home was copied or came with the folder, and gets new keys.
    CopiedHome,
    /// The folder's file system lacks features that a home needs.
    RunMoved { run: AbsPath },
    /// This home, or its environment, will not be recognized as this user's own.
    NotRemembered { error: Fault },
    /// `status --all` will not list this project.
    NotListed { error: Fault },
    /// The supervisor was replaced by this version of the program.
    Upgraded { service: ServiceName },
    /// JupyterLab was not restarted: it has kernels.
    HasKernels { service: ServiceName, kernels: usize },
    /// It was not restarted: the configuration does not contain it any more.
    NotConfigured { service: ServiceName },
    /// pipulate.toml can't be used, but a stop does not need it.
    ConfigIgnored { file: AbsPath, error: ConfigError },
    /// Required secrets of the project have no value.
    SecretsMissing { names: Vec<String> },
    /// The file of the secrets can't be read.
    SecretsUnread { error: EnvError },
    /// Older logs could not be read.
    LogsUnread { error: Fault },
}

impl Note {
    /// True if something is wrong.
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

/// The messages of a page beside its services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alert {
    /// Services that don't run are missing on the page.
    ConfigUnusable { file: AbsPath, error: ConfigError },
    /// The program's file is newer than the program that runs the page.
    NewerInstalled,
    /// `difference` is the set-up's own sentence, with the command that helps.
    PackagesDiffer { difference: String },
    /// It runs with other settings than the configuration has.
    SettingsDiffer { service: ServiceName, keys: Vec<String> },
}
