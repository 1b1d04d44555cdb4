//! Python versions, and a project's requirements for them.

use std::fmt;
use std::str::FromStr as _;

use pep508_rs::pep440_rs::{self, VersionSpecifiers};

/// A version of Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl Version {
    /// Parses `3.11.7`, `3.13` or `3.14.0rc1`; the text after the numbers is ignored.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.trim().split('.').map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse().ok()
        });
        let major = numbers.next()??;
        let minor = numbers.next()??;
        Some(Self { major, minor, patch: numbers.next().flatten().unwrap_or(0) })
    }

    /// Returns true if packages for one run on the other.
    pub(crate) fn same_minor(self, other: Self) -> bool {
        (self.major, self.minor) == (other.major, other.minor)
    }

    /// `3.11`, without the patch.
    pub(crate) fn minor_only(self) -> String {
        format!("{}.{}", self.major, self.minor)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// `requires-python` of a `pyproject.toml`, such as `>=3.11,<3.13`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiresPython(VersionSpecifiers);

impl RequiresPython {
    /// Parses a specifier.
    ///
    /// # Errors
    /// The reason why it is invalid.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        VersionSpecifiers::from_str(text).map(Self).map_err(|error| error.to_string())
    }

    /// Returns true if that version is allowed.
    pub(crate) fn is_met_by(&self, version: Version) -> bool {
        let Version { major, minor, patch } = version;
        self.0.contains(&pep440_rs::Version::new([major, minor, patch].map(u64::from)))
    }
}

impl fmt::Display for RequiresPython {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requires_python_is_read_as_pip_reads_it() {
        for (text, version, is_met) in [
            (">=3.99", "3.13.1", false),
            ("<3.12", "3.12.0", false),
            ("<3.12", "3.11.7", true),
            (">=3.10,<4.0", "3.11.7", true),
            ("==3.11.*", "3.11.7", true),
            ("~=3.11", "3.12.4", true),
            ("!=3.11.7", "3.11.7", false),
            ("", "3.11.7", true),
        ] {
            let required = RequiresPython::parse(text).unwrap();
            assert_eq!(required.is_met_by(Version::parse(version).unwrap()), is_met, "{text} {version}");
        }
        assert!(RequiresPython::parse("three").is_err());
    }
}
