//! The file and its lock: which files are trusted, and how a new text replaces the old one.
//!
//! A new text is written beside the old one, 0600 from its first byte, and renamed over it: a reader sees
//! either text, never a mix. Renaming never follows a link.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use pipulate_core::env_error::EnvError;
use pipulate_core::project::AbsPath;
use rustix::fs::OFlags;

use super::document::Document;
use crate::files::{self, FileState};

/// The largest file, in bytes.
const LARGEST: u64 = 1 << 20;

/// The result of [`replace`].
pub(super) enum Replaced {
    Yes,
    /// A program without our lock changed the file first; nothing was written.
    ChangedMeanwhile,
}

/// Waits for the lock; it is held until the file is dropped.
pub(super) fn lock(path: &AbsPath) -> Result<File, EnvError> {
    let failed = |activity| move |error| EnvError::io(activity, path, &error);
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags(OFlags::NOFOLLOW));
    let file = options.open(path).map_err(failed("open the lock"))?;
    file.lock().map_err(failed("hold the lock"))?;
    Ok(file)
}

/// Reads the file, through a link as well.
pub(super) fn read(path: &AbsPath) -> Result<Document, EnvError> {
    match open(path, OFlags::empty())? {
        Some(file) => Ok(read_open(path, file)?.0),
        None => Ok(Document::parse("")),
    }
}

/// Reads the file if it may be changed: a regular file of our own, or a missing one.
pub(super) fn read_to_change(path: &AbsPath) -> Result<(Document, Option<FileState>), EnvError> {
    let link = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    if link {
        return Err(EnvError::Symlink { path: path.clone() });
    }
    let Some(file) = open(path, OFlags::NOFOLLOW)? else { return Ok((Document::parse(""), None)) };
    let (document, metadata) = read_open(path, file)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(EnvError::OtherOwner { path: path.clone(), owner: metadata.uid() });
    }
    Ok((document, Some(FileState::of(&metadata))))
}

/// Replaces the file with `text` if it still is in that `state`; `None` means no file.
pub(super) fn replace(path: &AbsPath, text: &str, state: Option<FileState>) -> Result<Replaced, EnvError> {
    let temporary = beside(path);
    let failed = |activity| move |error| EnvError::io(activity, path, &error);
    // A crashed edit's leftover: we hold the lock.
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("make room beside")(error));
        }
        Ok(()) | Err(_) => {}
    }
    let outcome = write_new(&temporary, text).map_err(failed("write beside")).and_then(|()| {
        if current_state(path).map_err(failed("look at"))? != state {
            return Ok(Replaced::ChangedMeanwhile);
        }
        std::fs::rename(&temporary, path).map_err(failed("replace"))?;
        Ok(Replaced::Yes)
    });
    if !matches!(outcome, Ok(Replaced::Yes)) {
        // Report the first failure, not this one.
        let _left_behind = std::fs::remove_file(&temporary);
    }
    outcome
}

fn write_new(path: &PathBuf, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Returns the temporary file: one fixed name, so that the next edit removes what a crashed one left.
fn beside(path: &AbsPath) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".pipulate-tmp");
    path.with_file_name(name)
}

/// O_NONBLOCK: a FIFO can't block us.
fn open(path: &AbsPath, more: OFlags) -> Result<Option<File>, EnvError> {
    match OpenOptions::new().read(true).custom_flags(flags(OFlags::NONBLOCK | more)).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(EnvError::io("read", path, &error)),
    }
}

fn read_open(path: &AbsPath, file: File) -> Result<(Document, std::fs::Metadata), EnvError> {
    let failed = |error| EnvError::io("read", path, &error);
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(EnvError::NotAFile { path: path.clone() });
    }
    let bytes = files::read_open(file, LARGEST).map_err(failed)?;
    // The conversion's error holds the bytes, so it is dropped here.
    let text = String::from_utf8(bytes).map_err(|_| EnvError::NotText { path: path.clone() })?;
    Ok((Document::parse(text), metadata))
}

fn current_state(path: &AbsPath) -> io::Result<Option<FileState>> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(FileState::of(&metadata))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_another_program_wrote_meanwhile_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = AbsPath::new(dir.path().join(".env")).unwrap();
        let (_, absent) = read_to_change(&path).unwrap();
        fs::write(&path, "A=theirs\n").unwrap();
        assert!(matches!(replace(&path, "A='ours'\n", absent), Ok(Replaced::ChangedMeanwhile)));
        let (_, present) = read_to_change(&path).unwrap();
        fs::write(dir.path().join("new"), "A=renamed\n").unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
        assert!(matches!(replace(&path, "A='ours'\n", present), Ok(Replaced::ChangedMeanwhile)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "A=renamed\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_edit_left_is_cleared_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = AbsPath::new(dir.path().join(".env")).unwrap();
        std::os::unix::fs::symlink("/nowhere", beside(&path)).unwrap();
        let (_, state) = read_to_change(&path).unwrap();
        assert!(matches!(replace(&path, "A=1\n", state), Ok(Replaced::Yes)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "A=1\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
