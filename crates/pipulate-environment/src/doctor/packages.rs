//! The packages: what the project asks for, whether it is there, and whether the packages fit together.

use std::path::Path;

use pipulate_core::finding::Finding;
use pipulate_process::command::Command;

use super::catalog::{Check, Group};
use super::evidence::{self, Said};
use super::venv::{Evidence, SETS_UP};
use super::{Examination, failure, skipped, warning};
use crate::installer::uv_command;
use crate::plan::Drift;
use crate::uv;
use crate::venv::existing_python;

const READABLE: &str = "requirements.readable";
const CURRENT: &str = "requirements.current";
const FIT: &str = "packages.consistent";

pub(super) const REQUIREMENTS: Group = Group {
    checks: &[
        Check::new(
            READABLE,
            "whether `requirements.txt`, and what it includes, or `pyproject.toml` can be read",
        ),
        Check::new(CURRENT, "whether the environment has what is asked for: compared with the last set-up")
            .mended_by(SETS_UP),
    ],
    examine: requirements,
};

pub(super) const CONSISTENT: Group = Group {
    checks: &[Check::new(
        FIT,
        "`pip check` (by uv, if it is at hand): whether each package has what it needs",
    )],
    examine: |examination| vec![consistent(examination)],
};

fn requirements(examination: &Examination) -> Vec<Finding> {
    let evidence = match Evidence::gather(examination) {
        Ok(evidence) => evidence,
        Err(reason) => return vec![skipped(READABLE, reason), skipped(CURRENT, reason)],
    };
    vec![readable(&evidence), current(&evidence, examination)]
}

fn readable(evidence: &Evidence) -> Finding {
    match &evidence.wanted {
        Ok(wanted) => match &wanted.file {
            Some(file) => Finding::ok(READABLE, format!("What to install is written in {}", file.display())),
            None => Finding::ok(READABLE, "Nothing says what to install: the default packages are used"),
        },
        Err(error) => failure(READABLE, "What to install can't be read")
            .detail(error.to_string())
            .advice("mend the file, or the name that pipulate.toml gives it"),
    }
}

fn current(evidence: &Evidence, examination: &Examination) -> Finding {
    if evidence.wanted.is_err() {
        return skipped(CURRENT, "Not examined: what to install can't be read");
    }
    if !evidence.is_usable() {
        return skipped(CURRENT, "Not examined: there is no usable Python environment");
    }
    let drift = evidence.drift(examination);
    if drift.is_empty() {
        return Finding::ok(CURRENT, "The packages are what the project asks for");
    }
    let words: Vec<String> = drift.iter().map(Drift::to_string).collect();
    let finding = warning(CURRENT, "The packages are not what the project asks for");
    evidence.mend(examination, finding.detail(words.join("\n")))
}

fn consistent(examination: &Examination) -> Finding {
    let config = match examination.config() {
        Ok(config) => config,
        Err(reason) => return skipped(FIT, reason),
    };
    let Some(python) = existing_python(&examination.layout, &config.python) else {
        return skipped(FIT, "Not examined: there is no Python environment");
    };
    let said = check(examination, &python);
    if said.is_well() {
        return Finding::ok(FIT, "Each package has what it needs").detail(said.evidence());
    }
    let problems = problems(&said);
    if problems.is_empty() {
        return skipped(FIT, "Whether the packages fit together is not known").detail(said.evidence());
    }
    let detail = format!("{}\nof {}", said.evidence(), problems.join("; "));
    warning(FIT, "Some packages lack what they need, or have it in another version")
        .detail(detail)
        .advice("let requirements.txt name versions that fit together, then run `pipulate setup`")
}

/// uv answers in a tenth of the time that pip takes.
fn check(examination: &Examination, python: &Path) -> Said {
    match uv::at_hand(&examination.session.surroundings) {
        Some(uv) => {
            let command = uv_command(&uv, &examination.session.surroundings);
            evidence::of_machine(command.args(["pip", "check", "--python"]).arg(python))
        }
        None => evidence::of_machine(Command::new(python).args([
            "-m",
            "pip",
            "check",
            "--disable-pip-version-check",
        ])),
    }
}

/// pip: `a 1 requires b, which is not installed.` uv: ``The package `a` requires `b`, but …``.
fn problems(said: &Said) -> Vec<&str> {
    let lines = said.stdout.lines().chain(said.stderr.lines()).map(str::trim);
    lines.filter(|line| line.contains(" requires ") || line.contains(" has requirement ")).take(5).collect()
}
