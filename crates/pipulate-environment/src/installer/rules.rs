//! A rule that the user gave to pip or to uv: what it is about, where it stands, what it says.

use std::fmt;
use std::path::PathBuf;

/// What a rule is about. pip and uv have settings of their own for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// Where packages come from: indexes, links, or nothing but them.
    Index,
    /// Which versions are fit, if they are installed at all.
    Constraints,
    Hashes,
    /// Wheels or sources.
    Builds,
    /// Nothing newer than a day.
    Age,
    /// How an index is reached: proxies and certificates. It restricts nothing.
    Connection,
    /// Another one of uv's own.
    Other,
}

/// One setting that somebody made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(super) subject: Subject,
    pub(super) place: Place,
    /// Its words; may hold passwords.
    pub(super) value: String,
}

/// Where a setting stands.
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
    /// Whether ignoring it lets something in that it keeps out. What only uv knows makes uv's refusal
    /// final, and does not outweigh what pip is told.
    pub(super) fn restricts(self) -> bool {
        match self {
            Self::Index | Self::Constraints | Self::Hashes | Self::Builds | Self::Age => true,
            Self::Connection | Self::Other => false,
        }
    }
}

/// Whether a setting is switched off, or says what is so anyway.
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
