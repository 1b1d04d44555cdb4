//! The Python environment: whether it is complete, where it was made, and runs.
//!
//! The fixes follow the set-up's own decision, so that `doctor` never promises what `setup` would refuse.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pipulate_core::finding::{Finding, Fix};
use pipulate_process::command::Command;

use super::check::{Check, Group};
use super::evidence::ran;
use super::{Examination, NOT_USED_YET, failure, project, real, skipped, warning};
use crate::installer::missing;
use crate::managers::Manager;
use crate::plan::{Facts, Mode, Plan, Refusal, decide};
use crate::requirements::{Requirements, RequirementsError};
use crate::setup::is_as_left;
use crate::stamp::{Origin, Stamp};
use crate::venv::{Breakage, Packages, Venv, VenvState, inspect};
use crate::version::Version;

const WHOLE: &str = "venv.whole";
const MOVED: &str = "venv.moved";
const PYTHON: &str = "venv.python";
const VERSION: &str = "venv.version";

/// The effect of a set-up that needs no question.
pub(super) const SETS_UP: &str = "runs `pipulate setup`, where `start` would do the same by itself";

pub(super) const VENV: Group = Group {
    checks: &[
        Check::new(WHOLE, "whether the environment is there, with its parts").mended_by(SETS_UP),
        Check::new(MOVED, "whether it is where it was made: its programs hold its path").mended_by(SETS_UP),
        Check::new(PYTHON, "whether its Python is still there, runs, and belongs to it").mended_by(SETS_UP),
        Check::new(VERSION, "whether its Python is the version that it was made for").mended_by(SETS_UP),
    ],
    examine: environment,
};

/// A Python that takes longer is considered hung.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prints the version, and the prefix of the environment.
const WHO_ARE_YOU: &str = "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(sys.prefix)";

fn environment(examination: &Examination) -> Vec<Finding> {
    let interpreter = examination.config().ok().and_then(|config| config.python.interpreter.as_ref());
    let evidence = match Evidence::gather(examination) {
        Ok(evidence) => evidence,
        Err(reason) => {
            let python = match interpreter {
                Some(interpreter) if examination.is_unused(interpreter) => skipped(PYTHON, NOT_USED_YET),
                Some(interpreter) => external(&examination.layout.inside(interpreter)),
                None => skipped(PYTHON, reason),
            };
            return vec![skipped(WHOLE, reason), skipped(MOVED, reason), python, skipped(VERSION, reason)];
        }
    };
    let mut findings = vec![whole(&evidence, examination), moved(&evidence, examination)];
    findings.extend(python(&evidence, examination));
    findings
}

/// The facts about the environment from files alone.
pub(super) struct Evidence {
    root: PathBuf,
    state: VenvState,
    packages: Packages,
    stamp: Option<Stamp>,
    manager: Option<Manager>,
    wanted: Result<Requirements, RequirementsError>,
    alive: bool,
}

fn whole(evidence: &Evidence, examination: &Examination) -> Finding {
    let root = evidence.root.display();
    match &evidence.state {
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
    }
}

fn moved(evidence: &Evidence, examination: &Examination) -> Finding {
    match &evidence.state {
        VenvState::Moved { from, .. } => {
            let finding = failure(MOVED, "The Python environment was moved or copied").detail(format!(
                "its programs were made for {} and won't start from {}",
                from.display(),
                evidence.root.display()
            ));
            evidence.mend(examination, finding)
        }
        VenvState::Whole(_) => Finding::ok(MOVED, "The Python environment is where it was made"),
        VenvState::Absent | VenvState::Broken { .. } => {
            skipped(MOVED, "Not checked: there is no usable Python environment")
        }
    }
}

/// `venv.python` and `venv.version`.
fn python(evidence: &Evidence, examination: &Examination) -> [Finding; 2] {
    let broken =
        |id, title: &str, detail: String| evidence.mend(examination, failure(id, title).detail(detail));
    let no_version = || skipped(VERSION, "Not checked: there is no Python that could be asked");
    match &evidence.state {
        VenvState::Absent => [skipped(PYTHON, "Not checked: there is no Python environment"), no_version()],
        VenvState::Broken { problem: problem @ Breakage::OtherPython { .. }, .. } => [
            skipped(PYTHON, "Not checked: it is another version's"),
            broken(VERSION, "The Python under the environment was replaced", problem.to_string()),
        ],
        VenvState::Broken { problem, .. } if is_about_python(problem) => {
            let title = "The Python environment has lost its Python";
            [broken(PYTHON, title, problem.to_string()), no_version()]
        }
        VenvState::Broken { .. } => {
            [skipped(PYTHON, "Not checked: the Python environment can't be used"), no_version()]
        }
        VenvState::Whole(_) | VenvState::Moved { .. } if !examination.may_run_python() => {
            [skipped(PYTHON, NOT_USED_YET), skipped(VERSION, NOT_USED_YET)]
        }
        VenvState::Whole(venv) | VenvState::Moved { venv, .. } => match ask(&venv.python) {
            Err(problem) => {
                [broken(PYTHON, "The Python environment's Python does not run", problem), no_version()]
            }
            Ok((version, prefix)) => {
                let own = belongs(venv, &prefix)
                    .map_err(|why| broken(PYTHON, "The Python environment's Python is another one", why));
                [own.unwrap_or_else(|finding| finding), same_version(venv, version, &broken)]
            }
        },
    }
}

/// Links are no proof; the prefix that Python reports is.
fn belongs(venv: &Venv, prefix: &Path) -> Result<Finding, String> {
    if real(prefix) != real(&venv.root) {
        return Err(format!("{} says that it belongs to {}", venv.python.display(), prefix.display()));
    }
    let title = format!("The Python environment runs {}", venv.real_python.display());
    Ok(Finding::ok(PYTHON, title)
        .detail(ran(&format!("{} -c 'import sys; …'", venv.python.display()), &prefix.display().to_string())))
}

fn same_version(
    venv: &Venv,
    version: Version,
    broken: &dyn Fn(&'static str, &str, String) -> Finding,
) -> Finding {
    match venv.version {
        Some(made_for) if !made_for.same_minor(version) => broken(
            VERSION,
            "The Python under the environment was replaced",
            format!("it is Python {version}, and the environment was made for {made_for}"),
        ),
        Some(_) | None => {
            Finding::ok(VERSION, format!("The Python environment is of its Python's version: {version}"))
        }
    }
}

impl Evidence {
    /// Reads the environment that we manage; else returns why there is none to examine.
    pub(super) fn gather(examination: &Examination) -> Result<Self, &'static str> {
        let config = examination.config()?;
        if config.python.interpreter.is_some() {
            return Err("Not checked: pipulate.toml names an interpreter that another tool manages");
        }
        let layout = &examination.layout;
        let root = layout.inside(&config.python.venv).to_path_buf();
        let jupyter = config.has_jupyter();
        Ok(Self {
            state: inspect(&root),
            packages: Packages::below(&root),
            root,
            stamp: Stamp::read(layout),
            manager: Manager::of(layout),
            wanted: Requirements::read(layout, &config.python, jupyter, &examination.session.surroundings),
            alive: examination.alive,
        })
    }

    fn decide(&self, mode: Mode, alive: bool) -> Plan {
        let wanted = self.wanted.as_ref().ok().map(|wanted| &wanted.fingerprint);
        let (root, venv, stamp) = (self.root.as_path(), &self.state, self.stamp.as_ref());
        let is_as_left = is_as_left(stamp, &self.packages);
        let has_own_list = self.wanted.as_ref().map_or(true, Requirements::has_own_list);
        let manager = self.manager;
        decide(&Facts { root, venv, stamp, manager, has_own_list, wanted, is_as_left, alive }, mode)
    }

    /// Returns true if a set-up of ours has made it.
    fn was_made(&self) -> bool {
        matches!(&self.stamp, Some(Stamp::Made(made)) if made.venv == self.root)
    }

    /// Returns true if it can be used.
    pub(super) fn is_usable(&self) -> bool {
        matches!(self.state, VenvState::Whole(_))
    }

    /// Adds the command that fixes it; automatic only if `start` would do it, too.
    pub(super) fn mend(&self, examination: &Examination, finding: Finding) -> Finding {
        if let Some(obstacle) = project::obstacle(examination) {
            return finding.advice(format!("see to {obstacle} first, then run `pipulate setup`"));
        }
        let setup = |text: &str| Fix {
            automatic: self.is_done_by_start(),
            ..Fix::command(text, examination.pipulate(&["setup"]))
        };
        let stop = examination.typed("stop");
        finding.fix(match self.decide(Mode::Explicit, self.alive) {
            Plan::Refuse(Refusal::HomeIsAlive { .. }) => Fix::command(
                format!("it is not replaced under running services: run `{stop}`, then `pipulate setup`"),
                examination.pipulate(&["stop"]),
            ),
            Plan::Refuse(Refusal::Managed { manager }) => {
                Fix::command(format!("{manager}; install them with it"), manager.install_command())
            }
            Plan::Refuse(Refusal::BrokenAndNotOurs { .. } | Refusal::MovedAndNotOurs { .. }) => Fix::command(
                "make a new one; the old one is kept beside it, as it was not made by Pipulate",
                examination.pipulate(&["setup", "--recreate"]),
            ),
            Plan::Recreate { .. } => setup("make a new one; the old one is kept beside it"),
            Plan::Create => setup("make it"),
            Plan::Install { .. } | Plan::Keep { .. } => setup("install what the project asks for"),
        })
    }

    /// Returns true if a package is listed as installed, even if its files are incomplete.
    pub(super) fn has(&self, package: &str) -> bool {
        self.packages.names().contains(package)
    }

    /// Returns true if a package of the project's list is not installed.
    pub(super) fn lacks_some(&self) -> bool {
        let version = match &self.state {
            VenvState::Whole(venv) | VenvState::Moved { venv, .. } => venv.version,
            VenvState::Absent | VenvState::Broken { .. } => None,
        };
        self.wanted.as_ref().is_ok_and(|wanted| !missing(wanted, &self.root, version).is_empty())
    }

    /// Adds the command that installs missing packages; automatic only if we made the environment.
    pub(super) fn install(&self, examination: &Examination, finding: Finding) -> Finding {
        let ours = matches!(&self.stamp, Some(Stamp::Made(made)) if made.origin == Origin::Made);
        let mut finding = self.mend(examination, finding);
        if let Some(fix) = &mut finding.fix {
            fix.automatic |= ours && !self.alive && self.manager.is_none();
        }
        finding
    }

    /// Adds the command for a package that is listed but incomplete, which no installer repairs.
    pub(super) fn remake(&self, examination: &Examination, finding: Finding) -> Finding {
        let anew = "its files are not all there: make a new environment; the old one is kept beside it";
        finding.fix(if self.alive {
            let stop = examination.typed("stop");
            Fix::command(
                format!("{anew}: run `{stop}`, then `pipulate setup --recreate`"),
                examination.pipulate(&["stop"]),
            )
        } else {
            Fix::command(anew, examination.pipulate(&["setup", "--recreate"]))
        })
    }

    fn is_done_by_start(&self) -> bool {
        match self.decide(Mode::Automatic, self.alive) {
            Plan::Create | Plan::Install { .. } | Plan::Recreate { .. } => true,
            Plan::Keep { .. } | Plan::Refuse(_) => false,
        }
    }
}

/// Returns false for problems of the folder.
fn is_about_python(problem: &Breakage) -> bool {
    match problem {
        Breakage::DanglingInterpreter(_) | Breakage::HomeGone(_) | Breakage::OtherPython { .. } => true,
        Breakage::NotAVenv | Breakage::Conda(_) | Breakage::Unreadable(_) | Breakage::NoInterpreter => false,
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

/// Returns true if the home has a usable environment.
pub(super) fn runs(examination: &Examination) -> bool {
    Evidence::gather(examination).is_ok_and(|evidence| evidence.is_usable())
}

/// The version and the prefix of a Python; else why there is no answer.
pub(super) fn ask(python: &Path) -> Result<(Version, PathBuf), String> {
    let output = Command::new(python).args(["-I", "-c", WHO_ARE_YOU]).output(PATIENCE);
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
