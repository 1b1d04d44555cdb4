//! Copies of the program in the user's data directory, for programs that are run from a cache.
//!
//! A cache is a folder with a `CACHEDIR.TAG` (<https://bford.info/cachedir/>), such as uv's and cargo's
//! `target`: its contents may be removed at any time, while services run from them. Copies are named by a
//! digest of their content. A command that makes or uses a copy holds the folder's lock until its services
//! run, so that no other command removes the copy meanwhile.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use sha2::{Digest, Sha256};

use crate::error::StoreError;
use crate::files;

/// The first bytes of a `CACHEDIR.TAG`.
const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// The folder of the copies, locked.
#[derive(Debug)]
pub struct Copies {
    folder: PathBuf,
    held: File,
}

/// Returns the folder of this user's copies.
pub fn folder() -> Option<PathBuf> {
    let dirs = ProjectDirs::from("com", "Pipulate", "pipulate")?;
    Some(dirs.data_local_dir().join("programs"))
}

/// Returns the cache that contains a file.
pub fn cache_above(file: &Path) -> Option<&Path> {
    let is_cache = |folder: &&Path| {
        let tag = folder.join("CACHEDIR.TAG");
        // uv tags every environment, so that backups skip it; environments of `uv tool install` are
        // permanent.
        let is_environment = || folder.join("pyvenv.cfg").exists();
        files::read_foreign(&tag).is_ok_and(|text| text.starts_with(SIGNATURE)) && !is_environment()
    };
    file.ancestors().skip(1).find(is_cache)
}

impl Copies {
    /// Opens the folder, making it if needed, and waits until no other command removes copies.
    ///
    /// # Errors
    /// It can't be made or locked.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let made = fs::DirBuilder::new().recursive(true).create(folder);
        made.map_err(StoreError::io("create the folder", folder))?;
        let folder = folder.canonicalize().map_err(StoreError::io("examine", folder))?;
        let lock = folder.join(".lock");
        let held =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&lock);
        let held = held.and_then(|file| file.lock_shared().map(|()| file));
        Ok(Self { folder, held: held.map_err(StoreError::io("lock", &lock))? })
    }

    /// Returns the copy of `program`, whose content is read from `image`; makes the copy if needed.
    ///
    /// # Errors
    /// It can't be read, the disk is full, or the folder is on a `noexec` file system.
    pub fn keep(&self, program: &Path, image: &Path) -> Result<PathBuf, StoreError> {
        let name = program.file_name().unwrap_or("pipulate".as_ref());
        let copy = self.folder.join(digest(image).map_err(StoreError::io("read", image))?).join(name);
        if !copy.is_file() {
            self.copy(image, &copy).map_err(StoreError::io("write", &copy))?;
        }
        accessat(CWD, &copy, Access::EXEC_OK, AtFlags::EACCESS)
            .map_err(|error| StoreError::io("execute", &copy)(error.into()))?;
        Ok(copy)
    }

    /// Copies atomically: the whole file or nothing.
    fn copy(&self, image: &Path, copy: &Path) -> io::Result<()> {
        let folder = copy.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        let temporary = files::temporary_beside(copy);
        let copied = fs::copy(image, &temporary);
        let copied = copied.and_then(|_| fs::set_permissions(&temporary, fs::Permissions::from_mode(0o755)));
        copied.and_then(|()| fs::rename(&temporary, copy)).inspect_err(|_| {
            let _never_there = fs::remove_file(&temporary);
        })
    }

    /// Removes unused copies, unless another command is about to use one.
    pub fn sweep(self, is_used: impl Fn(&Path) -> bool) {
        if self.held.try_lock().is_err() {
            return;
        }
        let is_copy = |folder: &PathBuf| folder.is_dir();
        let folders = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        for folder in folders.filter(is_copy) {
            let programs: Vec<PathBuf> =
                fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
            if !programs.iter().any(|program| is_used(program)) {
                // A failure is retried by the next sweep.
                let _left = fs::remove_dir_all(&folder);
            }
        }
    }
}

fn digest(file: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(file)?, &mut hasher)?;
    Ok(hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cached_program(folder: &Path) -> PathBuf {
        let cache = folder.join("cache");
        let program = cache.join("a/bin/pipulate");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::write(cache.join("CACHEDIR.TAG"), [SIGNATURE, b"\n# a comment\n"].concat()).unwrap();
        fs::write(&program, "#!/bin/sh\necho one\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        program
    }

    #[test]
    fn a_cache_is_known_by_the_signature_in_its_tag() {
        let folder = tempfile::tempdir().unwrap();
        let program = cached_program(folder.path());
        let cache = folder.path().join("cache");
        assert_eq!(cache_above(&program), Some(&*cache));
        fs::remove_file(&program).unwrap();
        assert_eq!(cache_above(&program), Some(&*cache), "the file may be gone");
        assert_eq!(cache_above(&folder.path().join("pipulate")), None);
        let environment = folder.path().join("cache/a");
        fs::copy(cache.join("CACHEDIR.TAG"), environment.join("CACHEDIR.TAG")).unwrap();
        fs::write(environment.join("pyvenv.cfg"), "").unwrap();
        assert_eq!(cache_above(&program), Some(&*cache), "the environment is in a cache");
        fs::write(cache.join("pyvenv.cfg"), "").unwrap();
        assert_eq!(cache_above(&program), None, "both are environments");
        fs::remove_file(cache.join("pyvenv.cfg")).unwrap();
        fs::write(cache.join("CACHEDIR.TAG"), "mine").unwrap();
        assert_eq!(cache_above(&program), None);
    }

    #[test]
    fn the_same_content_has_one_copy_and_what_is_not_used_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let program = cached_program(folder.path());
        let place = folder.path().join("data/programs");
        let copies = Copies::open(&place).unwrap();
        let copy = copies.keep(&program, &program).unwrap();
        assert_eq!((copy.file_name(), cache_above(&copy)), (program.file_name(), None));
        assert_eq!(fs::read(&copy).unwrap(), fs::read(&program).unwrap());
        assert_eq!(copies.keep(&program, &copy).unwrap(), copy);
        fs::write(&program, "#!/bin/sh\necho two\n").unwrap();
        let newer = copies.keep(&program, &program).unwrap();
        assert!(newer != copy && copy.is_file());

        let other = Copies::open(&place).unwrap();
        copies.sweep(|_| false);
        assert!(newer.is_file(), "another command is about to use one");
        other.sweep(|path| path == newer);
        assert_eq!((newer.is_file(), copy.exists()), (true, false));
    }

    #[test]
    fn what_can_not_be_copied_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let program = cached_program(folder.path());
        let copies = Copies::open(&folder.path().join("programs")).unwrap();
        fs::remove_file(&program).unwrap();
        let error = copies.keep(&program, &program).unwrap_err().to_string();
        assert!(error.contains(program.to_str().unwrap()), "{error}");
    }
}
