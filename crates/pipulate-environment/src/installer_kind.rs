//! The two programs that install packages, by name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A program that installs packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstallerKind {
    Uv,
    Pip,
}

impl fmt::Display for InstallerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uv => "uv",
            Self::Pip => "pip",
        })
    }
}
