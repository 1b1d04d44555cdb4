//! The Python that environments are made with.

use std::path::Path;

use pipulate_core::finding::Finding;

use super::check::{Check, Group};
use super::{Examination, NOT_USED_YET, failure, skipped, venv, warning};
use crate::pyproject::Pyproject;
use crate::python::{OLDEST, Python, PythonError, discover};
use crate::uv;
use crate::version::Version;

const FOUND: &str = "python.found";
const VERSION: &str = "python.version";
const MODULE: &str = "python.venv_module";

pub(super) const PYTHON: Group = Group {
    checks: &[
        Check::new(FOUND, "the Python that environments are made with: each candidate is run"),
        Check::new(VERSION, "whether it is new enough"),
        Check::new(
            MODULE,
            "whether it can make environments (`venv` and `ensurepip`, which Debian ships apart)",
        ),
    ],
    examine: python,
};

fn python(examination: &Examination) -> Vec<Finding> {
    let config = match examination.config() {
        Ok(config) => &config.python,
        Err(reason) => {
            return vec![skipped(FOUND, reason), skipped(VERSION, reason), skipped(MODULE, reason)];
        }
    };
    if let Some(interpreter) = &config.interpreter {
        if examination.is_unused(interpreter) {
            return vec![skipped(FOUND, NOT_USED_YET), skipped(VERSION, NOT_USED_YET), not_needed()];
        }
        return external(&examination.layout.inside(interpreter));
    }
    let around = &examination.trusted_surroundings();
    let required = Pyproject::of(&examination.layout).ok().and_then(|pyproject| pyproject.requires_python);
    let found = discover(around, examination.layout.root(), uv::at_hand(around).is_some(), required.as_ref());
    discovered(found, venv::runs(examination))
}

fn external(interpreter: &Path) -> Vec<Finding> {
    match venv::ask(interpreter) {
        Ok((version, _)) => {
            let found = format!("pipulate.toml names Python: {}", interpreter.display());
            vec![Finding::ok(FOUND, found), new_enough(version), not_needed()]
        }
        Err(problem) => vec![
            failure(FOUND, "The interpreter that pipulate.toml names does not run")
                .detail(problem)
                .advice("give [python] interpreter the path of a Python that runs, or leave it out"),
            skipped(VERSION, "Not checked: there is no Python"),
            not_needed(),
        ],
    }
}

fn not_needed() -> Finding {
    skipped(MODULE, "No environment is made: pipulate.toml names an interpreter")
}

/// A home with a working environment does not need the Python to make a new one.
fn discovered(found: Result<Python, PythonError>, venv_runs: bool) -> Vec<Finding> {
    let bad = if venv_runs { warning } else { failure };
    let advice = format!(
        "install Python {}.{} or newer (Debian, Ubuntu: sudo apt install python3 python3-venv; macOS: brew \
         install python; Nix: nix develop), or name one with PIPULATE_PYTHON",
        OLDEST.major, OLDEST.minor
    );
    let found_one = |program: &Path, version: Version| {
        Finding::ok(FOUND, format!("Python {version}: {}", program.display()))
    };
    match found {
        Ok(python) => vec![
            found_one(&python.program, python.version).detail(python.why.to_string()),
            new_enough(python.version),
            Finding::ok(
                MODULE,
                match python.has_ensurepip {
                    true => "Python can make environments",
                    false => "uv makes environments: this Python can't",
                },
            ),
        ],
        Err(PythonError::TooOld { program, version, tried: _ }) => vec![
            found_one(&program, version),
            bad(VERSION, format!("Python {version} is too old")).advice(advice),
            skipped(MODULE, "Not checked: Python is too old"),
        ],
        Err(ref error @ PythonError::NoVenv { ref program, version, tried: _ }) => vec![
            found_one(program, version),
            new_enough(version),
            bad(MODULE, "Python can't make environments".to_owned()).detail(error.to_string()).advice(advice),
        ],
        Err(ref error @ PythonError::Excluded { ref required, tried: _ }) => vec![
            Finding::ok(FOUND, "Python was found"),
            bad(VERSION, format!("pyproject.toml requires Python {required}"))
                .detail(error.to_string())
                .advice("install a Python of that version, or name one with PIPULATE_PYTHON"),
            skipped(MODULE, "Not checked: no Python has the version that is required"),
        ],
        Err(error @ (PythonError::NoneFound { .. } | PythonError::Named { .. })) => vec![
            bad(FOUND, "There is no usable Python".to_owned()).detail(error.to_string()).advice(advice),
            skipped(VERSION, "Not checked: there is no Python"),
            skipped(MODULE, "Not checked: there is no Python"),
        ],
    }
}

fn new_enough(version: Version) -> Finding {
    let needed = format!("{}.{}", OLDEST.major, OLDEST.minor);
    if version < OLDEST {
        return failure(VERSION, format!("Python {version} is too old"))
            .advice(format!("name a Python {needed} or newer in [python] interpreter"));
    }
    Finding::ok(VERSION, format!("Python {version} is new enough ({needed} is needed)"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use pipulate_core::finding::FindingStatus;

    use super::*;

    #[test]
    fn an_old_python_is_found_and_too_old() {
        let old = || PythonError::TooOld {
            program: PathBuf::from("/usr/bin/python3"),
            version: Version::parse("3.8.10").unwrap(),
            tried: Vec::new(),
        };
        let status = |venv_runs| {
            discovered(Err(old()), venv_runs).into_iter().map(|finding| finding.status).collect::<Vec<_>>()
        };
        assert_eq!(status(false), [FindingStatus::Ok, FindingStatus::Failure, FindingStatus::Skipped]);
        assert_eq!(status(true)[1], FindingStatus::Warning, "the environment has its own");
    }

    #[test]
    fn an_interpreter_of_the_configuration_must_be_new_enough() {
        assert_eq!(new_enough(Version::parse("3.10.0").unwrap()).status, FindingStatus::Ok);
        assert_eq!(new_enough(Version::parse("3.9.19").unwrap()).status, FindingStatus::Failure);
    }
}
