//! The facts of a set-up: the venv, the stamp, other managers, the requirements; and the
//! differences between them.

use std::path::{Path, PathBuf};

use crate::bare_words;
use crate::installer::missing;
use crate::managers::Manager;
use crate::plan::{Drift, Facts, Mode, Plan, decide};
use crate::pyproject::Pyproject;
use crate::python::named_program;
use crate::requirements::{Requirements, RequirementsError};
use crate::stamp::{Made, Stamp};
use crate::venv::{Packages, Venv, VenvState, inspect};
use crate::version::RequiresPython;

use super::{SetupError, SetupReport, SetupRequest};

/// The facts.
pub(super) struct Seen {
    pub(super) root: PathBuf,
    pub(super) venv: VenvState,
    packages: Packages,
    pub(super) stamp: Option<Stamp>,
    pub(super) manager: Option<Manager>,
    pub(super) wanted: Result<Requirements, RequirementsError>,
    /// `requires-python`, or why it can't be read.
    pub(super) required: Result<Option<RequiresPython>, String>,
}

impl Seen {
    pub(super) fn look(request: &SetupRequest<'_>) -> Self {
        let root = request.layout.inside(&request.python.venv).to_path_buf();
        Self {
            venv: inspect(&root),
            packages: Packages::below(&root),
            stamp: Stamp::read(request.layout),
            manager: Manager::of(request.layout),
            wanted: Requirements::read(request.layout, request.python, request.jupyter, request.around),
            required: Pyproject::of(request.layout).map(|pyproject| pyproject.requires_python),
            root,
        }
    }

    pub(super) fn plan(&self, request: &SetupRequest<'_>) -> Plan {
        let facts = Facts {
            root: &self.root,
            venv: &self.venv,
            stamp: self.stamp.as_ref(),
            manager: self.manager,
            has_own_list: self.wanted.as_ref().map_or(true, Requirements::has_own_list),
            wanted: self.wanted.as_ref().ok().map(|wanted| &wanted.fingerprint),
            is_as_left: is_as_left(self.stamp.as_ref(), &self.packages),
            alive: request.home_is_alive,
        };
        decide(&facts, request.mode)
    }

    /// The stamp, if it is about the existing venv.
    pub(super) fn stamped(&self) -> Option<&Made> {
        let there = usable(&self.venv)?;
        match &self.stamp {
            Some(Stamp::Made(made)) if made.identity.is_same(there.identity) => Some(made),
            Some(Stamp::Made(_) | Stamp::Making { .. }) | None => None,
        }
    }

    /// The differences that no plan includes.
    pub(super) fn own_drift(&self, request: &SetupRequest<'_>) -> Vec<Drift> {
        let mut drift = Vec::new();
        let Some(venv) = usable(&self.venv) else { return drift };
        if self.stamped().is_none()
            && !matches!(self.stamp, Some(Stamp::Making { .. }))
            && let Ok(wanted) = &self.wanted
        {
            let missing = missing(wanted, &self.root, venv.version);
            if !missing.is_empty() {
                match self.manager.filter(|manager| !manager.is_uv() && !wanted.has_own_list()) {
                    Some(manager) => drift.extend(lacks(manager, wanted, request.jupyter, missing)),
                    None => {
                        drift.push(Drift::NotOurs { missing });
                        drift.extend(self.manager.map(Drift::ManagedBy));
                    }
                }
            }
        }
        let version = self.stamped().map(|made| made.version).or(venv.version);
        if let (Ok(Some(required)), Some(has)) = (&self.required, version)
            && !required.is_met_by(has)
        {
            drift.push(Drift::PythonExcluded { has, required: required.clone() });
        }
        drift.extend(self.lacks_jupyterlab(request));
        let named =
            named_program(request.around, request.layout.root()).and_then(|named| named.canonicalize().ok());
        if let Some(named) = named.filter(|named| *named != venv.real_python && !stands_in(named)) {
            drift.push(Drift::OtherPythonNamed { has: venv.real_python.clone(), named });
        }
        drift
    }

    /// JupyterLab is wanted, and there is a reason why no set-up installs it.
    pub(super) fn lacks_jupyterlab(&self, request: &SetupRequest<'_>) -> Option<Drift> {
        let file = self.wanted.as_ref().ok()?.keeps_jupyterlab_out(request.jupyter)?;
        let is_there = Packages::below(&self.root).names().contains("jupyterlab");
        (!is_there).then(|| Drift::NoJupyterLab { file: file.to_owned() })
    }

    /// Returns true if a yes is all that is needed to fix the differences.
    fn takes_a_yes(&self, request: &SetupRequest<'_>, drift: &[Drift]) -> bool {
        let asked = SetupRequest { mode: Mode::Explicit, ..*request };
        let would_be_mended = || match self.plan(&asked) {
            Plan::Install { .. } | Plan::Recreate { .. } => true,
            Plan::Create | Plan::Keep { .. } | Plan::Refuse(_) => false,
        };
        request.mode == Mode::Automatic
            && !request.home_is_alive
            && drift.iter().any(Drift::is_of_packages)
            && would_be_mended()
    }

    /// The report of a set-up that had nothing to do, or may do nothing.
    pub(super) fn report(
        &self,
        request: &SetupRequest<'_>,
        mut drift: Vec<Drift>,
    ) -> Result<SetupReport, SetupError> {
        let Some(venv) = usable(&self.venv) else {
            return Err(SetupError::not_made(&self.root, "it is not there"));
        };
        drift.extend(self.own_drift(request));
        let stamped = self.stamped();
        let notes = match stamped {
            Some(_) => bare_words::write_all(&venv.root, request.layout.root(), request.programs),
            None => Vec::new(),
        };
        Ok(SetupReport {
            python: venv.python.clone(),
            version: stamped.map(|made| made.version).or(venv.version),
            packages: self.packages.names().len(),
            changed: false,
            installer: stamped.and_then(|made| Some(made.installed.as_ref()?.installer)),
            takes_a_yes: self.takes_a_yes(request, &drift),
            drift,
            gone: Vec::new(),
            notes,
            warning: None,
        })
    }
}

/// The packages missing from an environment that another tool manages.
pub(super) fn lacks(
    manager: Manager,
    wanted: &Requirements,
    jupyter: bool,
    missing: Vec<String>,
) -> impl Iterator<Item = Drift> {
    let (listed, needed) = wanted.listed_and_needed(missing, jupyter);
    let all = [(listed, true), (needed, false)].into_iter().filter(|(missing, _)| !missing.is_empty());
    all.map(move |(missing, is_listed)| Drift::ManagerLacks { manager, missing, is_listed })
}

pub(super) fn usable(venv: &VenvState) -> Option<&Venv> {
    match venv {
        VenvState::Whole(venv) | VenvState::Moved { venv, .. } => Some(venv),
        VenvState::Absent | VenvState::Broken { .. } => None,
    }
}

/// Returns true if the packages are those that the stamped set-up left: none was removed since.
pub(crate) fn is_as_left(stamp: Option<&Stamp>, packages: &Packages) -> bool {
    let installed = match stamp {
        Some(Stamp::Made(made)) => made.installed.as_ref(),
        Some(Stamp::Making { .. }) | None => None,
    };
    let left = installed.and_then(|installed| installed.listing.as_ref());
    left.is_some_and(|left| *left == packages.digest())
}

/// A version manager's shim runs another file than its own: it can't be compared.
fn stands_in(program: &Path) -> bool {
    !program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python"))
        || program.components().any(|part| part.as_os_str() == "shims")
}
