//! `.python-version`: the file in which pyenv, uv and others record the Python version of a project.

use std::fmt;
use std::path::Path;

use pipulate_store::files;

use crate::version::Version;

/// The version that a project wants, possibly without a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    version: Version,
    /// True if the patch counts: `3.11.7`, not `3.11`.
    exact: bool,
}

impl Pin {
    /// Reads the file of the project, or of the nearest folder above it that has one, up to the
    /// user's home, as pyenv and uv do. `None` if there is none, or if it names another
    /// implementation or an environment of pyenv's.
    pub fn read(project: &Path, home: Option<&Path>) -> Option<Self> {
        let above = project.ancestors();
        let last = above.clone().position(|folder| Some(folder) == home);
        let folders = above.take(last.map_or(usize::MAX, |last| last + 1));
        let text = folders.map(|folder| folder.join(".python-version")).find_map(|file| {
            // A folder with that name, like pyenv's own, is not the file.
            files::read_foreign_text(&file).ok()
        })?;
        text.lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with('#'))
            .and_then(Self::parse)
    }

    fn parse(text: &str) -> Option<Self> {
        let number = ["cpython-", "cpython", "python"].iter().find_map(|name| text.strip_prefix(name));
        let number = number.unwrap_or(text).trim_start_matches(['@', '=', '-']);
        let version = number.starts_with(|c: char| c.is_ascii_digit()).then(|| Version::parse(number))??;
        let exact =
            number.split('.').nth(2).is_some_and(|patch| patch.starts_with(|c: char| c.is_ascii_digit()));
        Some(Self { version, exact })
    }

    /// Returns true if that version is wanted.
    pub(crate) fn is_met_by(self, version: Version) -> bool {
        if self.exact { self.version == version } else { self.version.same_minor(version) }
    }

    /// The name of such a Python on `PATH`.
    pub fn name(self) -> String {
        format!("python{}.{}", self.version.major, self.version.minor)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Version { major, minor, patch } = self.version;
        if self.exact { write!(f, "{major}.{minor}.{patch}") } else { write!(f, "{major}.{minor}") }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_pyenv_and_uv_write_is_read() {
        for (text, wanted) in [
            ("3.11\n", "3.11"),
            ("# the oldest that works\n\n3.12.4\n3.11.9\n", "3.12.4"),
            ("cpython-3.11.7-linux-x86_64-gnu\n", "3.11.7"),
            ("python3.13", "3.13"),
            ("3.14-dev", "3.14"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(".python-version"), text).unwrap();
            assert_eq!(Pin::read(folder.path(), None).unwrap().to_string(), wanted, "{text:?}");
        }
        for text in ["", "pypy3.10-7.3", "my-environment", "system", "3"] {
            assert_eq!(Pin::parse(text), None, "{text:?}");
        }
        assert_eq!(Pin::read(Path::new("/nowhere"), None), None);
    }

    #[test]
    fn the_nearest_file_above_the_project_counts_up_to_the_users_home() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let project = home.join("work/project");
        fs::create_dir_all(&project).unwrap();
        let read = || Pin::read(&project, Some(&home)).map(|pin| pin.to_string());
        fs::write(folder.path().join(".python-version"), "3.10").unwrap();
        assert_eq!(read(), None);
        fs::write(home.join(".python-version"), "3.12").unwrap();
        assert_eq!(read().unwrap(), "3.12");
        fs::write(home.join("work/.python-version"), "3.11").unwrap();
        assert_eq!(read().unwrap(), "3.11");
        assert_eq!(Pin::read(folder.path(), Some(&home)).unwrap().to_string(), "3.10");
    }
}
