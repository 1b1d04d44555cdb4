//! A project: one folder, its name and its identity.

use std::ffi::OsString;
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::text::printable;

/// An absolute path. Built once at the edge, so that no working directory leaks in further down.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "OsString", try_from = "OsString")]
pub struct AbsPath(PathBuf);

impl AbsPath {
    /// `None` when `path` is relative.
    pub fn new(path: impl Into<PathBuf>) -> Option<Self> {
        let path = path.into();
        path.is_absolute().then_some(Self(path))
    }

    /// A path below this one.
    pub fn at(&self, relative: impl AsRef<Path>) -> Self {
        Self(self.0.join(relative))
    }
}

impl From<AbsPath> for OsString {
    fn from(path: AbsPath) -> Self {
        path.0.into_os_string()
    }
}

impl TryFrom<OsString> for AbsPath {
    type Error = &'static str;

    fn try_from(path: OsString) -> Result<Self, Self::Error> {
        Self::new(path).ok_or("the path is not absolute")
    }
}

impl Deref for AbsPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for AbsPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for AbsPath {
    /// For display, on one line: characters that could control a terminal are replaced. Not a usable path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0.to_string_lossy()))
    }
}

/// Identifies a project on one machine: 16 hexadecimal digits made from the folder's real path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectId(String);

impl ProjectId {
    /// Returns the identity of the project whose folder is `root` (canonical).
    ///
    /// FNV-1a, 64 bits: stable over releases and machines, which `std`'s hasher does not promise.
    pub fn of_root(root: &AbsPath) -> Self {
        let hash =
            root.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Self(format!("{hash:016x}"))
    }

    /// Parses the displayed form.
    pub fn parse(text: &str) -> Option<Self> {
        let whole = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        whole.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
