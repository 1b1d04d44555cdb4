//! Why a file of secrets or variables could not be read or changed, as a value. It never holds a secret.

use std::borrow::Cow;
use std::io;

use serde::{Deserialize, Serialize};

use crate::fault::SystemError;
use crate::project::AbsPath;

/// Why a `.env` or an `env_file` could not be read or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum EnvError {
    #[error("could not {activity} {path}: {error}")]
    Io { activity: Cow<'static, str>, path: AbsPath, error: SystemError },
    #[error(
        "{path} is a symbolic link, and a secret is not written through one; edit the file that it points to, or replace the link with a file"
    )]
    Symlink { path: AbsPath },
    #[error("{path} is not a regular file; move it away, and a new one is made")]
    NotAFile { path: AbsPath },
    #[error(
        "{path} belongs to another user (number {owner}), so it is left alone; edit it as that user, or make it yours with chown"
    )]
    OtherOwner { path: AbsPath, owner: u32 },
    #[error("{path} is not UTF-8 text; save it as UTF-8 in an editor")]
    NotText { path: AbsPath },
    #[error("can't keep that value in {path}: {reason}")]
    Unwritable { path: AbsPath, reason: Unwritable },
    #[error(
        "line {line} of {path} opens a quote that is never closed, and would swallow what is written; fix that line first"
    )]
    OpenQuote { path: AbsPath, line: usize },
    #[error(
        "line {line} of {path} sets what no environment can hold: a name with \"=\" in it, or a NUL character"
    )]
    NoVariable { path: AbsPath, line: usize },
    #[error(
        "line {line} of {path} becomes too long when its ${{…}} are filled in: 64 KiB are the most, and 2 MiB for all such lines"
    )]
    TooLong { path: AbsPath, line: usize },
    /// A sentence that an earlier version wrote.
    #[error("{text}")]
    Told { text: String },
}

impl EnvError {
    /// The system refused an activity, such as "read".
    pub fn io(activity: &'static str, path: &AbsPath, error: &io::Error) -> Self {
        Self::Io { activity: activity.into(), path: path.clone(), error: error.into() }
    }
}

/// Why the format of `.env` files can't hold a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Unwritable {
    #[error("it has a NUL character, which no environment variable can have")]
    Nul,
    #[error(
        "it has a carriage return, which python-dotenv would read as a line break; remove it (Windows line ends have one on each line)"
    )]
    CarriageReturn,
    #[error(
        "it has \"${{\", which python-dotenv would replace with the value of a variable, and it can't be told not to"
    )]
    Interpolation,
}
