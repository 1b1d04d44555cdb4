//! A user's rule for pip or uv: its subject, its place, its value.

use std::fmt;
use std::path::PathBuf;

/// The subject of a rule. pip and uv have separate settings for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// The sources of packages: indexes, links, or only these.
    Index,
    /// The allowed versions of packages, if they are installed at all.
    Constraints,
    Hashes,
    /// Wheels or sources.
    Builds,
    /// No packages newer than a day.
    Age,
    /// The connection to an index: proxies and certificates. It restricts nothing.
    Connection,
    /// Another setting of uv's own.
    Other,
}

/// A setting of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(super) subject: Subject,
    pub(super) place: Place,
    /// Its value; may contain passwords.
    pub(super) value: String,
}

/// The place of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Variable(String),
    File { path: PathBuf, key: String },
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "{name} is set"),
            Self::File { path, key } => write!(f, "{} sets {key}", path.display()),
        }
    }
}

impl Subject {
    /// Returns true if ignoring the rule would admit excluded packages. uv's other settings make its refusal
    /// final, but don't outweigh pip's rules.
    pub(super) fn restricts(self) -> bool {
        match self {
            Self::Index | Self::Constraints | Self::Hashes | Self::Builds | Self::Age => true,
            Self::Connection | Self::Other => false,
        }
    }
}

/// Returns true if a value is off, or the default.
pub(super) fn says_nothing(value: &str) -> bool {
    let public = |address: &str| {
        let address = address.trim_end_matches('/');
        address == "https://pypi.org/simple" || address == "https://pypi.python.org/simple"
    };
    let value = value.trim();
    let is_off =
        ["0", "false", "no", "off", "f", "n", ":none:"].contains(&value.to_ascii_lowercase().as_str());
    is_off || value.split_whitespace().all(public)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_or_public_says_nothing() {
        for value in ["", "0", "False", " off ", ":none:", "https://pypi.org/simple/"] {
            assert!(says_nothing(value), "{value}");
        }
        for value in ["1", "https://pypi.org/simple https://a", ":all:", "constraints.txt"] {
            assert!(!says_nothing(value), "{value}");
        }
    }
}
