//! The packages and the Python version that a `pyproject.toml` requires.

use std::io;
use std::path::Path;

use pipulate_core::layout::Layout;
use pipulate_store::files;
use serde::Deserialize;

use crate::version::RequiresPython;

/// The part of it that a set-up reads.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Pyproject {
    /// `None`: no list; many files only have the settings of tools.
    pub dependencies: Option<Vec<String>>,
    pub requires_python: Option<RequiresPython>,
    /// True if it describes a project at all.
    pub is_project: bool,
}

#[derive(Deserialize)]
struct File {
    project: Option<Project>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Project {
    dependencies: Option<Vec<String>>,
    requires_python: Option<String>,
}

impl Pyproject {
    /// Reads the project's file; empty if there is none.
    ///
    /// # Errors
    /// The reason why it can't be used.
    pub(crate) fn of(layout: &Layout) -> Result<Self, String> {
        Self::read(&layout.inside("pyproject.toml"))
    }

    fn read(path: &Path) -> Result<Self, String> {
        let text = match files::read_foreign_text(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error.to_string()),
        };
        let file: File = toml::from_str(&text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let Some(project) = file.project else { return Ok(Self::default()) };
        // Installers would treat it as one of their options.
        if let Some(option) =
            project.dependencies.iter().flatten().find(|dependency| dependency.trim_start().starts_with('-'))
        {
            return Err(format!("{option:?} is not the name of a package"));
        }
        let requires_python = project.requires_python.map(|text| {
            RequiresPython::parse(&text).map_err(|error| format!("requires-python = {text:?}: {error}"))
        });
        Ok(Self {
            dependencies: project.dependencies,
            requires_python: requires_python.transpose()?,
            is_project: true,
        })
    }
}
