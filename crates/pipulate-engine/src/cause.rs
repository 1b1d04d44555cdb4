//! What went wrong below the engine, as text and as what helps against it.

use std::io;

use pipulate_store::error::StoreError;
use pipulate_supervisor::program::LaunchError;
use serde::{Deserialize, Serialize};

/// An error of the system or of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// What was being done, with which file, and what the system said.
    pub text: String,
    pub kind: CauseKind,
}

/// What kind of error it is, where something helps against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CauseKind {
    DiskFull,
    OverQuota,
    ReadOnlyDisk,
    NotPermitted,
    Other,
}

impl From<io::ErrorKind> for CauseKind {
    fn from(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::StorageFull => Self::DiskFull,
            io::ErrorKind::QuotaExceeded => Self::OverQuota,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnlyDisk,
            io::ErrorKind::PermissionDenied => Self::NotPermitted,
            _ => Self::Other,
        }
    }
}

impl From<StoreError> for Cause {
    fn from(error: StoreError) -> Self {
        let kind = error.kind().map_or(CauseKind::Other, CauseKind::from);
        Self { text: error.to_string(), kind }
    }
}

impl From<LaunchError> for Cause {
    fn from(error: LaunchError) -> Self {
        let text = error.to_string();
        match error {
            LaunchError::Store(error) => error.into(),
            LaunchError::System(error) => Self { text, kind: error.kind().into() },
        }
    }
}
