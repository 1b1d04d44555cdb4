//! Whether the modules that notebooks and pages are made of import: tried, not looked up.

use std::fs;

use pipulate_core::config::Config;
use pipulate_core::finding::Finding;

use super::venv::Evidence;
use super::{Examination, failure, skipped};
use crate::probe::problem::{ProbeProblem, System};
use crate::probe::{ProbeOutcome, ProbeResult, probe_modules};
use crate::requirements::Requirements;
use crate::service::service_environment;
use crate::venv::existing_python;

/// `python.numpy`, for projects that ask for it.
pub(super) fn numpy(examination: &Examination) -> Vec<Finding> {
    vec![check(examination, "python.numpy", "numpy", |config| {
        let probed = config.python.probe.iter().any(|module| module == "numpy");
        let required = || Requirements::read(&examination.layout, &config.python, false);
        let wanted = probed || required().is_ok_and(|requirements| requirements.names.contains("numpy"));
        wanted.then_some(()).ok_or("the project does not ask for it")
    })]
}

/// `python.jupyterlab`, unless JupyterLab is switched off.
pub(super) fn jupyterlab(examination: &Examination) -> Vec<Finding> {
    vec![check(examination, "python.jupyterlab", "jupyterlab", |config| {
        let enabled = config.service("jupyter").is_some_and(|service| service.enabled);
        enabled.then_some(()).ok_or("pipulate.toml switches JupyterLab off")
    })]
}

/// `python.fasthtml`, for a `server.py` that is made with it.
pub(super) fn fasthtml(examination: &Examination) -> Vec<Finding> {
    let server = fs::read(examination.layout.server_py());
    vec![check(examination, "python.fasthtml", "fasthtml", |_| match &server {
        Ok(text) if String::from_utf8_lossy(text).contains("fasthtml") => Ok(()),
        Ok(_) => Err("server.py does not use it"),
        Err(_) => Err("there is no server.py"),
    })]
}

fn check(
    examination: &Examination,
    id: &'static str,
    module: &str,
    is_wanted: impl FnOnce(&Config) -> Result<(), &'static str>,
) -> Finding {
    let config = match examination.config() {
        Ok(config) => config,
        Err(reason) => return skipped(id, reason),
    };
    if let Err(reason) = is_wanted(config) {
        return skipped(id, format!("{module} is not needed: {reason}"));
    }
    let Some(python) = existing_python(&examination.layout, &config.python) else {
        return skipped(id, format!("{module} was not tried: there is no Python environment"));
    };
    let environment = service_environment(&python, &examination.session.surroundings);
    let results = probe_modules(&python, &[module.to_owned()], &environment);
    match results.into_iter().next() {
        None => skipped(id, format!("{module} was not tried")),
        Some(ProbeResult { outcome: ProbeOutcome::Imports, .. }) => {
            Finding::ok(id, format!("{module} imports"))
        }
        Some(ProbeResult { outcome: ProbeOutcome::Fails { problem, said }, .. }) => {
            let finding =
                failure(id, format!("{module} does not import: {problem}")).detail(last_line(&said));
            mend(examination, finding, &problem)
        }
    }
}

fn mend(examination: &Examination, mut finding: Finding, problem: &ProbeProblem) -> Finding {
    if matches!(problem, ProbeProblem::MissingModule { .. })
        && let Ok(evidence) = Evidence::gather(examination)
    {
        return evidence.reinstall(examination, finding);
    }
    let mut fix = problem.fix(System::here());
    if let Some((program, words)) = fix.command.split_first()
        && program == "pipulate"
    {
        fix.command = examination.pipulate(&words.iter().map(String::as_str).collect::<Vec<_>>());
    }
    finding.fix = Some(fix);
    finding
}

/// The error itself, where a traceback has it.
fn last_line(said: &str) -> &str {
    said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default()
}
