//! The dependencies that a `pyproject.toml` lists.

use std::io;
use std::path::Path;

use pipulate_store::files;
use serde::Deserialize;

use super::RequirementsError;

#[derive(Deserialize)]
struct File {
    project: Option<Project>,
}

#[derive(Deserialize)]
struct Project {
    dependencies: Option<Vec<String>>,
}

/// `[project] dependencies`; `None` where there is no file, or it lists none: many have one for the
/// settings of their tools alone.
pub(super) fn dependencies(path: &Path) -> Result<Option<Vec<String>>, RequirementsError> {
    let refused = |reason: String| RequirementsError { path: path.to_owned(), reason };
    let text = match files::read_foreign_text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(error.to_string())),
    };
    let file: File =
        toml::from_str(&text).map_err(|error| refused(error.to_string().trim_end().to_owned()))?;
    let dependencies = file.project.and_then(|project| project.dependencies);
    // Installers would take it for an option of theirs.
    match dependencies.iter().flatten().find(|dependency| dependency.trim_start().starts_with('-')) {
        Some(option) => Err(refused(format!("{option:?} is not the name of a package"))),
        None => Ok(dependencies),
    }
}
