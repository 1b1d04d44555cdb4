//! A systemd scope for a supervisor, so that it outlives the login in which it was started.
//!
//! If systemd manages a user's services, processes left by a login may be ended with it (KillUserProcesses).
//! `systemd-run --user --scope` registers itself and then execs the program: pid, parent, environment and
//! descriptors stay. On other systems this does nothing.

use std::ffi::OsString;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pipulate_process::command::Command;

/// How long systemd may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The scope of supervisors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// A new one, made by this program.
    Own(PathBuf),
    Inherited,
    /// A scope was wanted, and systemd refused; the sentence says why.
    Refused(String),
}

impl Scope {
    /// Determines what this user's session offers, once. Unavailable features are not used.
    pub fn of_session() -> Self {
        let manager = std::env::var_os("XDG_RUNTIME_DIR")
            .map(|folder| Path::new(&folder).join("systemd/private"))
            .filter(|socket| socket.metadata().is_ok_and(|meta| meta.file_type().is_socket()));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let programs = std::env::split_paths(&path).map(|folder| folder.join("systemd-run"));
        match choose(manager.is_some(), programs.filter(|program| program.is_file())) {
            Some(program) => Self::tried(program),
            None => Self::Inherited,
        }
    }

    fn tried(program: PathBuf) -> Self {
        let attempt = Command::new(&program).args(words()).arg("true").output(PATIENCE);
        match attempt {
            Ok(output) if output.end.success() => Self::Own(program),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let said = said.lines().next().unwrap_or_default().trim().to_owned();
                Self::Refused(format!("systemd-run {}: {said}", output.end))
            }
            Err(error) => Self::Refused(error.to_string()),
        }
    }

    /// Returns the words before the supervisor's own command.
    pub(crate) fn prefix(&self) -> Vec<OsString> {
        match self {
            Self::Own(program) => std::iter::once(program.clone().into()).chain(words()).collect(),
            Self::Inherited | Self::Refused(_) => Vec::new(),
        }
    }
}

fn choose(is_managed: bool, mut programs: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    is_managed.then(|| programs.next()).flatten()
}

fn words() -> impl Iterator<Item = OsString> {
    ["--user", "--scope", "--quiet", "--"].into_iter().map(OsString::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_needs_a_manager_and_the_program() {
        let programs = || [PathBuf::from("/a/systemd-run"), PathBuf::from("/b/systemd-run")].into_iter();
        assert_eq!(choose(true, programs()), Some(PathBuf::from("/a/systemd-run")));
        assert_eq!(choose(false, programs()), None);
        assert_eq!(choose(true, std::iter::empty()), None);
        assert_eq!(Scope::Own("/s".into()).prefix(), ["/s", "--user", "--scope", "--quiet", "--"]);
        assert!(Scope::Refused("no".to_owned()).prefix().is_empty());
    }
}
