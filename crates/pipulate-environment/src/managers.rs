//! Other tools that may manage a project's packages, recognized by their files.

use std::fmt;
use std::path::PathBuf;

use pipulate_core::layout::Layout;
use pipulate_process::command::Command;

use crate::surroundings::Surroundings;

/// A tool that manages the packages of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manager {
    /// The name of the tool and of its program.
    pub name: &'static str,
    /// The file that it is recognized by.
    pub file: &'static str,
    /// The arguments that install its environment.
    install: &'static [&'static str],
    /// The arguments before packages to add.
    add: &'static [&'static str],
    /// The variable that puts its environment into the project's folder.
    variable: Option<(&'static str, &'static str)>,
    /// The Python of its environment if that is not `.venv`: the required value of `[python] interpreter`.
    pub interpreter: Option<&'static str>,
}

const fn manager(
    name: &'static str,
    file: &'static str,
    install: &'static [&'static str],
    add: &'static [&'static str],
) -> Manager {
    Manager { name, file, install, add, variable: None, interpreter: None }
}

const ALL: [Manager; 7] = [
    manager("uv", "uv.lock", &["sync"], &["add"]),
    Manager {
        variable: Some(("POETRY_VIRTUALENVS_IN_PROJECT", "true")),
        ..manager("poetry", "poetry.lock", &["install"], &["add"])
    },
    Manager {
        interpreter: Some(".pixi/envs/default/bin/python"),
        ..manager("pixi", "pixi.lock", &["install"], &["add"])
    },
    conda("environment.yml", &["env", "create", "--prefix", ".conda", "--file", "environment.yml"]),
    conda("environment.yaml", &["env", "create", "--prefix", ".conda", "--file", "environment.yaml"]),
    Manager {
        variable: Some(("PIPENV_VENV_IN_PROJECT", "1")),
        ..manager("pipenv", "Pipfile.lock", &["sync"], &["install"])
    },
    manager("pdm", "pdm.lock", &["install"], &["add"]),
];

const fn conda(file: &'static str, install: &'static [&'static str]) -> Manager {
    Manager {
        interpreter: Some(".conda/bin/python"),
        ..manager("conda", file, install, &["install", "--prefix", ".conda"])
    }
}

impl Manager {
    /// The tool whose file is in the project's folder.
    pub(crate) fn of(layout: &Layout) -> Option<Self> {
        ALL.into_iter().find(|manager| layout.inside(manager.file).exists())
    }

    /// The tool with this file.
    #[cfg(test)]
    pub(crate) fn with_file(file: &str) -> Self {
        ALL.into_iter().find(|manager| manager.file == file).unwrap()
    }

    /// Returns true for uv, whose work a set-up does itself.
    pub(crate) fn is_uv(self) -> bool {
        self.name == "uv"
    }

    /// The command that installs its environment, as typed.
    pub fn install_command(self) -> Vec<String> {
        std::iter::once(&self.name).chain(self.install).map(|&word| word.to_owned()).collect()
    }

    /// The command that adds packages, as typed.
    pub fn add_command(self, packages: &[String]) -> Vec<String> {
        let mut words: Vec<String> =
            std::iter::once(&self.name).chain(self.add).map(|&word| word.to_owned()).collect();
        words.extend(packages.iter().cloned());
        words
    }

    /// The command that installs missing packages; adds them if they are not in its list.
    pub(crate) fn command_for(self, missing: &[String], is_listed: bool) -> Vec<String> {
        if is_listed { self.install_command() } else { self.add_command(missing) }
    }

    /// Its program, if it is installed.
    fn program(self, around: &Surroundings) -> Option<PathBuf> {
        around.programs(self.name).next()
    }

    /// One of its commands, for execution in the project's folder; `None` if it is not installed.
    pub fn command(self, around: &Surroundings, layout: &Layout, words: &[String]) -> Option<Command> {
        let command = Command::new(self.program(around)?)
            .args(words.iter().skip(1).cloned())
            .directory(layout.root().to_path_buf());
        Some(match self.variable {
            Some((name, value)) => command.env(name, value),
            None => command,
        })
    }
}

impl fmt::Display for Manager {
    /// `uv manages this project's packages (uv.lock)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} manages this project's packages ({})", self.name, self.file)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pipulate_core::project::AbsPath;

    use super::*;

    #[test]
    fn each_tool_is_told_by_its_file_and_has_commands_of_its_own() {
        for (file, install, add) in [
            ("uv.lock", "uv sync", "uv add six"),
            ("poetry.lock", "poetry install", "poetry add six"),
            ("pdm.lock", "pdm install", "pdm add six"),
            ("pixi.lock", "pixi install", "pixi add six"),
            ("Pipfile.lock", "pipenv sync", "pipenv install six"),
            (
                "environment.yml",
                "conda env create --prefix .conda --file environment.yml",
                "conda install --prefix .conda six",
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let layout = Layout::new(AbsPath::new(folder.path()).unwrap());
            assert_eq!(Manager::of(&layout), None);
            fs::write(folder.path().join(file), "").unwrap();
            let manager = Manager::of(&layout).unwrap();
            assert_eq!(manager.install_command().join(" "), install);
            assert_eq!(manager.add_command(&["six".to_owned()]).join(" "), add);
        }
    }
}
