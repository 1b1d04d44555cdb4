//! Imports the modules of notebooks and pages, to prove that they work.

use std::collections::BTreeMap;
use std::path::Path;

use pipulate_core::config::Config;
use pipulate_core::finding::Finding;
use pipulate_process::command::Command;
use pipulate_store::files;

use super::check::{Check, Group};
use super::evidence::{self, Said, ran};
use super::venv::{Evidence, SETS_UP};
use super::{Examination, failure, skipped};
use crate::probe::problem::{ProbeProblem, System};
use crate::probe::{ProbeOutcome, ProbeResult, modules_to_try, probe_modules};
use crate::requirements::Requirements;
use crate::service::{LIBRARY_PATH, environment_of, library_path};
use crate::surroundings::Surroundings;

const FOUND: &str = "system.libraries";

pub(super) const LIBRARIES: Group = Group {
    checks: &[Check::new(
        FOUND,
        "whether this home's Python finds `libstdc++.so.6` and `libz.so.1`, which wheels leave to the system",
    )],
    examine: |examination| vec![libraries(examination)],
};

pub(super) const MODULES: Group = Group {
    checks: &[
        Check::new("python.numpy", "`import numpy`, and if it fails, what is missing").mended_by(SETS_UP),
        Check::new("python.ipykernel", "`import ipykernel`: what notebooks run in").mended_by(SETS_UP),
        Check::new("python.jupyterlab", "`import jupyterlab`").mended_by(SETS_UP),
        Check::new(FASTHTML, "`import fasthtml`, if `server.py` uses it").mended_by(SETS_UP),
    ],
    examine: modules,
};

/// The system libraries that the wheels of numpy and of JupyterLab's own parts need.
const NEEDED: [&str; 2] = ["libstdc++.so.6", "libz.so.1"];

/// Each module with the id of its finding.
const MODULES_OF: [(&str, &str); 4] = [
    ("python.numpy", "numpy"),
    ("python.ipykernel", "ipykernel"),
    ("python.jupyterlab", "jupyterlab"),
    (FASTHTML, "fasthtml"),
];

const FASTHTML: &str = "python.fasthtml";

/// Prints each library that can't be loaded, and why, on a line of its own.
const LOAD: &str = "import ctypes, sys
for name in sys.argv[1:]:
    try:
        ctypes.CDLL(name)
    except OSError as error:
        print(error)";

fn libraries(examination: &Examination) -> Finding {
    if examination.session.macos {
        return skipped(FOUND, "Wheels for macOS bring their own libraries");
    }
    let python = match examination.python() {
        Ok(python) => python,
        Err(reason) => return skipped(FOUND, reason),
    };
    let environment = environment_of(&python, &python, &examination.session.surroundings);
    let said = evidence::of(environment.give_to(Command::new(&python).args(["-I", "-c", LOAD])).args(NEEDED));
    if !said.is_well() {
        return not_even_python(&python, &examination.session.surroundings, &said);
    }
    let command = format!("{} -c 'import ctypes; ctypes.CDLL(…)'", python.display());
    let Some(first) = said.stdout.lines().next() else {
        return Finding::ok(FOUND, "Python finds libstdc++ and libz")
            .detail(ran(&command, "nothing: both were loaded"));
    };
    let problem = crate::probe::problem::classify(first);
    let mut finding = failure(FOUND, format!("Python can't load a library: {problem}"));
    finding.fix = Some(problem.fix(System::at(&examination.machine)));
    finding.detail(ran(&command, said.stdout.trim()))
}

/// Python itself needs libraries: one that takes precedence over the system's may prevent its start.
fn not_even_python(python: &Path, around: &Surroundings, said: &Said) -> Finding {
    let without = Command::new(python).args(["-I", "-c", "pass"]).env_remove(LIBRARY_PATH);
    if !evidence::of(without).is_well() {
        return skipped(FOUND, "Could not check libraries: Python does not run");
    }
    let variable = match library_path(around) {
        Some(_) => "PIPULATE_LIBRARY_PATH",
        None => LIBRARY_PATH,
    };
    failure(FOUND, format!("Python does not start with the libraries of {variable}"))
        .advice(format!("remove the folder that it names from {variable}"))
        .detail(ran(&format!("{} -c 'import ctypes'", python.display()), said.last_line()))
}

/// All in one Python: loaded modules are shared by later ones.
fn modules(examination: &Examination) -> Vec<Finding> {
    let mut wanted: BTreeMap<&str, String> = BTreeMap::new();
    let mut results: BTreeMap<String, ProbeOutcome> = BTreeMap::new();
    match (examination.config(), examination.python()) {
        (Err(reason), _) | (_, Err(reason)) => {
            wanted.extend(MODULES_OF.map(|(_, module)| (module, reason.to_owned())));
        }
        (Ok(config), Ok(python)) => {
            let (needed, not): (Vec<_>, Vec<_>) = MODULES_OF
                .map(|(_, module)| (module, is_wanted(examination, config, module)))
                .into_iter()
                .partition(|(_, is)| is.is_ok());
            wanted.extend(
                not.into_iter().filter_map(|(module, is)| {
                    Some((module, format!("{module} is not needed: {}", is.err()?)))
                }),
            );
            results = probe(
                examination,
                &python,
                needed.into_iter().map(|(module, _)| module.to_owned()).collect(),
            );
        }
    }
    let finding = |(id, module): (&'static str, &str)| match (results.remove(module), wanted.get(module)) {
        (Some(outcome), _) => judged(examination, id, module, outcome),
        (None, Some(reason)) => skipped(id, reason.clone()),
        (None, None) => skipped(id, format!("{module} was not tried")),
    };
    MODULES_OF.map(finding).into()
}

fn probe(examination: &Examination, python: &Path, modules: Vec<String>) -> BTreeMap<String, ProbeOutcome> {
    let environment = environment_of(python, python, &examination.session.surroundings);
    let results = probe_modules(python, &modules, &environment);
    results.into_iter().map(|ProbeResult { module, outcome }| (module, outcome)).collect()
}

fn is_wanted(examination: &Examination, config: &Config, module: &str) -> Result<(), &'static str> {
    match module {
        "numpy" => {
            let around = &examination.session.surroundings;
            let tried = modules_to_try(&examination.layout, &config.python, around);
            let required = || Requirements::read(&examination.layout, &config.python, false, around);
            let wanted = tried.iter().any(|tried| tried == module)
                || required().is_ok_and(|requirements| requirements.names.contains(module));
            wanted.then_some(()).ok_or("the project does not ask for it")
        }
        "fasthtml" => match files::read_foreign(&examination.layout.server_py()) {
            Ok(text) if String::from_utf8_lossy(&text).contains("fasthtml") => Ok(()),
            Ok(_) => Err("server.py does not use it"),
            Err(_) => Err("there is no server.py"),
        },
        _ => config.has_jupyter().then_some(()).ok_or("JupyterLab is switched off"),
    }
}

fn judged(examination: &Examination, id: &'static str, module: &str, outcome: ProbeOutcome) -> Finding {
    let command = format!("python -c 'import {module}'");
    match outcome {
        ProbeOutcome::Imports => {
            Finding::ok(id, format!("{module} imports")).detail(ran(&command, "nothing: it imports"))
        }
        ProbeOutcome::Fails { problem, said } => {
            let finding = failure(id, format!("{module} does not import: {problem}"));
            let package = if id == FASTHTML { "python-fasthtml" } else { module };
            mend(examination, finding.detail(ran(&command, last_line(&said))), &problem, package)
        }
    }
}

fn mend(examination: &Examination, mut finding: Finding, problem: &ProbeProblem, package: &str) -> Finding {
    if matches!(problem, ProbeProblem::MissingModule { .. })
        && let Ok(evidence) = Evidence::gather(examination)
    {
        if evidence.has(package) {
            return evidence.remake(examination, finding);
        }
        if evidence.lacks_some() {
            return evidence.install(examination, finding);
        }
    }
    let mut fix = problem.fix(System::at(&examination.machine));
    if let Some((program, words)) = fix.command.split_first()
        && program == "pipulate"
    {
        fix.command = examination.pipulate(&words.iter().map(String::as_str).collect::<Vec<_>>());
    }
    finding.fix = Some(fix);
    finding
}

/// The error itself, if the output has a traceback.
fn last_line(said: &str) -> &str {
    said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default()
}
