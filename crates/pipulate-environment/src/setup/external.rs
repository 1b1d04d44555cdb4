//! An interpreter that pipulate.toml names: inspected, never installed into.

use std::path::{Path, PathBuf};

use crate::installer::missing;
use crate::managers::Manager;
use crate::plan::Drift;
use crate::python::{OLDEST, Problem, Why, examine as run};
use crate::requirements::Requirements;
use crate::surroundings::is_executable;
use crate::venv::{Packages, site_packages, version_in_files};
use crate::version::Version;

use super::seen::lacks;
use super::{SetupError, SetupReport, SetupRequest};

/// The program of JupyterLab.
const LAB: &str = "jupyter-lab";

/// Reports on it. Python is only started if no file has its version.
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

/// The packages that it lacks. Distributions have packages elsewhere too, so packages can only be missing
/// from a known folder. For JupyterLab, its program counts.
pub(super) fn drift(request: &SetupRequest<'_>, interpreter: &Path) -> Vec<Drift> {
    let program = request.layout.inside(interpreter);
    let prefix = prefix_of(&program);
    let has_lab = || {
        let beside = program.parent().is_some_and(|bin| is_executable(&bin.join(LAB)));
        beside || request.around.programs(LAB).next().is_some()
    };
    // Another environment than the tool's own may be configured.
    let manager = Manager::of(request.layout)
        .filter(|manager| manager.interpreter.is_some_and(|own| Path::new(own) == interpreter));
    let Ok(wanted) = Requirements::read(request.layout, request.python, request.jupyter, request.around)
    else {
        return Vec::new();
    };
    let lacks = |missing: Vec<String>| match manager {
        _ if missing.is_empty() => Vec::new(),
        Some(manager) => lacks(manager, &wanted, request.jupyter, missing).collect(),
        None => vec![Drift::InterpreterLacks { missing }],
    };
    if site_packages(&prefix).is_empty() {
        let lacks_lab = request.jupyter && is_executable(&program) && !has_lab();
        return lacks(if lacks_lab { vec!["jupyterlab".to_owned()] } else { Vec::new() });
    }
    lacks(missing(&wanted, &prefix, version_in_files(&prefix)))
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
