//! The surroundings of this process: its environment variables, programs on `PATH`, the user's folders.
//!
//! A snapshot, so that every decision of a set-up uses the same values and tests can pass others.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The default search path, the same as in shells.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The inputs of a set-up from outside the project.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    variables: BTreeMap<OsString, OsString>,
    home: Option<PathBuf>,
    cache: Option<PathBuf>,
}

/// Names only: values may be secrets.
impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("variables", &self.variables.keys()).finish_non_exhaustive()
    }
}

impl Surroundings {
    /// Those of this process.
    pub fn of_this_process() -> Self {
        let folders = directories::BaseDirs::new();
        let mut variables: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
        variables.entry("PATH".into()).or_insert_with(|| DEFAULT_PATH.into());
        Self {
            variables,
            home: folders.as_ref().map(|folders| folders.home_dir().to_owned()),
            cache: folders.as_ref().map(|folders| folders.cache_dir().join("pipulate")),
        }
    }

    /// With the variables of another process.
    pub fn with_variables(mut self, variables: BTreeMap<OsString, OsString>) -> Self {
        self.variables = variables;
        self.variables.entry("PATH".into()).or_insert_with(|| DEFAULT_PATH.into());
        self
    }

    /// With a changed variable.
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Without a variable.
    pub fn without(mut self, name: &str) -> Self {
        self.variables.remove(OsStr::new(name));
        self
    }

    /// With another home directory.
    #[cfg(test)]
    pub(crate) fn with_home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// With another cache folder.
    #[cfg(test)]
    pub(crate) fn with_cache(mut self, cache: impl Into<PathBuf>) -> Self {
        self.cache = Some(cache.into());
        self
    }

    /// A variable's value; an empty one counts as unset.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// A variable's value as text; a value that isn't text counts as unset.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.variable(name)?.to_str()
    }

    /// The names of all variables that are text.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().filter_map(|name| name.to_str())
    }

    /// The user's home directory.
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// Our cache folder.
    pub fn cache(&self) -> Option<&Path> {
        self.cache.as_deref()
    }

    /// Every executable with that name on `PATH`, first one first. Relative entries are skipped: the result
    /// must not depend on the current folder.
    pub fn programs<'a>(&'a self, name: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
        let path = self.variable("PATH").unwrap_or_default();
        std::env::split_paths(path)
            .filter(|folder| folder.is_absolute())
            .map(move |folder| folder.join(name))
            .filter(|file| is_executable(file))
    }
}

/// Returns true if `file` is a file with an execute permission.
pub(crate) fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
