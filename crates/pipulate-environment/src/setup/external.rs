//! An interpreter that pipulate.toml names: looked at, never installed into.

use std::path::{Path, PathBuf};

use crate::installer::missing;
use crate::plan::Drift;
use crate::python::{OLDEST, Problem, Why, examine as run};
use crate::requirements::Requirements;
use crate::surroundings::is_executable;
use crate::venv::{Packages, site_packages, version_in_files};
use crate::version::Version;

use super::{SetupError, SetupReport, SetupRequest};

/// Reports on it. Python is started only where no file tells its version.
pub(super) fn examine(request: &SetupRequest<'_>, interpreter: &Path) -> Result<SetupReport, SetupError> {
    let program = request.layout.inside(interpreter).to_path_buf();
    let prefix = prefix_of(&program);
    let version = version(request, &program, &prefix)
        .map_err(|problem| SetupError::Interpreter { program: program.clone(), problem })?;
    Ok(SetupReport {
        packages: Packages::below(&prefix).names().len(),
        python: program,
        version: Some(version),
        changed: false,
        installer: None,
        drift: drift(request, interpreter),
        takes_a_yes: false,
        gone: Vec::new(),
        notes: Vec::new(),
        warning: None,
    })
}

/// What it lacks. Distributions keep packages elsewhere too; only a folder that we know can lack
/// something.
pub(super) fn drift(request: &SetupRequest<'_>, interpreter: &Path) -> Vec<Drift> {
    let prefix = prefix_of(&request.layout.inside(interpreter));
    let Ok(wanted) = Requirements::read(request.layout, request.python, request.jupyter, request.around)
    else {
        return Vec::new();
    };
    if site_packages(&prefix).is_empty() {
        return Vec::new();
    }
    let missing = missing(&wanted, &prefix, version_in_files(&prefix));
    if missing.is_empty() { Vec::new() } else { vec![Drift::InterpreterLacks { missing }] }
}

fn prefix_of(program: &Path) -> PathBuf {
    program.parent().and_then(Path::parent).unwrap_or(Path::new("/")).to_path_buf()
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
