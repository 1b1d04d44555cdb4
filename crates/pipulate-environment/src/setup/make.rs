//! Makes the venv, and handles the previous one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pipulate_process::command::Command;
use pipulate_store::error::StoreError;
use rustix::fs::statvfs;

use crate::failure::{Cause, classify, last_words};
use crate::installer::{Choice, choose, uv_command};
use crate::plan::{Drift, Old};
use crate::python::{Python, discover, examine};
use crate::requirements::Requirements;
use crate::stamp::{Made, Origin, Stamp};
use crate::uv::{self, Uv};
use crate::venv::{Venv, VenvState, inspect};
use crate::version::Version;

use super::seen::{Seen, usable};
use super::{SetupError, SetupEvent, UvSearch, Work};

/// Long enough for a slow disk to unpack pip.
const TIMEOUT: Duration = Duration::from_secs(600);

impl Work<'_, '_> {
    /// Makes the venv. If that fails, the previous one is restored.
    pub(super) fn make(
        &mut self,
        seen: &Seen,
        old: Option<(Old, Option<Drift>)>,
    ) -> Result<Made, SetupError> {
        let project = self.request.layout.root();
        let is_locked = seen.wanted.as_ref().is_ok_and(Requirements::is_locked);
        self.uv = match choose(self.request.around, project, &seen.root) {
            Choice::Pip { .. } | Choice::Neither { .. } if !is_locked => UvSearch::NotAvailable,
            Choice::Pip { .. } | Choice::Neither { .. } | Choice::Either | Choice::Uv { .. } => {
                UvSearch::at_hand(self.request.around)
            }
        };
        let required = seen.required.as_ref().map_err(|reason| SetupError::Pyproject(reason.clone()))?;
        let python = discover(self.request.around, project, self.uv.found().is_some(), required.as_ref())?;
        (self.on_event)(SetupEvent::PythonFound {
            python: python.program.clone(),
            version: python.version,
            why: python.why.clone(),
        });
        if python.has_pip {
            self.fetch_uv(&python.program);
        }
        self.kept = self.clear_the_place(&seen.root, old)?;
        let stamp = self.request.layout.setup_stamp();
        Stamp::Making { venv: seen.root.clone() }.write(self.request.layout)?;
        (self.on_event)(SetupEvent::MakingVenv { venv: seen.root.clone() });
        let made = self.create(&seen.root, &python).and_then(|venv| self.stamp_new(venv, python.version));
        if made.is_err() {
            put_back(&seen.root, self.kept.as_deref())?;
            match &seen.stamp {
                Some(before) => before.write(self.request.layout)?,
                None => pipulate_store::files::remove(&stamp)?,
            }
        }
        made
    }

    /// The existing venv, for installing into it.
    pub(super) fn take_on(&mut self, seen: &Seen, origin: Origin) -> Result<Made, SetupError> {
        if let Some(made) = seen.stamped() {
            return Ok(Made { venv: seen.root.clone(), ..made.clone() });
        }
        let not_made = |reason: String| SetupError::not_made(&seen.root, reason);
        let venv = usable(&seen.venv).ok_or_else(|| not_made("it is not there".to_owned()))?;
        let version = match venv.version {
            Some(version) => version,
            None => {
                let why = crate::python::Why::Variable;
                let python = examine(&venv.python, self.request.layout.root(), true, why);
                python.map_err(|problem| not_made(problem.to_string()))?.version
            }
        };
        Ok(made_of(venv, origin, version))
    }

    /// Downloads uv to the user's cache if none was found; without it the set-up is only slower.
    pub(super) fn fetch_uv(&mut self, python: &Path) {
        match self.uv {
            UvSearch::Open => {}
            UvSearch::Found(_) | UvSearch::NotAvailable => return,
        }
        (self.on_event)(SetupEvent::FetchingUv);
        match uv::fetch(self.request.around, python) {
            Ok(uv) => self.uv = UvSearch::Found(uv),
            Err(error) => {
                self.uv = UvSearch::NotAvailable;
                self.note(format!("uv is not available ({error})"));
            }
        }
    }

    pub(super) fn note(&mut self, note: String) {
        (self.on_event)(SetupEvent::Note(note.clone()));
        self.notes.push(note);
    }

    fn stamp_new(&self, venv: Venv, version: Version) -> Result<Made, SetupError> {
        let made = made_of(&venv, Origin::Made, version);
        Stamp::Made(made.clone()).write(self.request.layout)?;
        Ok(made)
    }

    /// Uses uv if available and able, else Python itself.
    fn create(&mut self, root: &Path, python: &Python) -> Result<Venv, SetupError> {
        if let Some(uv) = self.uv.found().cloned() {
            match self.run(root, self.with_uv(&uv, root, python)) {
                Ok(venv) => return Ok(venv),
                Err(error) if !python.has_ensurepip || !error.may_depend_on_the_installer() => {
                    return Err(error);
                }
                Err(error) => {
                    self.note(format!("{error} (with uv); trying with Python itself"));
                    remove_all(root)?;
                }
            }
        }
        self.run(root, self.with_python(root, python))
    }

    fn with_uv(&self, uv: &Uv, root: &Path, python: &Python) -> Command {
        uv_command(uv, self.request.around)
            .args(["venv", "--quiet", "--seed", "--prompt", self.request.project_name, "--python"])
            .arg(&python.program)
            .arg(root)
    }

    fn with_python(&self, root: &Path, python: &Python) -> Command {
        Command::new(&python.program)
            .args(["-m", "venv", "--prompt", self.request.project_name])
            .arg(root)
            .env_remove("PYTHONHOME")
            .env_remove("PYTHONPATH")
    }

    fn run(&self, root: &Path, command: Command) -> Result<Venv, SetupError> {
        let not_made = |reason: String| SetupError::not_made(root, reason);
        // Not in the project: a venv.py there would be run instead of the module.
        let folder = self.request.layout.state().to_path_buf();
        let output =
            command.directory(folder).output(TIMEOUT).map_err(|error| not_made(error.to_string()))?;
        if !output.end.success() {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            let words = last_words(&said.lines().collect::<Vec<_>>());
            let reason = if words.is_empty() { output.end.to_string() } else { words.join("\n") };
            let cause = cause_of(&said, root);
            return Err(SetupError::NotMade { venv: root.to_owned(), cause, reason });
        }
        match inspect(root) {
            VenvState::Whole(venv) | VenvState::Moved { venv, .. } => Ok(venv),
            VenvState::Absent => Err(not_made("nothing was created".to_owned())),
            VenvState::Broken { problem, .. } => Err(not_made(problem.to_string())),
        }
    }

    /// Moves or removes the existing venv; returns the path if it is kept.
    fn clear_the_place(
        &mut self,
        root: &Path,
        old: Option<(Old, Option<Drift>)>,
    ) -> Result<Option<PathBuf>, SetupError> {
        let Some((old, why)) = old else { return Ok(None) };
        let kept_as = match old {
            Old::Remove => {
                remove_all(root)?;
                None
            }
            Old::SetAside => Some(set_aside(root)?),
        };
        (self.on_event)(SetupEvent::Replacing { why, kept_as: kept_as.clone() });
        Ok(kept_as)
    }
}

/// The cause in the output; else, as Python doesn't report it, whether the disk is full now.
fn cause_of(said: &str, root: &Path) -> Cause {
    const NOTHING: u64 = 256 << 10;
    let disk = root.parent().and_then(|folder| statvfs(folder).ok());
    match classify(said) {
        Cause::Unknown if disk.is_some_and(|disk| disk.f_bavail * disk.f_frsize < NOTHING) => Cause::DiskFull,
        cause => cause,
    }
}

fn made_of(venv: &Venv, origin: Origin, version: Version) -> Made {
    Made {
        origin,
        venv: venv.root.clone(),
        identity: venv.identity,
        real_python: venv.real_python.clone(),
        version,
        installed: None,
    }
}

/// Renames the venv to `.venv.old`. Replaces an older venv there, but nothing else.
fn set_aside(root: &Path) -> Result<PathBuf, SetupError> {
    let mut name = root.file_name().unwrap_or_default().to_owned();
    name.push(".old");
    let kept = root.with_file_name(name);
    match inspect(&kept) {
        VenvState::Absent => {}
        VenvState::Whole(_) | VenvState::Moved { .. } | VenvState::Broken { identity: Some(_), .. } => {
            remove_all(&kept)?;
        }
        VenvState::Broken { identity: None, .. } => return Err(SetupError::OldInTheWay(kept)),
    }
    fs::rename(root, &kept).map_err(StoreError::io("set aside", root))?;
    Ok(kept)
}

fn put_back(root: &Path, kept: Option<&Path>) -> Result<(), SetupError> {
    remove_all(root)?;
    match kept {
        Some(kept) => Ok(fs::rename(kept, root).map_err(StoreError::io("put back", kept))?),
        None => Ok(()),
    }
}

/// Removes a folder and everything in it; of a link to a folder only the link. Missing is fine.
fn remove_all(path: &Path) -> Result<(), StoreError> {
    let removed = match path.symlink_metadata() {
        Ok(data) if data.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
