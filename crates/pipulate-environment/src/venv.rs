//! The venv on disk: its path, its state, its creation.
//!
//! The state is read from files and links alone, without starting Python.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use pipulate_core::config::PythonConfig;
use pipulate_core::layout::Layout;
use pipulate_store::error::StoreError;
use pipulate_store::files;
use pipulate_store::known;
use sha2::{Digest, Sha256};

use crate::requirements::{hex, normalized_name};
use crate::version::Version;

/// The Python that services run with, found without starting it: the configured interpreter, else the venv's.
/// `None` if there is neither.
pub fn existing_python(layout: &Layout, config: &PythonConfig) -> Option<PathBuf> {
    let python = python_path(layout, config);
    python.is_file().then_some(python)
}

/// The folder of that Python and of its programs, existing or not.
pub fn bin_dir(layout: &Layout, config: &PythonConfig) -> PathBuf {
    let python = python_path(layout, config);
    python.parent().map_or_else(|| layout.root().to_path_buf(), Path::to_path_buf)
}

fn python_path(layout: &Layout, config: &PythonConfig) -> PathBuf {
    match &config.interpreter {
        Some(interpreter) => layout.inside(interpreter).to_path_buf(),
        None => layout.inside(&config.venv).join("bin/python"),
    }
}

/// Remembers that this project was set up or started with its current environment.
///
/// # Errors
/// The user's state directory is not writable.
pub fn remember(layout: &Layout, config: &PythonConfig) -> Result<(), StoreError> {
    match fingerprint(layout, config) {
        Some(fingerprint) => known::remember_environment(layout, &fingerprint),
        None => Ok(()),
    }
}

/// Returns true if the environment is the remembered one.
pub fn is_known(layout: &Layout, config: &PythonConfig) -> bool {
    fingerprint(layout, config).is_some_and(|now| known::environment(layout).is_some_and(|then| then == now))
}

/// Identifies the interpreter as far as the folder controls it: a system Python at the end of
/// its links may be updated.
fn fingerprint(layout: &Layout, config: &PythonConfig) -> Option<Vec<u8>> {
    let python = python_path(layout, config);
    let folder = python.parent()?.canonicalize().ok()?;
    let python = folder.join(python.file_name()?);
    let link = fs::read_link(&python).unwrap_or_default();
    let real = python.canonicalize().ok().filter(|real| real.starts_with(layout.root()));
    let files = [Some(python.clone()), folder.parent().map(|root| root.join("pyvenv.cfg")), real];
    let which = files.map(|file| file.and_then(|file| file.symlink_metadata().ok()));
    let which = which.map(|meta| {
        meta.map(|meta| {
            [meta.ino().cast_signed(), meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()]
        })
    });
    let paths = [python.as_os_str().as_bytes(), link.as_os_str().as_bytes()].join(&0);
    Some([paths.as_slice(), format!("{which:?}").as_bytes()].concat())
}

/// The contents of a venv's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VenvState {
    /// Nothing, or an empty folder.
    Absent,
    Whole(Venv),
    /// Its Python runs, but its programs were made for another folder.
    Moved {
        venv: Venv,
        from: PathBuf,
    },
    /// Something unusable.
    Broken {
        problem: Breakage,
        identity: Option<VenvIdentity>,
    },
}

/// A venv whose Python can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Venv {
    pub root: PathBuf,
    /// `bin/python` in it.
    pub python: PathBuf,
    /// The interpreter at the end of the links.
    pub real_python: PathBuf,
    /// From `pyvenv.cfg`.
    pub version: Option<Version>,
    pub identity: VenvIdentity,
}

/// Identifies a venv, compared with one that was made in its place. It survives a move, but neither a
/// replacement nor a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VenvIdentity {
    /// The modification time of its `pyvenv.cfg`, in nanoseconds.
    pub written: i128,
    /// The creation time of its `bin`, in nanoseconds, if the file system has it: unaffected by an edit of
    /// `pyvenv.cfg`.
    pub made: Option<i128>,
}

impl VenvIdentity {
    /// Returns true if both identify one venv.
    pub(crate) fn is_same(self, other: Self) -> bool {
        self.written == other.written || (self.made.is_some() && self.made == other.made)
    }
}

/// The problem of a venv.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breakage {
    #[error("it is not a Python environment: pyvenv.cfg is missing")]
    NotAVenv,
    #[error(
        "it is a conda environment; to use it as it is, write in pipulate.toml below [python]: interpreter = {:?}",
        .0.display().to_string()
    )]
    Conda(PathBuf),
    #[error("it can't be read: {0}")]
    Unreadable(String),
    #[error("bin/python is missing")]
    NoInterpreter,
    #[error("its Python is gone: {}", .0.display())]
    DanglingInterpreter(PathBuf),
    #[error("the Python it was made with is gone: {}", .0.display())]
    HomeGone(PathBuf),
    #[error("it was made for Python {venv}, but its link leads to {}", .python.display())]
    OtherPython { venv: Version, python: PathBuf },
}

/// Inspects the venv at `root`.
pub fn inspect(root: &Path) -> VenvState {
    match fs::read_dir(root) {
        Ok(entries) => {
            if entries.into_iter().next().is_none() {
                return VenvState::Absent;
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && root.symlink_metadata().is_err() => {
            return VenvState::Absent;
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return VenvState::Broken { problem: Breakage::NotAVenv, identity: None };
        }
        Err(error) => {
            return VenvState::Broken { problem: Breakage::Unreadable(error.to_string()), identity: None };
        }
    }
    let config = root.join("pyvenv.cfg");
    let (text, identity) = match files::read_foreign(&config).and_then(|text| Ok((text, identity_of(root)?)))
    {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let problem = match root.join("conda-meta").is_dir() {
                true => Breakage::Conda(root.join("bin/python")),
                false => Breakage::NotAVenv,
            };
            return VenvState::Broken { problem, identity: None };
        }
        Err(error) => {
            return VenvState::Broken { problem: Breakage::Unreadable(error.to_string()), identity: None };
        }
    };
    match whole(root, &String::from_utf8_lossy(&text), identity) {
        Err(problem) => VenvState::Broken { problem, identity: Some(identity) },
        Ok(venv) => match moved_from(root) {
            Some(from) => VenvState::Moved { venv, from },
            None => VenvState::Whole(venv),
        },
    }
}

fn whole(root: &Path, config: &str, identity: VenvIdentity) -> Result<Venv, Breakage> {
    let version = configured_version(config);
    let python = root.join("bin/python");
    if python.symlink_metadata().is_err() {
        return Err(Breakage::NoInterpreter);
    }
    let Ok(real_python) = python.canonicalize() else {
        return Err(Breakage::DanglingInterpreter(end_of_links(&python)));
    };
    if let Some(home) = configured(config, "home") {
        let home = Path::new(home);
        if !home.is_dir() {
            return Err(Breakage::HomeGone(home.to_owned()));
        }
    }
    if let (Some(venv), Some(linked)) = (version, version_in_name(&real_python))
        && !venv.same_minor(linked)
    {
        return Err(Breakage::OtherPython { venv, python: real_python });
    }
    Ok(Venv { root: root.to_owned(), python, real_python, version, identity })
}

/// A value of pyvenv.cfg.
fn configured<'a>(config: &'a str, key: &str) -> Option<&'a str> {
    let pairs = config.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.trim(), value.trim()))
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value)
}

/// `python -m venv` writes version, uv and virtualenv version_info.
fn configured_version(config: &str) -> Option<Version> {
    configured(config, "version").or_else(|| configured(config, "version_info")).and_then(Version::parse)
}

fn identity_of(root: &Path) -> io::Result<VenvIdentity> {
    let config = fs::metadata(root.join("pyvenv.cfg"))?;
    let written = i128::from(config.mtime()) * 1_000_000_000 + i128::from(config.mtime_nsec());
    let made = fs::metadata(root.join("bin")).and_then(|bin| bin.created()).ok();
    let made = made.and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    Ok(VenvIdentity { written, made: made.and_then(|made| i128::try_from(made.as_nanos()).ok()) })
}

/// Returns true if an environment sees the packages of its base Python, too.
pub(crate) fn sees_the_system(prefix: &Path) -> bool {
    let config = files::read_foreign(&prefix.join("pyvenv.cfg")).unwrap_or_default();
    configured(&String::from_utf8_lossy(&config), "include-system-site-packages")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The last existing link of a chain, which may be circular.
fn end_of_links(link: &Path) -> PathBuf {
    let mut at = link.to_owned();
    for _ in 0..16 {
        let Ok(target) = fs::read_link(&at) else { break };
        at = at.parent().map_or_else(|| target.clone(), |folder| folder.join(&target));
    }
    at
}

/// `3.11` of `/usr/bin/python3.11`.
fn version_in_name(python: &Path) -> Option<Version> {
    Version::parse(python.file_name()?.to_str()?.strip_prefix("python")?)
}

/// The folder that the venv's programs were made for, if it is another one.
fn moved_from(root: &Path) -> Option<PathBuf> {
    let activate = files::read_foreign(&root.join("bin/activate")).ok()?;
    let text = String::from_utf8_lossy(&activate);
    let value = text.lines().find_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("export ").unwrap_or(line).strip_prefix("VIRTUAL_ENV=")
    })?;
    // Some Pythons write the path without quotes.
    if root.to_str() == Some(value.trim_end().trim_matches(['"', '\''])) {
        return None;
    }
    let from = PathBuf::from(unquoted(value)?);
    let same = matches!((from.canonicalize(), root.canonicalize()), (Ok(a), Ok(b)) if a == b);
    (from.is_absolute() && from != root && !same).then_some(from)
}

/// The word that a shell would read, if it is plain text.
fn unquoted(word: &str) -> Option<String> {
    let mut plain = String::new();
    let mut quote = None;
    for c in word.trim_end().chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '$' | '`' | '\\') => return None,
            (None | Some(_), c) => plain.push(c),
        }
    }
    quote.is_none().then_some(plain)
}

/// The version of the environment at `prefix`, from a venv's or conda's own files.
pub(crate) fn version_in_files(prefix: &Path) -> Option<Version> {
    if let Ok(config) = files::read_foreign(&prefix.join("pyvenv.cfg")) {
        return configured_version(&String::from_utf8_lossy(&config));
    }
    let entries = fs::read_dir(prefix.join("conda-meta")).ok()?;
    entries.flatten().find_map(|entry| {
        let name = entry.file_name();
        let rest = name.to_str()?.strip_prefix("python-")?;
        rest.starts_with(|c: char| c.is_ascii_digit()).then(|| Version::parse(rest)).flatten()
    })
}

/// The folders of an environment's packages.
pub(crate) fn site_packages(prefix: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(prefix.join("lib")) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().as_bytes().starts_with(b"python3."))
        .map(|entry| entry.path().join("site-packages"))
        .filter(|folder| folder.is_dir())
        .collect()
}

const DIST_INFO: &str = ".dist-info";

/// The installed packages of an environment: the `.dist-info` folders, which name a package and its version,
/// and the `.egg-info` ones of older installers.
#[derive(Debug, Clone)]
pub(crate) struct Packages(BTreeSet<OsString>);

impl Packages {
    /// The packages below `prefix`; empty if nothing can be listed.
    pub(crate) fn below(prefix: &Path) -> Self {
        let folders = site_packages(prefix).into_iter().filter_map(|folder| fs::read_dir(folder).ok());
        let names = folders.flat_map(|entries| entries.flatten()).map(|entry| entry.file_name());
        let tells = |name: &OsString| {
            let name = name.as_bytes();
            name.ends_with(DIST_INFO.as_bytes()) || name.ends_with(b".egg-info")
        };
        Self(names.filter(tells).collect())
    }

    /// Their names, normalized; pip counts the same.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.versions().into_keys().collect()
    }

    /// Their versions by name.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        let name_and_version = |name: &OsString| {
            let name = name.to_str()?;
            let (name, version) = match name.strip_suffix(DIST_INFO) {
                Some(stem) => stem.rsplit_once('-').unwrap_or((stem, "")),
                // `six-1.17.0-py3.11`
                None => name.strip_suffix(".egg-info")?.split_once('-').unwrap_or((name, "")),
            };
            let version = version.split_once("-py").map_or(version, |(version, _)| version);
            Some((name.trim_end_matches(".egg-info").to_owned(), version.to_owned()))
        };
        let packages = self.0.iter().filter_map(name_and_version);
        packages
            // pip and uv leave `~ip-1.0.dist-info` behind when they are interrupted.
            .filter(|(name, _)| !name.starts_with('~'))
            .map(|(name, version)| (normalized_name(&name), version))
            .collect()
    }

    /// A digest of the names and versions.
    pub(crate) fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for package in self.0.iter().filter(|name| name.as_bytes().ends_with(DIST_INFO.as_bytes())) {
            digest.update(package.as_bytes());
            digest.update([0]);
        }
        hex(&digest.finalize())
    }
}

#[cfg(test)]
mod tests;
