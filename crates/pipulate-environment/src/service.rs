//! What the environment of a service, and of everything in the venv, has that ours has not.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use pipulate_process::command::Command;

use crate::surroundings::Surroundings;

/// Variables that are set (`Some`) or taken away (`None`), over the inherited ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EnvironmentChanges(pub Vec<(OsString, Option<OsString>)>);

impl EnvironmentChanges {
    /// The value that a variable is given.
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.as_deref())
    }

    /// Gives them to a command.
    pub fn give_to(&self, command: Command) -> Command {
        self.0.iter().fold(command, |command, (name, value)| match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        })
    }
}

/// The environment of a service that runs with `python`: as if the venv were activated.
pub fn service_environment(python: &Path, around: &Surroundings) -> EnvironmentChanges {
    let set = |name: &str, value: OsString| (OsString::from(name), Some(value));
    let unset = |name: &str| (OsString::from(name), None);
    let bin = python.parent().unwrap_or(Path::new("/"));
    let prefix = bin.parent().unwrap_or(Path::new("/"));
    let mut changes = vec![
        set("PATH", first_in(bin, around.variable("PATH"))),
        set("PYTHONUNBUFFERED", "1".into()),
        // It would send any Python to another one's library.
        unset("PYTHONHOME"),
    ];
    changes.push(match prefix.join("pyvenv.cfg").is_file() {
        true => set("VIRTUAL_ENV", prefix.into()),
        false => unset("VIRTUAL_ENV"),
    });
    // Set by the flake: wheels look for libstdc++ and libz there. Not in our own environment, because
    // programs of the host must not see it.
    if let Some(libraries) = around.variable("PIPULATE_LIBRARY_PATH") {
        changes.push(set("LD_LIBRARY_PATH", joined(libraries, around.variable("LD_LIBRARY_PATH"))));
    }
    EnvironmentChanges(changes)
}

fn first_in(folder: &Path, path: Option<&OsStr>) -> OsString {
    let rest = std::env::split_paths(path.unwrap_or_default()).filter(|other| other != folder);
    let parts = std::iter::once(folder.to_owned()).chain(rest.filter(|part| !part.as_os_str().is_empty()));
    // A folder with a colon in its name can't be on a PATH at all.
    std::env::join_paths(parts).unwrap_or_else(|_| path.unwrap_or_default().to_owned())
}

/// An empty part would mean the current folder.
fn joined(first: &OsStr, second: Option<&OsStr>) -> OsString {
    let parts = std::env::split_paths(first).chain(std::env::split_paths(second.unwrap_or_default()));
    let mut seen = Vec::new();
    for part in parts {
        if !part.as_os_str().is_empty() && !seen.contains(&part) {
            seen.push(part);
        }
    }
    std::env::join_paths(seen).unwrap_or_else(|_| first.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_service_sees_an_activated_venv() {
        let folder = tempfile::tempdir().unwrap();
        let venv = folder.path().join("my .venv");
        fs::create_dir_all(venv.join("bin")).unwrap();
        fs::write(venv.join("pyvenv.cfg"), "home = /usr/bin\n").unwrap();
        let bin = venv.join("bin");
        let around = Surroundings::default().with("PATH", format!("/usr/bin:{}:/bin:", bin.display()));
        let changes = service_environment(&bin.join("python"), &around);
        assert_eq!(changes.value("PATH").unwrap(), format!("{}:/usr/bin:/bin", bin.display()).as_str());
        assert_eq!(changes.value("VIRTUAL_ENV").unwrap(), venv.as_os_str());
        assert_eq!(changes.value("PYTHONUNBUFFERED").unwrap(), "1");
        assert!(changes.0.contains(&("PYTHONHOME".into(), None)));
        assert_eq!(changes.value("LD_LIBRARY_PATH"), None);
    }

    #[test]
    fn an_environment_that_is_no_venv_is_not_called_one() {
        let changes = service_environment(Path::new("/opt/conda/bin/python"), &Surroundings::default());
        assert!(changes.0.contains(&("VIRTUAL_ENV".into(), None)));
        assert_eq!(changes.value("PATH").unwrap(), "/opt/conda/bin");
    }

    #[test]
    fn libraries_come_first_and_no_part_is_empty() {
        let around = Surroundings::default()
            .with("PIPULATE_LIBRARY_PATH", "/nix/store/a/lib:/nix/store/b/lib:")
            .with("LD_LIBRARY_PATH", "/mine::/nix/store/a/lib:");
        let changes = service_environment(Path::new("/v/bin/python"), &around);
        assert_eq!(changes.value("LD_LIBRARY_PATH").unwrap(), "/nix/store/a/lib:/nix/store/b/lib:/mine");
    }
}
