//! Errors of files: which one, what was being done, and why it failed.

use std::io;
use std::path::{Path, PathBuf};

/// Something about a file of ours that can't be done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("could not {activity} {path}: {source}")]
    Io { activity: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} is refused: {reason}")]
    Refused { path: PathBuf, reason: String },
}

impl StoreError {
    /// Wraps an I/O error with what was being done: `"read"`, `"create the folder"`.
    pub fn io(activity: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { activity, path, source }
    }

    pub(crate) fn refused(path: &Path, reason: impl Into<String>) -> Self {
        Self::Refused { path: path.to_owned(), reason: reason.into() }
    }

    /// The kind of the I/O error behind it, if there is one.
    pub fn kind(&self) -> Option<io::ErrorKind> {
        self.system().map(io::Error::kind)
    }

    /// The system's own word, if there is one.
    pub fn system(&self) -> Option<&io::Error> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Refused { .. } => None,
        }
    }
}
