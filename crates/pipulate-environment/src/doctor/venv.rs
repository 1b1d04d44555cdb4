//! The Python environment: is it whole, does its Python run, does it hold what the project asks for.
//!
//! What a set-up would do about it is asked of the set-up's own decision, so that `doctor` never
//! promises what `setup` would refuse.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pipulate_core::finding::Finding;
use pipulate_process::command::Command;

use super::{Examination, failure, skipped, warning, with_command};
use crate::plan::{Drift, Facts, Mode, Plan, Refusal, decide};
use crate::python::Version;
use crate::requirements::{Requirements, RequirementsError};
use crate::setup::{MANAGERS, SetupRequest, drift};
use crate::stamp::{Origin, Stamp};
use crate::venv::{Breakage, Venv, VenvState, inspect};

const WHOLE: &str = "venv.whole";
const PYTHON: &str = "venv.python";
const REQUIREMENTS: &str = "requirements.current";

/// A Python that does not answer by then hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prints the version, and the environment that it thinks it is in.
const WHO_ARE_YOU: &str = "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.prefix)";

/// What is known about the environment from files alone.
pub(super) struct Evidence {
    root: PathBuf,
    state: VenvState,
    stamp: Option<Stamp>,
    manager: Option<&'static str>,
    wanted: Result<Requirements, RequirementsError>,
    jupyter: bool,
    alive: bool,
}

/// `venv.whole`.
pub(super) fn whole(examination: &Examination) -> Vec<Finding> {
    let evidence = match Evidence::gather(examination) {
        Ok(evidence) => evidence,
        Err(reason) => return vec![skipped(WHOLE, reason)],
    };
    let root = evidence.root.display();
    vec![match &evidence.state {
        VenvState::Absent if evidence.was_made() => {
            evidence.mend(examination, failure(WHOLE, format!("The Python environment is gone: {root}")))
        }
        VenvState::Absent => {
            evidence.mend(examination, warning(WHOLE, format!("There is no Python environment yet: {root}")))
        }
        VenvState::Broken { problem, .. } if !is_about_python(problem) => {
            let finding = failure(WHOLE, format!("The Python environment can't be used: {root}"));
            evidence.mend(examination, finding.detail(problem.to_string()))
        }
        VenvState::Whole(_) | VenvState::Moved { .. } | VenvState::Broken { .. } => {
            Finding::ok(WHOLE, format!("The Python environment has its parts: {root}"))
        }
    }]
}

/// `venv.python`.
pub(super) fn python(examination: &Examination) -> Vec<Finding> {
    let interpreter = examination.config().ok().and_then(|config| config.python.interpreter.as_ref());
    if let Some(interpreter) = interpreter {
        return vec![external(&examination.layout.inside(interpreter))];
    }
    let evidence = match Evidence::gather(examination) {
        Ok(evidence) => evidence,
        Err(reason) => return vec![skipped(PYTHON, reason)],
    };
    let broken =
        |title: &str, detail: String| evidence.mend(examination, failure(PYTHON, title).detail(detail));
    vec![match &evidence.state {
        VenvState::Absent => skipped(PYTHON, "Not examined: there is no Python environment"),
        VenvState::Broken { problem, .. } if is_about_python(problem) => {
            broken("The Python environment has lost its Python", problem.to_string())
        }
        VenvState::Broken { .. } => skipped(PYTHON, "Not examined: the Python environment can't be used"),
        VenvState::Moved { from, .. } => {
            let detail = format!("its programs were made for {} and won't start from here", from.display());
            broken("The Python environment was moved or copied", detail)
        }
        VenvState::Whole(venv) => match wrong_python(venv) {
            None => {
                Finding::ok(PYTHON, format!("The Python environment runs {}", venv.real_python.display()))
            }
            Some(detail) => broken("The Python environment's Python is not what it should be", detail),
        },
    }]
}

/// `requirements.current`.
pub(super) fn requirements(examination: &Examination) -> Vec<Finding> {
    let evidence = match Evidence::gather(examination) {
        Ok(evidence) => evidence,
        Err(reason) => return vec![skipped(REQUIREMENTS, reason)],
    };
    if let Err(error) = &evidence.wanted {
        let finding = failure(REQUIREMENTS, "The requirements can't be read").detail(error.to_string());
        return vec![finding.advice("mend the file, or the name that pipulate.toml gives it")];
    }
    if !matches!(evidence.state, VenvState::Whole(_)) {
        return vec![skipped(REQUIREMENTS, "Not examined: there is no usable Python environment")];
    }
    let drift = evidence.drift(examination);
    if drift.is_empty() {
        return vec![Finding::ok(REQUIREMENTS, "The packages are what the project asks for")];
    }
    let words: Vec<String> = drift.iter().map(Drift::to_string).collect();
    let finding = warning(REQUIREMENTS, "The packages are not what the project asks for");
    vec![evidence.mend(examination, finding.detail(words.join("; ")))]
}

impl Evidence {
    /// Looks at the environment that we manage; else says why there is nothing to look at.
    pub(super) fn gather(examination: &Examination) -> Result<Self, &'static str> {
        let config = examination.config()?;
        if config.python.interpreter.is_some() {
            return Err("Not examined: pipulate.toml names an interpreter that somebody else manages");
        }
        let layout = &examination.layout;
        let root = layout.inside(&config.python.venv).to_path_buf();
        let jupyter = config.service("jupyter").is_some_and(|service| service.enabled);
        Ok(Self {
            state: inspect(&root),
            root,
            stamp: Stamp::read(&layout.setup_stamp()),
            manager: MANAGERS.into_iter().find(|name| layout.inside(name).exists()),
            wanted: Requirements::read(layout, &config.python, jupyter),
            jupyter,
            alive: examination.alive,
        })
    }

    fn decide(&self, mode: Mode, alive: bool) -> Plan {
        let wanted = self.wanted.as_ref().ok().map(|wanted| &wanted.fingerprint);
        let (root, venv, stamp) = (self.root.as_path(), &self.state, self.stamp.as_ref());
        decide(&Facts { root, venv, stamp, manager: self.manager, wanted, alive }, mode)
    }

    /// Whether a set-up of ours got as far as making it.
    fn was_made(&self) -> bool {
        matches!(&self.stamp, Some(Stamp::Made(made)) if made.venv == self.root)
    }

    /// What differs from what the project asks for, as a set-up sees it.
    fn drift(&self, examination: &Examination) -> Vec<Drift> {
        let Ok(config) = &examination.config else { return Vec::new() };
        drift(&SetupRequest {
            layout: &examination.layout,
            python: &config.python,
            project_name: config.name.as_deref().unwrap_or_default(),
            jupyter: self.jupyter,
            mode: Mode::Automatic,
            home_is_alive: self.alive,
            program: &examination.exe,
            around: &examination.session.surroundings,
        })
    }

    /// Adds the command that mends it; by itself only what `start` would do by itself.
    pub(super) fn mend(&self, examination: &Examination, finding: Finding) -> Finding {
        let setup = examination.pipulate(&["setup"]);
        match self.decide(Mode::Explicit, self.alive) {
            Plan::Refuse(Refusal::HomeIsAlive { .. }) => with_command(
                finding,
                "nothing is installed under running services: run `pipulate stop`, then `pipulate setup`",
                examination.pipulate(&["stop"]),
                false,
            ),
            Plan::Refuse(Refusal::BrokenAndNotOurs { .. } | Refusal::MovedAndNotOurs { .. }) => with_command(
                finding,
                "make it anew; the old one is kept beside it, as it was not made by Pipulate",
                examination.pipulate(&["setup", "--recreate"]),
                false,
            ),
            Plan::Recreate { .. } => {
                let text = "make it anew; the old one is kept beside it";
                with_command(finding, text, setup, self.is_done_by_start())
            }
            Plan::Create => with_command(finding, "make it", setup, self.is_done_by_start()),
            Plan::Install { .. } | Plan::Keep { .. } => {
                with_command(finding, "install what the project asks for", setup, self.is_done_by_start())
            }
        }
    }

    /// Adds the command that installs what the stamp says is there and is not.
    pub(super) fn reinstall(&self, examination: &Examination, finding: Finding) -> Finding {
        let ours = matches!(&self.stamp, Some(Stamp::Made(made)) if made.origin == Origin::Made);
        let mut finding = self.mend(examination, finding);
        if let Some(fix) = &mut finding.fix {
            fix.automatic |= ours && !self.alive && self.manager.is_none();
        }
        finding
    }

    fn is_done_by_start(&self) -> bool {
        match self.decide(Mode::Automatic, self.alive) {
            Plan::Create | Plan::Install { .. } | Plan::Recreate { .. } => true,
            Plan::Keep { .. } | Plan::Refuse(_) => false,
        }
    }
}

/// The rest is about the folder.
fn is_about_python(problem: &Breakage) -> bool {
    match problem {
        Breakage::DanglingInterpreter(_) | Breakage::HomeGone(_) | Breakage::OtherPython { .. } => true,
        Breakage::NotAVenv | Breakage::Unreadable(_) | Breakage::NoInterpreter => false,
    }
}

/// What the environment's Python says about itself that it should not; links can't tell.
fn wrong_python(venv: &Venv) -> Option<String> {
    let (version, prefix) = match ask(&venv.python) {
        Ok(answer) => answer,
        Err(problem) => return Some(problem),
    };
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match venv.version {
        _ if real(&prefix) != real(&venv.root) => {
            Some(format!("it says that it belongs to {}", prefix.display()))
        }
        Some(made_for) if !made_for.same_minor(version) => {
            Some(format!("it is Python {version}, and the environment was made for {made_for}"))
        }
        Some(_) | None => None,
    }
}

fn external(interpreter: &Path) -> Finding {
    match ask(interpreter) {
        Ok((version, _)) => Finding::ok(PYTHON, format!("{} runs: Python {version}", interpreter.display())),
        Err(problem) => failure(PYTHON, "The interpreter that pipulate.toml names does not run")
            .detail(format!("{}: {problem}", interpreter.display()))
            .advice("give [python] interpreter the path of a Python that runs, or leave it out"),
    }
}

/// Whether the home has an environment that can be used.
pub(super) fn runs(examination: &Examination) -> bool {
    Evidence::gather(examination).is_ok_and(|evidence| matches!(evidence.state, VenvState::Whole(_)))
}

/// The version and the prefix of a Python; else why there is no answer.
pub(super) fn ask(python: &Path) -> Result<(Version, PathBuf), String> {
    let output = Command::new(python).args(["-E", "-c", WHO_ARE_YOU]).output(PATIENCE);
    let output = output.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut lines = said.lines();
    let version = lines.next().and_then(Version::parse);
    match (output.end.success(), version, lines.next()) {
        (true, Some(version), Some(prefix)) => Ok((version, prefix.into())),
        _ => {
            let words = String::from_utf8_lossy(&output.stderr);
            let first = words.lines().map(str::trim).find(|line| !line.is_empty());
            Err(format!("{} does not run: {}", python.display(), first.unwrap_or("it says nothing")))
        }
    }
}
