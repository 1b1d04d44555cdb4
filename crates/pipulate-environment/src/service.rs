//! The changes to our environment for a service, and for every program in the venv.
//!
//! Invariant: the libraries that wheels need are for Python alone. A program of the host, such as a shell or
//! a browser, may not even start with them.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use pipulate_process::command::Command;

use crate::bare_words::WORDS;
use crate::surroundings::{Surroundings, is_executable};

/// Variables to set (`Some`) or to remove (`None`), relative to the inherited ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EnvironmentChanges(pub Vec<(OsString, Option<OsString>)>);

impl EnvironmentChanges {
    /// The value that a variable is set to.
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.as_deref())
    }

    /// Applies the changes to a command.
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
        // It would point any Python to another one's library.
        unset("PYTHONHOME"),
    ];
    changes.push(match prefix.join("pyvenv.cfg").is_file() {
        true => set("VIRTUAL_ENV", prefix.into()),
        false => unset("VIRTUAL_ENV"),
    });
    EnvironmentChanges(changes)
}

/// The variables for the folder of temporary files.
const TEMPORARY: [&str; 5] = ["TMPDIR", "TMP", "TEMP", "TEMPDIR", "NIX_BUILD_TOP"];

/// Names of a terminal, or of a program that serves one: they become invalid when it ends, and mislead later
/// programs. In a JupyterLab terminal, tmux refuses to start if it finds TMUX.
const OF_TERMINALS: [&str; 7] = ["GPG_TTY", "SSH_TTY", "STY", "TMUX", "TMUX_PANE", "WINDOW", "WINDOWID"];

/// Returns the variables of the launching shell that a service must not inherit. `nix-shell` and `nix
/// develop` remove their folder for temporary files when they end; its parent folder takes its place.
pub fn without_the_shell(around: &Surroundings) -> EnvironmentChanges {
    let temporary = TEMPORARY.into_iter().filter_map(|name| {
        let folder = Path::new(around.variable(name)?);
        let is_nixs = |part: &Path| {
            part.file_name().and_then(OsStr::to_str).is_some_and(|name| {
                name.starts_with("nix-shell.")
                    || name.starts_with("nix-shell-")
                    || name.starts_with("nix-develop-")
            })
        };
        let own = folder.ancestors().filter(|part| is_nixs(part)).last();
        let outside = own.and_then(Path::parent).filter(|folder| *folder != Path::new("/tmp"));
        match (own, name) {
            (Some(_), "NIX_BUILD_TOP") => Some((name.into(), None)),
            (Some(_), _) => Some((name.into(), outside.map(Into::into))),
            // A folder that no longer exists is useless.
            (None, _) => (!folder.is_dir()).then(|| (name.into(), None)),
        }
    });
    let of_terminals = OF_TERMINALS.into_iter().map(|name| (name.into(), None));
    EnvironmentChanges(temporary.chain(of_terminals).collect())
}

/// The environment of a program: that of a service, and for Python the libraries that wheels need.
pub fn environment_of(program: &Path, python: &Path, around: &Surroundings) -> EnvironmentChanges {
    let mut changes = service_environment(python, around);
    if let Some(libraries) = library_path(around).filter(|_| is_pythons(program, python)) {
        changes.0.push((LIBRARY_PATH.into(), Some(libraries)));
    }
    changes
}

/// The dynamic loader's first search path.
pub const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// The value of [`LIBRARY_PATH`] for Python; `None` if it is unchanged. The flake sets a separate variable,
/// because the host's programs must not use these libraries.
pub fn library_path(around: &Surroundings) -> Option<OsString> {
    let libraries = around.variable("PIPULATE_LIBRARY_PATH")?;
    Some(joined(libraries, around.variable(LIBRARY_PATH)))
}

/// Returns true for Python, and for a program that was installed beside it; a bare name is searched for there
/// first. Our own two words don't count: they only run our program.
pub fn is_pythons(program: &Path, python: &Path) -> bool {
    let bin = python.parent().unwrap_or(Path::new("/"));
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    if program.components().count() == 1 {
        let is_beside = is_executable(&bin.join(program)) && !WORDS.contains(&&*name);
        return is_beside || name.starts_with("python");
    }
    name.starts_with("python") || (program.parent() == Some(bin) && !WORDS.contains(&&*name))
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
    use std::os::unix::fs::PermissionsExt as _;

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
    fn folders_and_terminals_that_end_with_the_shell_are_not_inherited() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().to_str().unwrap();
        let around = Surroundings::default()
            .with("TMPDIR", "/tmp/nix-shell.Ab1/nix-shell-77-0")
            .with("TMP", format!("{kept}/nix-shell-77-0"))
            .with("TEMP", kept)
            .with("TEMPDIR", format!("{kept}/gone"))
            .with("NIX_BUILD_TOP", "/tmp/nix-shell.Ab1")
            .with("TMUX", "/tmp/tmux-0/default,1,0");
        let changes = without_the_shell(&around).0;
        let change = |name: &str| changes.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        for gone in ["TMPDIR", "TEMPDIR", "NIX_BUILD_TOP", "TMUX"] {
            assert_eq!(change(gone), Some(None), "{gone}");
        }
        assert_eq!(change("TMP"), Some(Some(kept.into())));
        assert_eq!(change("TEMP"), None, "it is the user's choice, and stays");
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
        let python = Path::new("/v/bin/python");
        let changes = environment_of(python, python, &around);
        assert_eq!(changes.value(LIBRARY_PATH).unwrap(), "/nix/store/a/lib:/nix/store/b/lib:/mine");
    }

    #[test]
    fn libraries_are_for_python_and_what_was_installed_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        for name in ["flask", "start"] {
            fs::write(bin.join(name), "").unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let around = Surroundings::default().with("PIPULATE_LIBRARY_PATH", "/l");
        let gets = |program: &Path| {
            let changes = environment_of(program, &bin.join("python"), &around);
            changes.value(LIBRARY_PATH).is_some()
        };
        for program in ["python", "python3", "/usr/bin/python3.12", "flask"].map(Path::new) {
            assert!(gets(program), "{}", program.display());
        }
        assert!(gets(&bin.join("jupyter-lab")));
        for program in ["node", "sh", "/usr/bin/flask", "./run", "start", "pipulate"].map(Path::new) {
            assert!(!gets(program), "{}", program.display());
        }
        assert!(!gets(&bin.join("start")));
    }
}
