//! Set-up: inspects the environment, decides, and acts.
//!
//! Without work it costs a few file reads and starts no process. Two set-ups of one project don't run at
//! once: the second waits, and then inspects again. An interrupted set-up is continued.

mod external;
mod lock;
mod make;
mod packages;
mod seen;

use std::path::{Path, PathBuf};

use pipulate_core::config::PythonConfig;
use pipulate_core::finding::Fix;
use pipulate_core::layout::Layout;
use pipulate_store::error::StoreError;
use pipulate_store::home;

use crate::failure::{Cause, InstallFailure, classify};
use crate::installer::Replacement;
use crate::installer_kind::InstallerKind;
use crate::plan::{Drift, Plan, Refusal};
use crate::progress::InstallProgress;
use crate::python::{Problem, PythonError, Why};
use crate::requirements::{Requirements, RequirementsError, normalized_name};
use crate::surroundings::Surroundings;
use crate::uv::{self, Uv};
use crate::venv::VenvState;
use crate::version::Version;

use packages::How;
use seen::Seen;

pub use crate::plan::Mode;
pub(crate) use seen::is_as_left;

/// The input of a set-up.
#[derive(Debug, Clone, Copy)]
pub struct SetupRequest<'a> {
    pub layout: &'a Layout,
    pub python: &'a PythonConfig,
    /// Shown in the prompt of an activated venv.
    pub project_name: &'a str,
    /// JupyterLab is one of the services, so it is needed even if it isn't listed.
    pub jupyter: bool,
    pub mode: Mode,
    /// Whether to compile every installed file to bytecode now. Otherwise Python compiles each module at its first
    /// import, which is sooner for a `start` that waits for services.
    pub compile: bool,
    /// A running service of this home may have loaded packages: none is replaced then.
    pub home_is_alive: bool,
    /// Our own program, for the two bare words: the first of these files that exists.
    pub programs: &'a [PathBuf],
    pub around: &'a Surroundings,
}

/// The progress of a set-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetupEvent {
    /// Another set-up of this project is running.
    Waiting,
    PythonFound {
        python: PathBuf,
        version: Version,
        why: Why,
    },
    /// The existing venv is replaced.
    Replacing {
        why: Option<Drift>,
        kept_as: Option<PathBuf>,
    },
    MakingVenv {
        venv: PathBuf,
    },
    FetchingUv,
    Installing {
        installer: InstallerKind,
        packages: usize,
    },
    Progress(InstallProgress),
    /// Something worth a line, such as a second installer being tried.
    Note(String),
}

/// The result of a set-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupReport {
    /// The Python that services run with.
    pub python: PathBuf,
    pub version: Option<Version>,
    /// The number of installed packages.
    pub packages: usize,
    /// True if anything was created or installed.
    pub changed: bool,
    /// The last installer; `None` if none of ours installed anything.
    pub installer: Option<InstallerKind>,
    /// The remaining differences from the project's requirements.
    pub drift: Vec<Drift>,
    /// An explicit set-up would fix that: it only needs the user's yes.
    pub takes_a_yes: bool,
    /// Packages of the previous environment, which is kept, that are not in the new one.
    pub gone: Vec<String>,
    /// Other notes.
    pub notes: Vec<String>,
    /// Packages are missing, but there is a Python: `start` can continue, `setup` has failed.
    pub warning: Option<SetupWarning>,
}

/// The reason why packages are missing after a set-up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupWarning {
    #[error(transparent)]
    Install(#[from] InstallFailure),
    #[error(transparent)]
    Requirements(#[from] RequirementsError),
    /// Running services may have loaded these.
    #[error("running services may be using what would be replaced: {}", listed(.0))]
    Replaces(Vec<Replacement>),
}

fn listed(replaced: &[Replacement]) -> String {
    replaced.iter().map(Replacement::to_string).collect::<Vec<_>>().join(", ")
}

impl SetupWarning {
    /// The end of the installer's output; empty if none was started.
    pub fn last_words(&self) -> &[String] {
        match self {
            Self::Install(failure) => &failure.last_words,
            Self::Requirements(_) | Self::Replaces(_) => &[],
        }
    }

    /// The most likely remedy.
    pub fn fix(&self) -> Fix {
        match self {
            Self::Install(failure) => failure.cause.fix(),
            Self::Requirements(_) => {
                Fix::advice("correct the file's name in pipulate.toml, or write the file")
            }
            Self::Replaces(_) => Fix::advice("run `pipulate stop`, then `pipulate setup`"),
        }
    }
}

/// The reason why there is no usable Python.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error(transparent)]
    Python(#[from] PythonError),
    #[error("pipulate.toml names the interpreter {}, but {problem}; correct [python] interpreter", .program.display())]
    Interpreter { program: PathBuf, problem: Problem },
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("could not make the Python environment {}: {reason}", .venv.display())]
    NotMade { venv: PathBuf, cause: Cause, reason: String },
    #[error("could not read pyproject.toml: {0}")]
    Pyproject(String),
    #[error("{} is in the way: an old environment is to be kept under that name; move it away", .0.display())]
    OldInTheWay(PathBuf),
}

impl SetupError {
    /// The remedy, unless the message has it.
    pub fn fix(&self) -> Option<Fix> {
        match self {
            Self::NotMade { cause, .. } => Some(cause.fix()),
            Self::Python(_)
            | Self::Interpreter { .. }
            | Self::Refused(_)
            | Self::Store(_)
            | Self::Pyproject(_)
            | Self::OldInTheWay(_) => None,
        }
    }

    /// Returns true if another installer might succeed.
    fn may_depend_on_the_installer(&self) -> bool {
        match self {
            // Python's own module needs no index.
            Self::NotMade { cause, .. } => cause.may_depend_on_the_installer() || cause.is_about_an_index(),
            Self::Python(_)
            | Self::Interpreter { .. }
            | Self::Refused(_)
            | Self::Store(_)
            | Self::Pyproject(_)
            | Self::OldInTheWay(_) => false,
        }
    }

    fn not_made(venv: &Path, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::NotMade { venv: venv.to_owned(), cause: classify(&reason), reason }
    }
}

/// Ensures that there is a Python environment with the project's packages, as far as the mode allows.
///
/// # Errors
/// There is no usable Python in the end. Packages that can't be installed are a warning in
/// the report instead.
pub fn ensure(
    request: &SetupRequest<'_>,
    on_event: &mut dyn FnMut(SetupEvent),
) -> Result<SetupReport, SetupError> {
    if let Some(interpreter) = &request.python.interpreter {
        return external::examine(request, interpreter);
    }
    let seen = Seen::look(request);
    match seen.plan(request) {
        Plan::Keep { drift } => return seen.report(request, drift),
        Plan::Refuse(refusal) => return Err(refusal.into()),
        Plan::Create | Plan::Install { .. } | Plan::Recreate { .. } => {}
    }
    home::ensure(request.layout)?;
    let _held = lock::hold(request.layout, || on_event(SetupEvent::Waiting))?;
    // The set-up that held the lock may have done it.
    let seen = Seen::look(request);
    let mut work = Work { request, on_event, notes: Vec::new(), uv: UvSearch::Open, kept: None };
    match seen.plan(request) {
        Plan::Keep { drift } => seen.report(request, drift),
        Plan::Refuse(refusal) => Err(refusal.into()),
        Plan::Create => {
            let made = work.make(&seen, None)?;
            work.install(&seen, made, How::IntoNew)
        }
        Plan::Recreate { old, why } => {
            let made = work.make(&seen, Some((old, why)))?;
            work.install(&seen, made, How::IntoNew)
        }
        Plan::Install { origin, only_adds } => {
            let made = work.take_on(&seen, origin)?;
            work.install(&seen, made, if only_adds { How::OnlyAdding } else { How::IntoExisting })
        }
    }
}

/// Installs packages into the environment of a home in use without the rest of the project's list, if that
/// replaces none; returns true if it did.
pub(crate) fn install_beside(
    request: &SetupRequest<'_>,
    packages: &[String],
    on_event: &mut dyn FnMut(SetupEvent),
) -> Result<bool, SetupError> {
    let _held = lock::hold(request.layout, || on_event(SetupEvent::Waiting))?;
    let seen = Seen::look(request);
    let mut work = Work { request, on_event, notes: Vec::new(), uv: UvSearch::Open, kept: None };
    Ok(work.install_beside(&seen, packages))
}

/// Returns the plan of a set-up, without changing anything or starting Python.
pub fn preview(request: &SetupRequest<'_>) -> Plan {
    match request.python.interpreter {
        Some(_) => Plan::Keep { drift: Vec::new() },
        None => Seen::look(request).plan(request),
    }
}

/// Returns true if the project's requirements include this package.
pub fn lists(request: &SetupRequest<'_>, package: &str) -> bool {
    let wanted = Requirements::read(request.layout, request.python, request.jupyter, request.around);
    wanted.is_ok_and(|wanted| wanted.names.contains(&normalized_name(package)))
}

/// The differences from the project's requirements, without changing anything or starting Python. Also empty
/// if there can be no usable venv, which [`crate::venv::inspect`] explains.
pub fn drift(request: &SetupRequest<'_>) -> Vec<Drift> {
    if let Some(interpreter) = &request.python.interpreter {
        return external::drift(request, interpreter);
    }
    let seen = Seen::look(request);
    let asked = SetupRequest { mode: Mode::Automatic, home_is_alive: true, ..*request };
    match seen.plan(&asked) {
        Plan::Keep { mut drift } => {
            drift.extend(seen.own_drift(request));
            drift
        }
        Plan::Refuse(Refusal::BrokenAndNotOurs { problem, .. }) => vec![Drift::VenvBroken(problem)],
        Plan::Refuse(Refusal::MovedAndNotOurs { from, .. }) => vec![Drift::VenvMoved { from }],
        Plan::Refuse(Refusal::Managed { manager }) => vec![Drift::ManagedBy(manager)],
        Plan::Create | Plan::Recreate { .. } | Plan::Refuse(Refusal::HomeIsAlive { .. }) => match seen.venv {
            VenvState::Broken { problem, .. } => vec![Drift::VenvBroken(problem)],
            VenvState::Absent | VenvState::Whole(_) | VenvState::Moved { .. } => vec![Drift::VenvMissing],
        },
        Plan::Install { .. } => vec![Drift::Unfinished],
    }
}

/// A running set-up, which holds the lock.
struct Work<'a, 'b> {
    request: &'a SetupRequest<'a>,
    on_event: &'b mut dyn FnMut(SetupEvent),
    notes: Vec<String>,
    uv: UvSearch,
    /// The path of the previous environment.
    kept: Option<PathBuf>,
}

/// The progress of the search for uv.
enum UvSearch {
    /// None is at hand; none was downloaded yet.
    Open,
    Found(Uv),
    NotAvailable,
}

impl UvSearch {
    fn at_hand(around: &Surroundings) -> Self {
        uv::at_hand(around).map_or(Self::Open, Self::Found)
    }

    fn found(&self) -> Option<&Uv> {
        match self {
            Self::Found(uv) => Some(uv),
            Self::Open | Self::NotAvailable => None,
        }
    }
}

#[cfg(test)]
mod tests;
