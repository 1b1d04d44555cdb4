//! An interpreter that pipulate.toml names: looked at, never installed into.

use std::path::Path;

use crate::plan::Drift;
use crate::python::{OLDEST, Problem, Version, Why, examine as run};
use crate::requirements::Requirements;
use crate::surroundings::is_executable;
use crate::venv::{installed_packages, site_packages, version_in_files};

use super::{SetupError, SetupReport, SetupRequest, missing};

/// Reports on it. Python is started only where no file tells its version.
pub(super) fn examine(request: &SetupRequest<'_>, interpreter: &Path) -> Result<SetupReport, SetupError> {
    let program = request.layout.inside(interpreter).to_path_buf();
    let prefix = program.parent().and_then(Path::parent).unwrap_or(Path::new("/")).to_path_buf();
    let version = version(request, &program, &prefix)
        .map_err(|problem| SetupError::Interpreter { program: program.clone(), problem })?;
    let mut drift = Vec::new();
    // Distributions keep packages elsewhere too; only a folder that we know can lack something.
    if !site_packages(&prefix).is_empty()
        && let Ok(wanted) = Requirements::read(request.layout, request.python, request.jupyter)
    {
        let missing = missing(&wanted, &prefix);
        if !missing.is_empty() {
            drift.push(Drift::InterpreterLacks { missing });
        }
    }
    Ok(SetupReport {
        packages: installed_packages(&prefix).len(),
        python: program,
        version: Some(version),
        changed: false,
        installer: None,
        drift,
        notes: Vec::new(),
        warning: None,
    })
}

fn version(request: &SetupRequest<'_>, program: &Path, prefix: &Path) -> Result<Version, Problem> {
    if !is_executable(program) {
        return Err(Problem::NotThere);
    }
    let version = match version_in_files(prefix) {
        Some(version) => version,
        None => run(program, request.layout.root(), true, Why::Variable)?.version,
    };
    if version < OLDEST { Err(Problem::TooOld(version)) } else { Ok(version) }
}
