//! Decides what a set-up will do, from facts alone.
//!
//! The law of this file: environments that we did not make are only changed on request, and no package that a
//! running service may have loaded is replaced; packages may be added beside it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::managers::Manager;
use crate::requirements::Fingerprint;
use crate::stamp::{Installed, Made, Origin, Stamp};
use crate::venv::{Breakage, VenvIdentity, VenvState};
use crate::version::{RequiresPython, Version};

/// The kind of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `start`: do the necessary work on our own environment.
    Automatic,
    /// `setup`: install, also into an environment that we did not make, and packages that
    /// were removed from it.
    Explicit,
    /// `setup --recreate`: make a new environment, and keep the old one.
    Recreate,
}

/// The input of the decision.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The path of the venv, existing or not.
    pub root: &'a Path,
    pub venv: &'a VenvState,
    pub stamp: Option<&'a Stamp>,
    /// Another tool that manages the project's packages.
    pub manager: Option<Manager>,
    /// The project lists its packages in a file that one of our installers reads.
    pub has_own_list: bool,
    /// `None`: the requirements can't be read.
    pub wanted: Option<&'a Fingerprint>,
    /// The packages are those that the stamped set-up left.
    pub is_as_left: bool,
    /// A running service of this home may have loaded packages.
    pub alive: bool,
}

/// The planned work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// No work. Differences are reported.
    Keep { drift: Vec<Drift> },
    /// Create a venv where there is none.
    Create,
    /// Install the packages; with `only_adds` without replacing any, because a service may have loaded it.
    Install { origin: Origin, only_adds: bool },
    /// Replace the venv with a new one.
    Recreate { old: Old, why: Option<Drift> },
    /// No work, and there is no usable venv.
    Refuse(Refusal),
}

/// The fate of the replaced venv.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Old {
    /// It becomes `.venv.old`.
    SetAside,
    /// It is our own unfinished set-up, and is removed.
    Remove,
}

/// A difference from the project's requirements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drift {
    /// The last set-up was interrupted or failed: packages are missing.
    Unfinished,
    RequirementsChanged,
    VenvMissing,
    VenvBroken(Breakage),
    VenvMoved {
        from: PathBuf,
    },
    /// We did not make the environment; it lacks these packages.
    NotOurs {
        missing: Vec<String>,
    },
    /// The configured interpreter is not ours to install into; it lacks these packages.
    InterpreterLacks {
        missing: Vec<String>,
    },
    /// The environment, which that tool manages, lacks these packages. `is_listed`: the
    /// tool's own list has them.
    ManagerLacks {
        manager: Manager,
        missing: Vec<String>,
        is_listed: bool,
    },
    /// Another tool manages the packages.
    ManagedBy(Manager),
    /// `requires-python` excludes the environment's Python.
    PythonExcluded {
        has: Version,
        required: RequiresPython,
    },
    /// JupyterLab is wanted and not listed, but can't be added: the list is pinned with hashes.
    NoJupyterLab {
        file: PathBuf,
    },
    /// `PIPULATE_PYTHON` names another Python than the venv's.
    OtherPythonNamed {
        has: PathBuf,
        named: PathBuf,
    },
}

impl Drift {
    /// Returns true if packages differ, which an explicit set-up would install.
    pub(crate) fn is_of_packages(&self) -> bool {
        match self {
            Self::Unfinished
            | Self::RequirementsChanged
            | Self::VenvMissing
            | Self::VenvBroken(_)
            | Self::VenvMoved { .. }
            | Self::NotOurs { .. } => true,
            Self::InterpreterLacks { .. }
            | Self::ManagerLacks { .. }
            | Self::ManagedBy(_)
            | Self::PythonExcluded { .. }
            | Self::NoJupyterLab { .. }
            | Self::OtherPythonNamed { .. } => false,
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfinished => f.write_str("not all packages are installed; run `pipulate setup`"),
            Self::RequirementsChanged => f.write_str("the requirements changed; run `pipulate setup`"),
            Self::VenvMissing => f.write_str("there is no Python environment yet; run `pipulate setup`"),
            Self::VenvBroken(problem) => write!(f, "the Python environment is broken: {problem}"),
            Self::VenvMoved { from } => write!(
                f,
                "the Python environment was made for {}; its programs won't start from here; run `pipulate setup \
                 --recreate`",
                from.display()
            ),
            Self::NotOurs { missing } => write!(
                f,
                "the Python environment was not created by Pipulate and was not changed; it lacks {}; `pipulate \
                 setup` installs what is missing",
                missing.join(", ")
            ),
            Self::InterpreterLacks { missing } => write!(
                f,
                "the Python that pipulate.toml names lacks {}; install them with the tool that manages it (conda \
                 install, pixi add, …)",
                missing.join(", ")
            ),
            Self::ManagerLacks { manager, missing, is_listed } => write!(
                f,
                "the Python environment lacks {}, and {manager}; {} what is missing with: {}",
                missing.join(", "),
                if *is_listed { "install" } else { "add" },
                manager.command_for(missing, *is_listed).join(" ")
            ),
            Self::ManagedBy(manager) if manager.is_uv() => {
                write!(f, "{manager}; to update them, run `uv sync` or `pipulate setup`")
            }
            Self::ManagedBy(manager) => {
                write!(f, "{manager}; to update them, run `{}`", manager.install_command().join(" "))
            }
            Self::PythonExcluded { has, required } => write!(
                f,
                "the Python environment has Python {has}, and pyproject.toml requires {required}; run `pipulate \
                 setup --recreate`"
            ),
            Self::NoJupyterLab { file } => write!(
                f,
                "jupyterlab is not in {} and was not installed, because the packages there are pinned with \
                 hashes; add it with `uv pip compile --generate-hashes`, or switch JupyterLab off with enabled = \
                 false under [services.jupyter] in pipulate.toml",
                file.display()
            ),
            Self::OtherPythonNamed { has, named } => write!(
                f,
                "the Python environment uses {}, PIPULATE_PYTHON names {}; run `pipulate setup --recreate` to change",
                has.display(),
                named.display()
            ),
        }
    }
}

/// The reason for not doing necessary work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("services of this project are running, and their Python environment is not replaced ({what})")]
    HomeIsAlive { what: String },
    #[error("{manager}")]
    Managed { manager: Manager },
    #[error(
        "{} can't be used: {problem}; it was not created by Pipulate and was not changed; run `pipulate setup \
         --recreate` to make a new one (the old one is kept)", .root.display()
    )]
    BrokenAndNotOurs { root: PathBuf, problem: Breakage },
    #[error(
        "{} was made for another folder ({}); it was not created by Pipulate and was not changed; run `pipulate \
         setup --recreate` to make a new one (the old one is kept)", .root.display(), .from.display()
    )]
    MovedAndNotOurs { root: PathBuf, from: PathBuf },
}

/// The owner of the venv.
enum Owner<'a> {
    /// We began it and were interrupted.
    Begun,
    Stamped(&'a Made),
    Foreign,
}

/// Decides what a set-up does.
pub fn decide(facts: &Facts<'_>, mode: Mode) -> Plan {
    let plan = match mode {
        Mode::Automatic => automatic(facts),
        Mode::Explicit => explicit(facts),
        Mode::Recreate => recreate(facts),
    };
    let plan = left_to_the_manager(facts, mode, plan);
    if facts.alive { in_a_living_home(facts, mode, plan) } else { plan }
}

/// Leaves the packages to the tool that manages them, if no list that we read has them.
fn left_to_the_manager(facts: &Facts<'_>, mode: Mode, plan: Plan) -> Plan {
    let Some(manager) = facts.manager.filter(|_| !facts.has_own_list) else { return plan };
    match plan {
        // `setup --recreate` replaces the existing environment with one of ours.
        plan if mode == Mode::Recreate => plan,
        Plan::Create => Plan::Refuse(Refusal::Managed { manager }),
        // The tool made it; missing packages are reported with the tool's command.
        Plan::Install { .. } if matches!(owner(facts), Owner::Foreign) => Plan::Keep { drift: Vec::new() },
        Plan::Install { .. } => Plan::Refuse(Refusal::Managed { manager }),
        plan @ (Plan::Keep { .. } | Plan::Recreate { .. } | Plan::Refuse(_)) => plan,
    }
}

fn automatic(facts: &Facts<'_>) -> Plan {
    match (facts.venv, owner(facts)) {
        (VenvState::Absent, Owner::Begun | Owner::Stamped(_) | Owner::Foreign) => Plan::Create,
        (VenvState::Whole(_), Owner::Begun) => install(Origin::Made),
        (VenvState::Whole(_), Owner::Foreign) => Plan::Keep { drift: Vec::new() },
        (VenvState::Whole(_), Owner::Stamped(made)) => {
            match (drift_of(made.installed.as_ref(), facts), facts.manager) {
                (None, _) => Plan::Keep { drift: Vec::new() },
                // An environment that never got its packages is not managed by the tool yet.
                (Some(drift), Some(manager))
                    if drift != Drift::Unfinished || made.origin == Origin::Adopted =>
                {
                    Plan::Keep { drift: vec![drift, Drift::ManagedBy(manager)] }
                }
                (Some(_), Some(_) | None) => install(made.origin),
            }
        }
        (VenvState::Moved { .. } | VenvState::Broken { .. }, Owner::Begun) => {
            Plan::Recreate { old: Old::Remove, why: None }
        }
        (VenvState::Moved { from, .. }, Owner::Stamped(made)) if may_remake(made, facts) => {
            Plan::Recreate { old: Old::SetAside, why: Some(Drift::VenvMoved { from: from.clone() }) }
        }
        (VenvState::Moved { from, .. }, Owner::Stamped(_) | Owner::Foreign) => {
            Plan::Keep { drift: vec![Drift::VenvMoved { from: from.clone() }] }
        }
        (VenvState::Broken { problem, .. }, Owner::Stamped(made)) if may_remake(made, facts) => {
            Plan::Recreate { old: Old::SetAside, why: Some(Drift::VenvBroken(problem.clone())) }
        }
        (VenvState::Broken { problem, .. }, Owner::Stamped(_) | Owner::Foreign) => broken(facts, problem),
    }
}

fn explicit(facts: &Facts<'_>) -> Plan {
    match (facts.venv, owner(facts)) {
        (VenvState::Whole(_), Owner::Foreign) => install(Origin::Adopted),
        (VenvState::Whole(_), Owner::Stamped(made)) => match drift_of(made.installed.as_ref(), facts) {
            None if facts.is_as_left => Plan::Keep { drift: Vec::new() },
            None | Some(_) => install(made.origin),
        },
        (VenvState::Moved { from, .. }, Owner::Foreign) => {
            Plan::Refuse(Refusal::MovedAndNotOurs { root: facts.root.to_owned(), from: from.clone() })
        }
        (VenvState::Moved { from, .. }, Owner::Stamped(made)) => match made.origin {
            Origin::Made => {
                Plan::Recreate { old: Old::SetAside, why: Some(Drift::VenvMoved { from: from.clone() }) }
            }
            Origin::Adopted => {
                Plan::Refuse(Refusal::MovedAndNotOurs { root: facts.root.to_owned(), from: from.clone() })
            }
        },
        (VenvState::Broken { problem, .. }, Owner::Stamped(Made { origin: Origin::Made, .. })) => {
            Plan::Recreate { old: Old::SetAside, why: Some(Drift::VenvBroken(problem.clone())) }
        }
        (VenvState::Broken { problem, .. }, Owner::Stamped(_) | Owner::Foreign) => broken(facts, problem),
        (
            VenvState::Absent | VenvState::Whole(_) | VenvState::Moved { .. } | VenvState::Broken { .. },
            Owner::Begun,
        )
        | (VenvState::Absent, Owner::Stamped(_) | Owner::Foreign) => automatic(facts),
    }
}

fn recreate(facts: &Facts<'_>) -> Plan {
    match (facts.venv, owner(facts)) {
        (VenvState::Absent, Owner::Begun | Owner::Stamped(_) | Owner::Foreign) => Plan::Create,
        (VenvState::Moved { .. } | VenvState::Broken { .. }, Owner::Begun) => {
            Plan::Recreate { old: Old::Remove, why: None }
        }
        (VenvState::Whole(_), Owner::Begun | Owner::Stamped(_) | Owner::Foreign)
        | (VenvState::Moved { .. } | VenvState::Broken { .. }, Owner::Stamped(_) | Owner::Foreign) => {
            Plan::Recreate { old: Old::SetAside, why: None }
        }
    }
}

fn install(origin: Origin) -> Plan {
    Plan::Install { origin, only_adds: false }
}

/// With running services that may have loaded packages, none is replaced. Missing ones are added on request,
/// and to an environment that never got its packages.
fn in_a_living_home(facts: &Facts<'_>, mode: Mode, plan: Plan) -> Plan {
    match plan {
        plan @ (Plan::Keep { .. } | Plan::Refuse(_) | Plan::Create) => plan,
        Plan::Install { origin, only_adds: _ } => {
            let adds = Plan::Install { origin, only_adds: true };
            match (mode, facts.stamp) {
                (Mode::Automatic, Some(Stamp::Made(made))) => {
                    match drift_of(made.installed.as_ref(), facts) {
                        Some(Drift::Unfinished) => adds,
                        drift => Plan::Keep { drift: drift.into_iter().collect() },
                    }
                }
                (Mode::Automatic | Mode::Explicit | Mode::Recreate, _) => adds,
            }
        }
        Plan::Recreate { why, .. } => {
            let what = why.as_ref().map_or("it would be replaced by a new one".to_owned(), Drift::to_string);
            match (mode, facts.venv, why) {
                (Mode::Automatic, VenvState::Whole(_) | VenvState::Moved { .. }, why) => {
                    Plan::Keep { drift: vec![why.unwrap_or(Drift::Unfinished)] }
                }
                (Mode::Automatic | Mode::Explicit | Mode::Recreate, _, _) => {
                    Plan::Refuse(Refusal::HomeIsAlive { what })
                }
            }
        }
    }
}

fn owner<'a>(facts: &Facts<'a>) -> Owner<'a> {
    match facts.stamp {
        Some(Stamp::Making { venv }) if venv == facts.root => Owner::Begun,
        Some(Stamp::Made(made)) if same_venv(made, facts) => Owner::Stamped(made),
        Some(Stamp::Making { .. } | Stamp::Made(_)) | None => Owner::Foreign,
    }
}

fn same_venv(made: &Made, facts: &Facts<'_>) -> bool {
    match identity(facts.venv) {
        Some(identity) => identity.is_same(made.identity),
        None => made.venv == facts.root,
    }
}

fn identity(venv: &VenvState) -> Option<VenvIdentity> {
    match venv {
        VenvState::Absent => None,
        VenvState::Whole(venv) | VenvState::Moved { venv, .. } => Some(venv.identity),
        VenvState::Broken { identity, .. } => *identity,
    }
}

fn may_remake(made: &Made, facts: &Facts<'_>) -> bool {
    made.origin == Origin::Made && facts.manager.is_none()
}

fn drift_of(installed: Option<&Installed>, facts: &Facts<'_>) -> Option<Drift> {
    match (installed, facts.wanted) {
        (None, _) => Some(Drift::Unfinished),
        // Unreadable requirements can't be compared; installing reports the error.
        (Some(_), None) => Some(Drift::RequirementsChanged),
        (Some(installed), Some(wanted)) => {
            (installed.requirements != *wanted).then_some(Drift::RequirementsChanged)
        }
    }
}

fn broken(facts: &Facts<'_>, problem: &Breakage) -> Plan {
    Plan::Refuse(Refusal::BrokenAndNotOurs { root: facts.root.to_owned(), problem: problem.clone() })
}

#[cfg(test)]
mod tests;
