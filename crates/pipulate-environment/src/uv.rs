//! uv: searched for on `PATH`, then in this user's cache, then downloaded to it. Never installed in a venv.
//!
//! A uv only counts after it printed its version: on NixOS a downloaded one can't be started.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pipulate_process::command::{Command, CommandError};
use pipulate_store::error::StoreError;

use crate::failure::last_words;
use crate::surroundings::Surroundings;

const VERSION_TIMEOUT: Duration = Duration::from_secs(30);

/// 20 MB over a slow line.
const FETCH_TIMEOUT: Duration = Duration::from_secs(300);

/// A uv that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uv {
    pub program: PathBuf,
    pub version: String,
}

/// The reason why there is no uv.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UvError {
    #[error("there is no folder to keep uv in: this user has no home directory")]
    NoCache,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    NotStarted(#[from] CommandError),
    #[error("pip could not fetch it: {words}")]
    NotFetched { words: String },
    #[error("the fetched one does not run here")]
    DoesNotRun,
}

/// The uv that is available without a download: that of `PATH`, else that of the cache.
pub(crate) fn at_hand(around: &Surroundings) -> Option<Uv> {
    around.programs("uv").find_map(|program| verified(&program)).or_else(|| verified(&cached(around)?))
}

/// Downloads uv to the cache with that Python's pip.
///
/// The replacement is atomic for concurrent readers of the cache.
///
/// # Errors
/// It can't be downloaded, or doesn't run here.
pub(crate) fn fetch(around: &Surroundings, python: &Path) -> Result<Uv, UvError> {
    let cache = around.cache().ok_or(UvError::NoCache)?;
    fs::create_dir_all(cache).map_err(StoreError::io("create the folder", cache))?;
    let staging = tempfile::Builder::new()
        .prefix("uv-new-")
        .tempdir_in(cache)
        .map_err(StoreError::io("write in", cache))?;
    let made = staging.path().join("uv");
    let output = Command::new(python)
        .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
        .args(["--only-binary", ":all:", "--no-deps", "--target"])
        .arg(&made)
        .arg("uv")
        // `user = true` in a pip.conf contradicts --target.
        .env("PIP_USER", "0")
        .env_remove("PYTHONHOME")
        .env_remove("PYTHONPATH")
        .directory(cache)
        .output(FETCH_TIMEOUT)?;
    if !output.end.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let words = last_words(&text.lines().collect::<Vec<_>>())
            .pop()
            .unwrap_or_else(|| format!("{:?}", output.end));
        return Err(UvError::NotFetched { words });
    }
    verified(&made.join("bin/uv")).ok_or(UvError::DoesNotRun)?;
    let place = cache.join("uv");
    if let Err(error) = fs::rename(&made, &place) {
        // Another set-up was quicker, or the existing one is broken: a folder can't be renamed onto one that
        // isn't empty. The old one is moved to the staging folder, which is removed.
        if verified(&place.join("bin/uv")).is_none() {
            let _gone = fs::rename(&place, staging.path().join("old"));
            fs::rename(&made, &place).map_err(StoreError::io("write", &place))?;
        } else if !matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) {
            return Err(StoreError::io("write", &place)(error).into());
        }
    }
    verified(&place.join("bin/uv")).ok_or(UvError::DoesNotRun)
}

fn cached(around: &Surroundings) -> Option<PathBuf> {
    Some(around.cache()?.join("uv/bin/uv")).filter(|program| program.is_file())
}

fn verified(program: &Path) -> Option<Uv> {
    let output = Command::new(program).arg("--version").output(VERSION_TIMEOUT).ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.strip_prefix("uv ")?.split_whitespace().next()?;
    output.end.success().then(|| Uv { program: program.to_owned(), version: version.to_owned() })
}
