//! The reasons why a request as a whole was refused: nothing was started, stopped or restarted.

use pipulate_core::config::ConfigError;
use pipulate_core::fault::Fault;
use pipulate_core::project::AbsPath;
use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;
use pipulate_core::status::Doubt;
use pipulate_store::error::StoreError;
use pipulate_supervisor::program::LaunchError;
use serde::{Deserialize, Serialize};

use crate::report::Outcomes;
use crate::written;
use pipulate_core::work::Work;

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Denial {
    /// pipulate.toml can't be used.
    Config {
        file: AbsPath,
        error: ConfigError,
    },
    /// Every service is disabled.
    NothingToStart,
    UnknownService {
        service: ServiceName,
        why: WhyUnknown,
        known: Vec<ServiceName>,
    },
    /// A service depends on one that does not exist in this folder.
    MissingNeed {
        missing: ServiceName,
        dependants: Vec<ServiceName>,
    },
    /// It runs with its files in another place.
    RunsElsewhere {
        service: ServiceName,
        run: AbsPath,
    },
    /// A new instance could not be started, so the old one is not ended.
    NotStartable {
        service: ServiceName,
        #[serde(with = "written::reason")]
        why: Box<Reason>,
    },
    /// The user chose to keep idle kernels and their variables.
    KernelsKept {
        notebooks: Vec<String>,
    },
    /// The user did not consent to cutting off work.
    WorkInProgress {
        work: Vec<Work>,
    },
    /// Services that the requested ones depend on could not be started.
    NeedsDown {
        outcomes: Outcomes,
    },
    /// The state of the services can't be determined.
    UnknownState {
        #[serde(with = "written::doubts")]
        why: Vec<Doubt>,
    },
    /// The folders of the home can't be made, or belong to another user.
    NoHome {
        error: Fault,
    },
    /// The record of a service that is to be restarted can't be written.
    NoRoom {
        error: Fault,
    },
    Store {
        error: Fault,
    },
    Launch {
        error: Fault,
    },
}

/// Why there is no such service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WhyUnknown {
    NoSuchService,
    Disabled,
    /// The dashboard only exists beside a server.py.
    OnlyBesideServerPy,
}

impl From<StoreError> for Denial {
    fn from(error: StoreError) -> Self {
        Self::Store { error: error.into() }
    }
}

impl From<LaunchError> for Denial {
    fn from(error: LaunchError) -> Self {
        Self::Launch { error: error.into() }
    }
}
