//! Facts about projects in this user's own state directory: which files were made here.
//!
//! A project's folder may come from anyone, with a `.pipulate` in it. Facts kept outside of it decide whether
//! something in it was made by this user on this machine. Each fact is a separate file, named by a digest of
//! its subject, so that no two programs edit the same one.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use pipulate_core::layout::Layout;
use sha2::{Digest, Sha256};

use crate::error::StoreError;
use crate::{files, folders, registry};

/// The subject of a fact; also the name of its folder.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Home,
    Stamp,
    Environment,
    Key,
}

impl Kind {
    fn folder(self) -> &'static str {
        match self {
            Self::Home => "homes",
            Self::Stamp => "stamps",
            Self::Environment => "environments",
            Self::Key => "keys",
        }
    }
}

/// Returns true if the project's `.pipulate` was made, or taken over, by this user on this machine. False for
/// a copy, a clone or an unpacked archive; true for a renamed folder.
pub fn is_home(layout: &Layout) -> bool {
    identity(layout.state()).is_some_and(|identity| recall(layout, Kind::Home, &[&identity]).is_some())
        || is_home_of_old(layout)
}

/// Remembers the project's `.pipulate`, and the stamp of a home that is older than this store.
///
/// # Errors
/// The user's state directory is not writable.
pub fn remember_home(layout: &Layout) -> Result<(), StoreError> {
    let Some(identity) = identity(layout.state()) else { return Ok(()) };
    if recall(layout, Kind::Home, &[&identity]).is_some() {
        return Ok(());
    }
    if is_home_of_old(layout)
        && let Some(stamp) = files::read_private(&layout.setup_stamp())?
    {
        remember_stamp(layout, &stamp)?;
    }
    remember(layout, Kind::Home, &[&identity], layout.root().as_os_str().as_bytes())
}

/// Returns true if these bytes are the last stamp that was written into this home.
pub fn is_stamp(layout: &Layout, bytes: &[u8]) -> bool {
    let Some(identity) = identity(layout.state()) else { return false };
    match recall(layout, Kind::Stamp, &[&identity]) {
        Some(known) => known == digest(&[bytes]).into_bytes(),
        None => recall(layout, Kind::Home, &[&identity]).is_none() && is_home_of_old(layout),
    }
}

/// Remembers the stamp that is about to be written.
///
/// # Errors
/// The user's state directory is not writable.
pub fn remember_stamp(layout: &Layout, bytes: &[u8]) -> Result<(), StoreError> {
    let Some(identity) = identity(layout.state()) else { return Ok(()) };
    remember(layout, Kind::Stamp, &[&identity], digest(&[bytes]).as_bytes())
}

/// Returns the remembered fingerprint of the environment that this project runs with.
pub fn environment(layout: &Layout) -> Option<Vec<u8>> {
    recall(layout, Kind::Environment, &[layout.root().as_os_str().as_bytes()])
}

/// Remembers which environment this project was set up or started with.
///
/// # Errors
/// The user's state directory is not writable.
pub fn remember_environment(layout: &Layout, fingerprint: &[u8]) -> Result<(), StoreError> {
    match environment(layout).is_some_and(|known| known == fingerprint) {
        true => Ok(()),
        false => remember(layout, Kind::Environment, &[layout.root().as_os_str().as_bytes()], fingerprint),
    }
}

/// Returns true if this is the key that was made here for this file.
pub(crate) fn is_key(layout: &Layout, path: &Path, key: &[u8]) -> bool {
    recall(layout, Kind::Key, &[path.as_os_str().as_bytes()]) == Some(digest(&[key]).into_bytes())
}

/// Remembers the key that was made for this file, and forgets the one before it.
///
/// # Errors
/// The user's state directory is not writable.
pub(crate) fn remember_key(layout: &Layout, path: &Path, key: &[u8]) -> Result<(), StoreError> {
    remember(layout, Kind::Key, &[path.as_os_str().as_bytes()], digest(&[key]).as_bytes())
}

/// Recognizes a home of an old Pipulate, which only kept a list of projects: the folder is in that list and
/// was made before it was added, so it is not a replacement.
fn is_home_of_old(layout: &Layout) -> bool {
    let made = fs::symlink_metadata(layout.state()).and_then(|meta| meta.created());
    let listed = registry::since(layout);
    made.ok().zip(listed).is_some_and(|(made, listed)| made <= listed)
}

/// Identifies a folder across renames, unlike its copies and later folders of that name. Without a birth time
/// from the file system, a rename changes the identity.
fn identity(folder: &Path) -> Option<Vec<u8>> {
    let meta = fs::symlink_metadata(folder).ok().filter(fs::Metadata::is_dir)?;
    let made = meta.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    let made = made
        .map_or_else(|| folder.as_os_str().as_bytes().to_vec(), |made| made.as_nanos().to_string().into());
    Some([meta.ino().to_string().as_bytes(), b" ", &made].concat())
}

fn recall(layout: &Layout, kind: Kind, subject: &[&[u8]]) -> Option<Vec<u8>> {
    files::read_private(&file(layout, kind, subject)?).ok().flatten()
}

fn remember(layout: &Layout, kind: Kind, subject: &[&[u8]], value: &[u8]) -> Result<(), StoreError> {
    let Some(file) = file(layout, kind, subject) else { return Ok(()) };
    folders::make_parents(&file)?;
    files::write_private(&file, value)
}

fn file(layout: &Layout, kind: Kind, subject: &[&[u8]]) -> Option<PathBuf> {
    Some(layout.user()?.state.join("known").join(kind.folder()).join(digest(subject)))
}

fn digest(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_told_from_its_copy_and_known_by_another_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("home")).unwrap();
        let first = identity(&at("home")).unwrap();
        fs::rename(at("home"), at("renamed")).unwrap();
        if fs::metadata(at("renamed")).unwrap().created().is_ok() {
            assert_eq!(identity(&at("renamed")).unwrap(), first);
        }
        fs::create_dir(at("home")).unwrap();
        assert_ne!(identity(&at("home")).unwrap(), first);
        std::os::unix::fs::symlink(at("home"), at("link")).unwrap();
        assert_eq!(identity(&at("link")), None);
    }

    #[test]
    fn parts_are_not_run_together() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
    }
}
