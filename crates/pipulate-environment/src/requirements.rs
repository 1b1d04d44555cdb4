//! The packages to install: `requirements.txt` with the files it includes, else the dependencies of
//! `pyproject.toml`, else the default four.
//!
//! The installers read requirements files themselves. We read them to notice changes, and
//! whether they list JupyterLab.

mod line;
mod markers;
pub(crate) mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use pep508_rs::MarkerTree;
use pipulate_core::config::PythonConfig;
use pipulate_core::layout::Layout;
use pipulate_store::files;
use sha2::{Digest, Sha256};

use crate::pyproject::Pyproject;
use crate::surroundings::Surroundings;
use crate::version::Version;
pub(crate) use line::{Asked, asked, check, without_comment};
use line::{Role, included};

/// Installed for a project without a list of its own.
pub(crate) const DEFAULT_PACKAGES: [&str; 4] = ["jupyterlab", "numpy", "python-fasthtml", "python-dotenv"];

/// The most included files, and their total size in bytes.
const MOST_FILES: usize = 100;
const LARGEST: u64 = 16 << 20;

const JUPYTERLAB: &str = "jupyterlab";
const UV_LOCK: &str = "uv.lock";

/// The packages that a project wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirements {
    pub source: Source,
    /// The normalized names of the listed packages, including those in included files.
    pub names: BTreeSet<String>,
    /// The packages with conditions, any of which suffices.
    conditions: BTreeMap<String, Vec<MarkerTree>>,
    pub fingerprint: Fingerprint,
    /// JupyterLab is wanted and not listed.
    add_jupyterlab: bool,
    /// Included files that are missing, as far as we can parse their names.
    pub not_there: Vec<PathBuf>,
    /// The file pins hashes, so no package without one can be installed with it.
    pub hashed: bool,
}

/// The place of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file that installers read.
    File(PathBuf),
    /// `[project] dependencies` of a `pyproject.toml`, in its order.
    Project { file: PathBuf, dependencies: Vec<String> },
    /// uv's lock file beside a `pyproject.toml` with these dependencies.
    UvLock { lock: PathBuf, dependencies: Vec<String> },
    /// None: [`DEFAULT_PACKAGES`].
    Default,
}

/// A digest of all requirements, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(pub String);

/// A requirements file that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("could not read the requirements in {}: {reason}", .path.display())]
pub struct RequirementsError {
    pub path: PathBuf,
    pub reason: String,
}

impl Requirements {
    /// Reads the project's requirements. With `jupyter`, JupyterLab is added if it isn't listed.
    ///
    /// # Errors
    /// The file, or one that it includes, can't be read; or pipulate.toml names one that doesn't exist.
    pub(crate) fn read(
        layout: &Layout,
        config: &PythonConfig,
        jupyter: bool,
        around: &Surroundings,
    ) -> Result<Self, RequirementsError> {
        let source = Self::source(layout, config)?;
        let mut reader = RequirementsReader::new(around);
        match &source {
            Source::File(path) => reader.read(path, Role::Requirements)?,
            Source::Project { dependencies, .. } => reader.take(dependencies),
            Source::UvLock { lock, dependencies } => {
                reader.take(dependencies);
                reader.bytes(lock)?;
            }
            Source::Default => reader.names.extend(DEFAULT_PACKAGES.map(str::to_owned)),
        }
        let is_default = source == Source::Default;
        let add_jupyterlab = !is_default && jupyter && !reader.names.contains(JUPYTERLAB) && !reader.hashed;
        if add_jupyterlab {
            reader.names.insert(JUPYTERLAB.to_owned());
        }
        reader.digest.update(if add_jupyterlab { b"+".as_slice() } else { b"=" });
        let names = reader.names.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
        reader.digest.update(names);
        let fingerprint = Fingerprint(hex(&reader.digest.finalize()));
        let mut conditions = reader.conditions;
        conditions.retain(|name, _| !reader.unconditional.contains(name));
        Ok(Self {
            source,
            names: reader.names,
            conditions,
            fingerprint,
            add_jupyterlab,
            not_there: reader.not_there,
            hashed: reader.hashed,
        })
    }

    fn source(layout: &Layout, config: &PythonConfig) -> Result<Source, RequirementsError> {
        let path = layout.inside(&config.requirements).to_path_buf();
        let lock = layout.inside(UV_LOCK).to_path_buf();
        if config.requirements_named || (path.exists() && !lock.exists()) {
            return Ok(Source::File(path));
        }
        let file = layout.inside("pyproject.toml").to_path_buf();
        let pyproject =
            Pyproject::of(layout).map_err(|reason| RequirementsError { path: file.clone(), reason })?;
        if pyproject.is_project && lock.exists() {
            return Ok(Source::UvLock { lock, dependencies: pyproject.dependencies.unwrap_or_default() });
        }
        if path.exists() {
            return Ok(Source::File(path));
        }
        Ok(pyproject
            .dependencies
            .map_or(Source::Default, |dependencies| Source::Project { file, dependencies }))
    }

    /// The installer arguments for them, the same for uv and pip.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = match &self.source {
            Source::File(file) => vec!["-r".into(), file.into()],
            Source::Project { dependencies, .. } => dependencies.iter().map(OsString::from).collect(),
            // These come from the lock file; see the installer.
            Source::UvLock { .. } => Vec::new(),
            Source::Default => DEFAULT_PACKAGES.map(OsString::from).into(),
        };
        if self.add_jupyterlab && !self.is_locked() {
            arguments.push(JUPYTERLAB.into());
        }
        arguments
    }

    /// Returns true if uv's lock file lists the packages to install.
    pub(crate) fn is_locked(&self) -> bool {
        matches!(self.source, Source::UvLock { .. })
    }

    /// Returns true if the project lists its packages in a file that one of our installers reads.
    pub(crate) fn has_own_list(&self) -> bool {
        matches!(self.source, Source::File(_) | Source::UvLock { .. })
    }

    /// JupyterLab, if a lock file doesn't have it: it is installed in addition.
    pub(crate) fn jupyterlab_beside(&self) -> Option<Self> {
        if !self.is_locked() {
            return None;
        }
        self.add_jupyterlab.then(|| self.only(&[JUPYTERLAB.to_owned()]))
    }

    /// These packages alone, without the project's other requirements.
    pub(crate) fn only(&self, packages: &[String]) -> Self {
        let names = packages.iter().filter_map(|package| Some(asked(package)?.name)).collect();
        let file = PathBuf::new();
        Self {
            source: Source::Project { file, dependencies: packages.to_vec() },
            names,
            conditions: BTreeMap::new(),
            add_jupyterlab: false,
            ..self.clone()
        }
    }

    /// The file that pins hashes and does not list the wanted JupyterLab.
    pub(crate) fn keeps_jupyterlab_out(&self, jupyter: bool) -> Option<&Path> {
        match &self.source {
            Source::File(file) if jupyter && self.hashed && !self.names.contains(JUPYTERLAB) => Some(file),
            Source::File(_) | Source::Project { .. } | Source::UvLock { .. } | Source::Default => None,
        }
    }

    /// The packages required in an environment with that version on this machine. Without a version, those
    /// without a condition.
    pub(crate) fn names_for(&self, version: Option<Version>) -> BTreeSet<String> {
        let applies = |name: &&String| match (self.conditions.get(*name), version) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(conditions), Some(version)) => markers::any_is_met(conditions, version),
        };
        self.names.iter().filter(applies).cloned().collect()
    }

    /// Splits missing packages into those that the project lists and others that are needed. For a project of
    /// another tool, the default packages are neither, except JupyterLab.
    pub(crate) fn listed_and_needed(
        &self,
        missing: Vec<String>,
        jupyter: bool,
    ) -> (Vec<String>, Vec<String>) {
        let (lab, others): (Vec<String>, Vec<String>) =
            missing.into_iter().partition(|name| name == JUPYTERLAB && jupyter);
        match &self.source {
            Source::Default => (Vec::new(), lab),
            Source::Project { .. } if self.add_jupyterlab => (others, lab),
            Source::Project { .. } => ([others, lab].concat(), Vec::new()),
            Source::File(_) | Source::UvLock { .. } => (Vec::new(), [others, lab].concat()),
        }
    }

    /// The number of packages required by name, without their dependencies.
    pub(crate) fn count(&self) -> usize {
        self.names.len()
    }
}

struct RequirementsReader<'a> {
    around: &'a Surroundings,
    names: BTreeSet<String>,
    unconditional: BTreeSet<String>,
    conditions: BTreeMap<String, Vec<MarkerTree>>,
    hashed: bool,
    not_there: Vec<PathBuf>,
    digest: Sha256,
    seen: BTreeSet<PathBuf>,
    /// Of all files, in bytes.
    size: u64,
}

impl<'a> RequirementsReader<'a> {
    fn new(around: &'a Surroundings) -> Self {
        Self {
            around,
            names: BTreeSet::new(),
            unconditional: BTreeSet::new(),
            conditions: BTreeMap::new(),
            hashed: false,
            not_there: Vec::new(),
            digest: Sha256::new(),
            seen: BTreeSet::new(),
            size: 0,
        }
    }

    fn read(&mut self, path: &Path, role: Role) -> Result<(), RequirementsError> {
        if !self.seen.insert(path.to_owned()) {
            return Ok(());
        }
        let refused = |reason: String| RequirementsError { path: path.to_owned(), reason };
        if self.seen.len() > MOST_FILES {
            return Err(refused(format!("more than {MOST_FILES} files are included")));
        }
        let bytes = self.bytes(path)?;
        let text = text::decoded(&bytes).replace("\\\r\n", " ").replace("\\\n", " ");
        for line in text.lines() {
            self.line(line, path, role)?;
        }
        Ok(())
    }

    /// Reads a file, which counts for the digest.
    fn bytes(&mut self, path: &Path) -> Result<Vec<u8>, RequirementsError> {
        let bytes = files::read_foreign_within(path, LARGEST - self.size).map_err(|error| {
            let reason = match error.kind() {
                ErrorKind::FileTooLarge => {
                    format!("it is larger than {} MiB, with what it includes", LARGEST >> 20)
                }
                _ => error.to_string(),
            };
            RequirementsError { path: path.to_owned(), reason }
        })?;
        self.size += bytes.len() as u64;
        self.digest.update(bytes.len().to_le_bytes());
        self.digest.update(&bytes);
        Ok(bytes)
    }

    fn take(&mut self, dependencies: &[String]) {
        for dependency in dependencies {
            self.digest.update(dependency.len().to_le_bytes());
            self.digest.update(dependency);
            self.ask(asked(dependency.trim()));
        }
    }

    fn line(&mut self, line: &str, file: &Path, role: Role) -> Result<(), RequirementsError> {
        let line = without_comment(line).trim();
        self.hashed |= line.contains("--hash=") || line == "--require-hashes";
        if let Some((included, role)) = included(line, role, self.around) {
            let path = file.parent().unwrap_or(Path::new("/")).join(&included);
            // Files at an address, and missing files, are left to the installer, which may
            // parse the name differently.
            if included.contains("://") {
                return Ok(());
            }
            if path.symlink_metadata().is_err() {
                self.not_there.push(path);
                return Ok(());
            }
            return self.read(&path, role);
        }
        if role == Role::Requirements {
            self.ask(asked(line));
        }
        Ok(())
    }

    fn ask(&mut self, asked: Option<Asked>) {
        let Some(Asked { name, marker }) = asked else { return };
        self.names.insert(name.clone());
        match marker {
            Some(marker) => self.conditions.entry(name).or_default().push(marker),
            None => drop(self.unconditional.insert(name)),
        }
    }
}

/// `Python_DotEnv` and `python-dotenv` are one package.
pub(crate) fn normalized_name(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            c => normal.push(c.to_ascii_lowercase()),
        }
    }
    normal
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
