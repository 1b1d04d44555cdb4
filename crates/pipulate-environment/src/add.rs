//! Adds packages: to the project's list, then to its environment.
//!
//! Packages that could not be installed are removed from the list again.

mod list;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use pipulate_store::error::StoreError;
use pipulate_store::files;

use crate::failure::{Cause, InstallFailure, classify, last_words};
use crate::installer::uv_project_command;
use crate::installer_kind::InstallerKind;
use crate::managers::Manager;
use crate::plan::{Drift, Mode};
use crate::requirements::{DEFAULT_PACKAGES, Requirements, RequirementsError, Source, check};
use crate::setup::{SetupError, SetupEvent, SetupReport, SetupRequest, SetupWarning, ensure, install_beside};
use crate::stamp::Stamp;
use crate::uv::{self, Uv};
use crate::venv::existing_python;

/// The result of adding packages.
#[derive(Debug)]
pub struct Added {
    /// The file that lists them now; if they could not be installed, the file that they were removed from.
    pub file: PathBuf,
    /// Those that were listed before.
    pub listed_before: Vec<String>,
    /// They could not be installed, and the list was restored.
    pub taken_back: bool,
    pub report: SetupReport,
}

/// The reason why no package was added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    #[error("{text:?} is not a package: {reason}")]
    NotAPackage { text: String, reason: String },
    #[error("{manager}")]
    Managed { manager: Manager },
    #[error("the Python that pipulate.toml names is managed by another tool: {}", .0.display())]
    Interpreter(PathBuf),
    #[error("the packages in {} are pinned with hashes", .0.display())]
    Hashed(PathBuf),
    #[error("uv is not available, and only uv can add to {}", .0.display())]
    NoUv(PathBuf),
    #[error(transparent)]
    Uv(#[from] InstallFailure),
    #[error(transparent)]
    Requirements(#[from] RequirementsError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Setup(#[from] SetupError),
}

/// Adds packages, such as `pandas` or `pandas>=2`, to the project's list, and installs them.
///
/// # Errors
/// No package was added, or there is no Python to add it to.
pub fn add(
    request: &SetupRequest<'_>,
    packages: &[String],
    on_event: &mut dyn FnMut(SetupEvent),
) -> Result<Added, AddError> {
    for text in packages {
        check(text).map_err(|reason| AddError::NotAPackage { text: text.clone(), reason })?;
    }
    if let Some(interpreter) = &request.python.interpreter {
        return Err(AddError::Interpreter(request.layout.inside(interpreter).to_path_buf()));
    }
    let wanted = Requirements::read(request.layout, request.python, request.jupyter, request.around)?;
    let manager = Manager::of(request.layout).filter(|manager| !manager.is_uv() && !wanted.has_own_list());
    if let Some(manager) = manager {
        return Err(AddError::Managed { manager });
    }
    let stamp = Stamp::read(request.layout);
    let (changed, listed_before) = write(request, &wanted, packages)?;
    let mut installed = ensure(&SetupRequest { mode: Mode::Explicit, ..*request }, on_event);
    if let Ok(report) = &mut installed
        && matches!(report.warning, Some(SetupWarning::Replaces(_)))
        && !wanted.is_locked()
        && install_beside(request, packages, on_event)?
    {
        // The other changes are older, and wait for a stop.
        report.warning = None;
        report.changed = true;
        report.drift.push(Drift::RequirementsChanged);
    }
    let has_failed = match &installed {
        Ok(report) => {
            matches!(report.warning, Some(SetupWarning::Install(_) | SetupWarning::Requirements(_)))
        }
        Err(_) => true,
    };
    let taken_back = has_failed && changed.iter().any(Change::is_one);
    if taken_back {
        changed.iter().try_for_each(Change::take_back)?;
        // The stamp is valid again: its requirements are restored, and nothing else was installed.
        if let Some(stamp @ Stamp::Made(_)) = stamp {
            stamp.write(request.layout)?;
        }
    }
    let file = changed.into_iter().next().map(|change| change.file).unwrap_or_default();
    Ok(Added { file, listed_before, taken_back, report: installed? })
}

/// Writes the packages to the project's list, which comes first in the result.
fn write(
    request: &SetupRequest<'_>,
    wanted: &Requirements,
    packages: &[String],
) -> Result<(Vec<Change>, Vec<String>), AddError> {
    match &wanted.source {
        Source::File(file) if wanted.hashed => Err(AddError::Hashed(file.clone())),
        Source::File(file) => {
            let change = Change::of(file)?;
            let refused = |reason: &str| RequirementsError { path: file.clone(), reason: reason.to_owned() };
            let before = change.before.clone().unwrap_or_default();
            let text = String::from_utf8(before).map_err(|_| refused("it is not UTF-8"))?;
            let (text, listed_before) = list::with(&text, packages, &wanted.names);
            change.write(&text)?;
            Ok((vec![change], listed_before))
        }
        Source::Default => {
            let change = Change::of(&request.layout.inside(&request.python.requirements))?;
            let defaults: String = DEFAULT_PACKAGES.map(|name| format!("{name}\n")).concat();
            let (text, listed_before) = list::with(&defaults, packages, &wanted.names);
            change.write(&text)?;
            Ok((vec![change], listed_before))
        }
        Source::Project { file, .. } => uv_add(request, file, "--frozen", packages),
        Source::UvLock { lock, .. } => {
            let file = lock.with_file_name("pyproject.toml");
            uv_add(request, &file, "--no-sync", packages)
        }
    }
}

/// Lets uv edit its own files.
fn uv_add(
    request: &SetupRequest<'_>,
    file: &Path,
    option: &str,
    packages: &[String],
) -> Result<(Vec<Change>, Vec<String>), AddError> {
    let changes = vec![Change::of(file)?, Change::of(&request.layout.inside("uv.lock"))?];
    let python = existing_python(request.layout, request.python);
    let uv = some_uv(request, python.as_deref()).ok_or_else(|| AddError::NoUv(file.to_owned()))?;
    let venv = request.layout.inside(&request.python.venv).to_path_buf();
    let command = uv_project_command(&uv, request.around, &venv).args(["add", "--quiet", option]);
    let command = match &python {
        Some(python) => command.arg("--python").arg(python),
        None => command,
    };
    let mut said = Vec::new();
    let ended = command
        .arg("--")
        .args(packages)
        .directory(request.layout.root().to_path_buf())
        .lines(|_, line| said.push(line.to_owned()));
    let cause = match ended {
        Ok(end) if end.success() => return Ok((changes, Vec::new())),
        Ok(_) => classify(&said.join("\n")).behind(request.around),
        Err(error) => {
            said.push(error.to_string());
            Cause::NotStarted
        }
    };
    Err(InstallFailure { installer: InstallerKind::Uv, cause, last_words: last_words(&said) }.into())
}

fn some_uv(request: &SetupRequest<'_>, python: Option<&Path>) -> Option<Uv> {
    uv::at_hand(request.around).or_else(|| uv::fetch(request.around, python?).ok())
}

/// A file with its previous contents.
struct Change {
    file: PathBuf,
    /// `None`: there was no file.
    before: Option<Vec<u8>>,
}

impl Change {
    fn of(file: &Path) -> Result<Self, StoreError> {
        // Through a link, its target is written.
        let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        match files::read_foreign(&file) {
            Ok(before) => Ok(Self { file, before: Some(before) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { file, before: None }),
            Err(error) => Err(StoreError::io("read", &file)(error)),
        }
    }

    fn is_one(&self) -> bool {
        files::read_foreign(&self.file).ok() != self.before
    }

    fn write(&self, text: &str) -> Result<(), StoreError> {
        if self.before.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        replace(&self.file, text.as_bytes()).map_err(StoreError::io("write", &self.file))
    }

    fn take_back(&self) -> Result<(), StoreError> {
        match &self.before {
            Some(before) => replace(&self.file, before).map_err(StoreError::io("write", &self.file)),
            None => files::remove(&self.file),
        }
    }
}

/// Replaces a user's file atomically, with its permissions.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let Ok(old) = fs::metadata(file) else { return fs::write(file, bytes) };
    let folder = file.parent().unwrap_or(Path::new("/"));
    let mut new = tempfile::Builder::new().prefix(".requirements.").tempfile_in(folder)?;
    io::Write::write_all(&mut new, bytes)?;
    new.as_file().set_permissions(old.permissions())?;
    new.persist(file).map(drop).map_err(|error| error.error)
}
