//! Errors about files: which file, what was being done, and why it failed.

use std::io;
use std::path::{Path, PathBuf};

use pipulate_core::fault::{Fault, FileRefusal};
use pipulate_core::reason::Reason;

/// An operation on one of our files that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("could not {activity} {path}: {source}")]
    Io { activity: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} is refused: {why}")]
    Refused { path: PathBuf, why: FileRefusal },
}

impl StoreError {
    /// Wraps an I/O error with what was being done: `"read"`, `"create the folder"`.
    pub fn io(activity: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { activity, path, source }
    }

    pub(crate) fn refused(path: &Path, why: FileRefusal) -> Self {
        Self::Refused { path: path.to_owned(), why }
    }

    /// Returns the kind of the underlying I/O error, if any.
    pub fn kind(&self) -> Option<io::ErrorKind> {
        self.system().map(io::Error::kind)
    }

    /// Returns the underlying I/O error, if any.
    pub fn system(&self) -> Option<&io::Error> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Refused { .. } => None,
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io { activity, path, source } => {
                Self::File { activity: activity.into(), path, error: (&source).into() }
            }
            StoreError::Refused { path, why } => Self::Refused { path, why },
        }
    }
}

impl From<StoreError> for Reason {
    fn from(error: StoreError) -> Self {
        Fault::from(error).into()
    }
}
