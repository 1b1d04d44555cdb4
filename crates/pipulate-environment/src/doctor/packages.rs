//! The packages: the project's list, whether they are installed, and whether they are compatible.

use std::path::Path;

use pipulate_core::finding::{Finding, Fix};
use pipulate_process::command::Command;

use super::check::{Check, Group};
use super::evidence::{self, Said};
use super::venv::{Evidence, SETS_UP};
use super::{Examination, failure, skipped, warning};
use crate::installer::uv_command;
use crate::managers::Manager;
use crate::plan::{Drift, Mode};
use crate::requirements::{Requirements, RequirementsError, Source};
use crate::setup::{self, SetupRequest};
use crate::uv;
use crate::venv::{Packages, existing_python, sees_the_system, site_packages};

const READABLE: &str = "requirements.readable";
const CURRENT: &str = "requirements.current";
const PIP: &str = "packages.pip";
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
    checks: &[
        Check::new(
            PIP,
            "whether the environment has `pip`; without, a `pip` that is typed is another Python's",
        ),
        Check::new(FIT, "`pip check` (by uv, if it is at hand): whether each package has what it needs"),
    ],
    examine: |examination| vec![pip(examination), consistent(examination)],
};

fn requirements(examination: &Examination) -> Vec<Finding> {
    let config = match examination.config() {
        Ok(config) => config,
        Err(reason) => return vec![skipped(READABLE, reason), skipped(CURRENT, reason)],
    };
    let wanted = Requirements::read(
        &examination.layout,
        &config.python,
        config.has_jupyter(),
        &examination.session.surroundings,
    );
    vec![readable(&wanted), current(&wanted, examination)]
}

fn readable(wanted: &Result<Requirements, RequirementsError>) -> Finding {
    match wanted {
        Ok(Requirements { not_there, .. }) if !not_there.is_empty() => {
            let files: Vec<String> = not_there.iter().map(|file| file.display().to_string()).collect();
            failure(READABLE, "A file that requirements.txt includes is not there")
                .detail(files.join("\n"))
                .advice("correct its name, or write the file")
        }
        Ok(wanted) => Finding::ok(
            READABLE,
            match &wanted.source {
                Source::File(file) | Source::Project { file, .. } | Source::UvLock { lock: file, .. } => {
                    format!("The packages are listed in {}", file.display())
                }
                Source::Default => "No file lists the packages: the default ones are used".to_owned(),
            },
        ),
        Err(error) => failure(READABLE, "The list of packages can't be read")
            .detail(error.to_string())
            .advice("correct the file, or the name that pipulate.toml gives it"),
    }
}

fn current(wanted: &Result<Requirements, RequirementsError>, examination: &Examination) -> Finding {
    if wanted.as_ref().map_or(true, |wanted| !wanted.not_there.is_empty()) {
        return skipped(CURRENT, "Not checked: the list of packages can't be read");
    }
    let evidence = Evidence::gather(examination).ok();
    if evidence.as_ref().is_some_and(|evidence| !evidence.is_usable()) {
        return skipped(CURRENT, "Not checked: there is no usable Python environment");
    }
    let drift = drift(examination);
    if drift.is_empty() {
        return Finding::ok(CURRENT, "The installed packages match the project's list");
    }
    let words: Vec<String> = drift.iter().map(Drift::to_string).collect();
    let finding =
        warning(CURRENT, "The installed packages don't match the project's list").detail(words.join("\n"));
    let added = drift.iter().find_map(|drift| match drift {
        Drift::ManagerLacks { manager, missing, is_listed } => Some(manager.command_for(missing, *is_listed)),
        _ => None,
    });
    match (added, evidence) {
        (Some(command), _) => {
            finding.fix(Fix::command("install them with the tool that manages the packages", command))
        }
        (None, Some(evidence)) => evidence.mend(examination, finding),
        (None, None) => {
            finding.advice("install them with what manages that environment (conda install, pixi add, …)")
        }
    }
}

/// The differences from the project's list, by a set-up's logic.
fn drift(examination: &Examination) -> Vec<Drift> {
    let Ok(config) = &examination.config else { return Vec::new() };
    setup::drift(&SetupRequest {
        layout: &examination.layout,
        python: &config.python,
        project_name: config.name.as_deref().unwrap_or_default(),
        jupyter: config.has_jupyter(),
        mode: Mode::Automatic,
        compile: false,
        home_is_alive: examination.alive,
        programs: std::slice::from_ref(&examination.exe),
        around: &examination.session.surroundings,
    })
}

fn pip(examination: &Examination) -> Finding {
    let Some(python) =
        examination.config().ok().and_then(|it| existing_python(&examination.layout, &it.python))
    else {
        return skipped(PIP, "Not checked: there is no Python environment");
    };
    let prefix = python.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    if Manager::of(&examination.layout).is_some() {
        return skipped(PIP, "Not checked: another tool manages the packages");
    }
    if site_packages(prefix).is_empty()
        || sees_the_system(prefix)
        || Packages::below(prefix).names().contains("pip")
    {
        return Finding::ok(PIP, "The environment has pip");
    }
    warning(PIP, "The environment has no pip: a `pip` that you type is another Python's")
        .detail(format!("there is no pip in {}", prefix.display()))
        .command(
            "add packages with `pipulate add PACKAGE`; to have pip itself",
            examination.pipulate(&["add", "pip"]),
        )
}

fn consistent(examination: &Examination) -> Finding {
    let python = match examination.python() {
        Ok(python) => python,
        Err(reason) => return skipped(FIT, reason),
    };
    let said = check(examination, &python);
    if said.is_well() {
        return Finding::ok(FIT, "Every package has the dependencies it needs").detail(said.evidence());
    }
    let problems = problems(&said);
    if problems.is_empty() {
        return skipped(FIT, "Could not check the packages' dependencies").detail(said.evidence());
    }
    let detail = format!("{}\nof {}", said.evidence(), problems.join("; "));
    warning(FIT, "Some packages lack a dependency, or have it in the wrong version")
        .detail(detail)
        .advice("let requirements.txt name versions that fit together, then run `pipulate setup`")
}

/// uv takes a tenth of pip's time.
fn check(examination: &Examination, python: &Path) -> Said {
    match uv::at_hand(&examination.session.surroundings) {
        Some(uv) => {
            let command = uv_command(&uv, &examination.session.surroundings);
            evidence::of_machine(command.args(["pip", "check", "--python"]).arg(python))
        }
        None => evidence::of_machine(Command::new(python).args([
            "-I",
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
