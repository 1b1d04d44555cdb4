//! Set-up: looks at what is there, decides, and does it.
//!
//! Nothing to do costs a few file reads and starts no process. Two set-ups of one project don't run
//! at once: the second waits, and then looks again. What was cut short is gone on with.

mod external;
mod lock;
mod make;
mod packages;

use std::path::{Path, PathBuf};

use pipulate_core::config::PythonConfig;
use pipulate_core::finding::Fix;
use pipulate_core::layout::Layout;
use pipulate_store::error::StoreError;
use pipulate_store::home;

use crate::bare_words;
use crate::failure::{Cause, InstallFailure, classify};
use crate::installer::InstallerKind;
use crate::plan::{Drift, Facts, Plan, Refusal, decide};
use crate::progress::InstallProgress;
use crate::python::{Problem, PythonError, Version, Why, named_program};
use crate::requirements::{Requirements, RequirementsError};
use crate::stamp::{Made, Stamp};
use crate::surroundings::Surroundings;
use crate::uv::{self, Uv};
use crate::venv::{Venv, VenvState, inspect, installed_packages, listing};

pub use crate::plan::Mode;

/// What a set-up is asked for.
#[derive(Debug, Clone, Copy)]
pub struct SetupRequest<'a> {
    pub layout: &'a Layout,
    pub python: &'a PythonConfig,
    /// Shown in the prompt of who activates the venv.
    pub project_name: &'a str,
    /// JupyterLab is one of the services, so it is needed even if nobody lists it.
    pub jupyter: bool,
    pub mode: Mode,
    /// A service of this home lives: nothing is installed then.
    pub home_is_alive: bool,
    /// Our own program, for the two bare words.
    pub program: &'a Path,
    pub around: &'a Surroundings,
}

/// What a set-up is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetupEvent {
    /// Another set-up of this project is at work.
    Waiting,
    PythonFound {
        python: PathBuf,
        version: Version,
        why: Why,
    },
    /// The venv that was there gives way.
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

/// What a set-up came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupReport {
    /// The Python that services run with.
    pub python: PathBuf,
    pub version: Option<Version>,
    /// How many packages are installed.
    pub packages: usize,
    /// Whether anything was made or installed.
    pub changed: bool,
    /// What installed last; `None` where nothing of ours did.
    pub installer: Option<InstallerKind>,
    /// What differs from what the project asks for, and was left so.
    pub drift: Vec<Drift>,
    /// Packages of the environment before, which is kept, that are not in the new one.
    pub gone: Vec<String>,
    /// What else is worth a line.
    pub notes: Vec<String>,
    /// The packages are not all there, but there is a Python: `start` can go on, `setup` has failed.
    pub warning: Option<SetupWarning>,
}

/// Why packages are missing after a set-up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupWarning {
    #[error(transparent)]
    Install(#[from] InstallFailure),
    #[error(transparent)]
    Requirements(#[from] RequirementsError),
}

impl SetupWarning {
    /// The end of what the installer said; nothing where none was started.
    pub fn last_words(&self) -> &[String] {
        match self {
            Self::Install(failure) => &failure.last_words,
            Self::Requirements(_) => &[],
        }
    }

    /// What mends it, most likely.
    pub fn fix(&self) -> Fix {
        match self {
            Self::Install(failure) => failure.cause.fix(),
            Self::Requirements(_) => Fix {
                text: "correct the file's name in pipulate.toml, or write the file".to_owned(),
                command: Vec::new(),
                automatic: false,
            },
        }
    }
}

/// Why there is no Python to go on with.
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
    #[error("{} is in the way: an old environment is to be kept under that name; move it away", .0.display())]
    OldInTheWay(PathBuf),
}

impl SetupError {
    /// What mends it, where the message doesn't say so itself.
    pub fn fix(&self) -> Option<Fix> {
        match self {
            Self::NotMade { cause, .. } => Some(cause.fix()),
            Self::Python(_)
            | Self::Interpreter { .. }
            | Self::Refused(_)
            | Self::Store(_)
            | Self::OldInTheWay(_) => None,
        }
    }

    /// Whether it might be made by something else.
    fn may_depend_on_the_installer(&self) -> bool {
        match self {
            Self::NotMade { cause, .. } => cause.may_depend_on_the_installer(),
            Self::Python(_)
            | Self::Interpreter { .. }
            | Self::Refused(_)
            | Self::Store(_)
            | Self::OldInTheWay(_) => false,
        }
    }

    fn not_made(venv: &Path, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::NotMade { venv: venv.to_owned(), cause: classify(&reason), reason }
    }
}

/// Makes sure that there is a Python environment with the project's packages, as far as the mode
/// allows.
///
/// # Errors
/// There is no usable Python in the end. Packages that can't be installed are a warning in the
/// report instead.
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
    // Whoever we waited for may have done it.
    let seen = Seen::look(request);
    let mut work = Work { request, on_event, notes: Vec::new(), uv: UvSearch::Open, kept: None };
    match seen.plan(request) {
        Plan::Keep { drift } => seen.report(request, drift),
        Plan::Refuse(refusal) => Err(refusal.into()),
        Plan::Create => {
            let made = work.make(&seen, None)?;
            work.install(&seen, made, true)
        }
        Plan::Recreate { old, why } => {
            let made = work.make(&seen, Some((old, why)))?;
            work.install(&seen, made, true)
        }
        Plan::Install { origin } => {
            let made = work.take_on(&seen, origin)?;
            work.install(&seen, made, false)
        }
    }
}

/// What differs from what the project asks for, found without changing anything or starting Python.
/// Empty also where no venv could be used at all; [`inspect`] tells more about that.
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
        Plan::Refuse(Refusal::HomeIsAlive { .. }) => match seen.venv {
            VenvState::Broken { problem, .. } => vec![Drift::VenvBroken(problem)],
            VenvState::Absent | VenvState::Whole(_) | VenvState::Moved { .. } => vec![Drift::VenvMissing],
        },
        Plan::Create | Plan::Install { .. } | Plan::Recreate { .. } => Vec::new(),
    }
}

/// A set-up at work, holding the lock.
struct Work<'a, 'b> {
    request: &'a SetupRequest<'a>,
    on_event: &'b mut dyn FnMut(SetupEvent),
    notes: Vec<String>,
    uv: UvSearch,
    /// Where the environment before is now.
    kept: Option<PathBuf>,
}

/// How far the search for uv got.
enum UvSearch {
    /// None is at hand; none was fetched yet.
    Open,
    Found(Uv),
    NotToBeHad,
}

impl UvSearch {
    fn at_hand(around: &Surroundings) -> Self {
        uv::at_hand(around).map_or(Self::Open, Self::Found)
    }

    fn found(&self) -> Option<&Uv> {
        match self {
            Self::Found(uv) => Some(uv),
            Self::Open | Self::NotToBeHad => None,
        }
    }
}

/// What is there.
struct Seen {
    root: PathBuf,
    venv: VenvState,
    stamp: Option<Stamp>,
    manager: Option<&'static str>,
    wanted: Result<Requirements, RequirementsError>,
}

/// Files that say that another package manager looks after the environment.
pub(crate) const MANAGERS: [&str; 7] = [
    "uv.lock",
    "poetry.lock",
    "pixi.lock",
    "environment.yml",
    "environment.yaml",
    "Pipfile.lock",
    "pdm.lock",
];

impl Seen {
    fn look(request: &SetupRequest<'_>) -> Self {
        let root = request.layout.inside(&request.python.venv).to_path_buf();
        Self {
            venv: inspect(&root),
            stamp: Stamp::read(&request.layout.setup_stamp()),
            manager: MANAGERS.into_iter().find(|name| request.layout.inside(name).exists()),
            wanted: Requirements::read(request.layout, request.python, request.jupyter),
            root,
        }
    }

    fn plan(&self, request: &SetupRequest<'_>) -> Plan {
        let facts = Facts {
            root: &self.root,
            venv: &self.venv,
            stamp: self.stamp.as_ref(),
            manager: self.manager,
            wanted: self.wanted.as_ref().ok().map(|wanted| &wanted.fingerprint),
            is_as_left: is_as_left(self.stamp.as_ref(), &self.root),
            alive: request.home_is_alive,
        };
        decide(&facts, request.mode)
    }

    /// The stamp, if it is about the venv that is there.
    fn stamped(&self) -> Option<&Made> {
        let there = usable(&self.venv)?;
        match &self.stamp {
            Some(Stamp::Made(made)) if made.identity == there.identity => Some(made),
            Some(Stamp::Made(_) | Stamp::Making { .. }) | None => None,
        }
    }

    /// What is wrong in the eyes of who made neither venv nor plan.
    fn own_drift(&self, request: &SetupRequest<'_>) -> Vec<Drift> {
        let mut drift = Vec::new();
        let Some(venv) = usable(&self.venv) else { return drift };
        if self.stamped().is_none()
            && !matches!(self.stamp, Some(Stamp::Making { .. }))
            && let Ok(wanted) = &self.wanted
        {
            let missing = missing(wanted, &venv.root);
            if !missing.is_empty() {
                drift.push(Drift::NotOurs { missing });
                drift.extend(self.manager.map(|file| Drift::ManagedBy { file }));
            }
        }
        let named =
            named_program(request.around, request.layout.root()).and_then(|named| named.canonicalize().ok());
        if let Some(named) = named.filter(|named| *named != venv.real_python && !stands_in(named)) {
            drift.push(Drift::OtherPythonNamed { has: venv.real_python.clone(), named });
        }
        drift
    }

    /// The report of a set-up that had nothing to do, or may do nothing.
    fn report(&self, request: &SetupRequest<'_>, mut drift: Vec<Drift>) -> Result<SetupReport, SetupError> {
        let Some(venv) = usable(&self.venv) else {
            return Err(SetupError::not_made(&self.root, "it is not there"));
        };
        drift.extend(self.own_drift(request));
        let stamped = self.stamped();
        let notes = match stamped {
            Some(_) => bare_words::write_all(&venv.root, request.layout.root(), request.program),
            None => Vec::new(),
        };
        Ok(SetupReport {
            python: venv.python.clone(),
            version: stamped.map(|made| made.version).or(venv.version),
            packages: installed_packages(&venv.root).len(),
            changed: false,
            installer: stamped.and_then(|made| Some(made.installed.as_ref()?.installer)),
            drift,
            gone: Vec::new(),
            notes,
            warning: None,
        })
    }
}

fn usable(venv: &VenvState) -> Option<&Venv> {
    match venv {
        VenvState::Whole(venv) | VenvState::Moved { venv, .. } => Some(venv),
        VenvState::Absent | VenvState::Broken { .. } => None,
    }
}

/// Whether the packages are those that the stamped set-up left: nothing was taken out since.
pub(crate) fn is_as_left(stamp: Option<&Stamp>, root: &Path) -> bool {
    let installed = match stamp {
        Some(Stamp::Made(made)) => made.installed.as_ref(),
        Some(Stamp::Making { .. }) | None => None,
    };
    let left = installed.and_then(|installed| installed.listing.as_ref());
    left.is_some_and(|left| *left == listing(root))
}

fn missing(wanted: &Requirements, prefix: &Path) -> Vec<String> {
    wanted.names.difference(&installed_packages(prefix)).cloned().collect()
}

/// A version manager's stand-in leads to another Python than its own name: it can't be compared.
fn stands_in(program: &Path) -> bool {
    !program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python"))
        || program.components().any(|part| part.as_os_str() == "shims")
}

#[cfg(test)]
mod tests;
