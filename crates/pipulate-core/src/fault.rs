//! A failed file operation or system call, as a value that can be stored and compared.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::service::ServiceName;

/// An operation that the system refused, or a file that we refuse to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Fault {
    /// `activity` as in "read", "create the folder".
    #[error("could not {activity} {}: {error}", path.display())]
    File { activity: Cow<'static, str>, path: PathBuf, error: SystemError },
    /// The file is there, and is neither used nor replaced.
    #[error("{} is refused: {why}", path.display())]
    Refused { path: PathBuf, why: FileRefusal },
    #[error("could not {activity}: {error}")]
    System { activity: Cow<'static, str>, error: SystemError },
    /// A sentence written by an earlier version.
    #[error("{text}")]
    Told { text: String },
}

impl Fault {
    /// Returns the kind of the system error.
    pub fn kind(&self) -> SystemErrorKind {
        match self {
            Self::File { error, .. } | Self::System { error, .. } => error.kind,
            Self::Refused { .. } | Self::Told { .. } => SystemErrorKind::Other,
        }
    }
}

/// An error of the operating system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemError {
    pub kind: SystemErrorKind,
    /// The system's error message.
    pub text: String,
}

/// Kinds of errors for which there is advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SystemErrorKind {
    DiskFull,
    OverQuota,
    ReadOnlyDisk,
    NotPermitted,
    Other,
}

impl From<&io::Error> for SystemError {
    fn from(error: &io::Error) -> Self {
        Self { kind: error.kind().into(), text: error.to_string() }
    }
}

impl From<io::ErrorKind> for SystemErrorKind {
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

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a file or folder is not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum FileRefusal {
    #[error("it is a symbolic link; Pipulate makes none")]
    Link,
    #[error("it is not a plain file")]
    NotAFile,
    #[error("it is not a folder; move it away")]
    NotAFolder,
    #[error("it belongs to another user")]
    FileOfAnotherUser,
    #[error("it belongs to another user; work in a folder of your own")]
    FolderOfAnotherUser,
    #[error("it is larger than 1 MiB; Pipulate's own files are never that large")]
    TooLarge,
    #[error("the inherited descriptor is another file")]
    InheritedAnother,
    #[error("there is no home folder to remember it in")]
    NoHomeDirectory,
    #[error("its file system can't hold a FIFO or a lock, and there is no home directory")]
    NoPlaceForRun,
    #[error(
        "its disk can't hold a FIFO or a lock, nor can the project's; set XDG_RUNTIME_DIR to a folder on a disk of \
         this machine"
    )]
    UnsuitableForRun,
    /// It is the record of another service.
    #[error("it belongs to the service {service}")]
    OfAnotherService { service: ServiceName },
    #[error("it is empty; a full disk or a machine crash can do that")]
    Empty,
    #[error("a newer Pipulate wrote it (format {format}, this one knows {known}); use that one")]
    NewerFormat { format: u32, known: u32 },
    /// `error` is the parser's.
    #[error("it can't be understood: {error}")]
    NotUnderstood { error: String },
    #[error("it has an invalid value")]
    StrangeValue,
    /// In a chat, a turn comes after a later one.
    #[error("it is damaged: turn {turn} comes after turn {after}")]
    Damaged { turn: usize, after: usize },
    #[error("it is damaged: its turns nest too deeply")]
    TooDeep,
}
