//! Ownership of a service: a POSIX record lock, held by its supervisor for life.
//!
//! The kernel releases it with the process, names the holder's pid, and does not pass it on by fork, as it
//! does with flock(2). It belongs to the process and the inode: closing *any* descriptor of the file releases
//! it, so a holder opens the file exactly once; and the file is never unlinked, or there would be two locks
//! of one name.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;
use pipulate_core::fault::FileRefusal;
use pipulate_core::identity::Pid;

use crate::error::StoreError;
use crate::files;
use crate::os::calls::{NO_LOCK, WRITE_LOCK};

/// A held lock. Dropping it releases it.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Who holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    Nobody,
    Process(Pid),
    /// Held by a process without a pid in this namespace: another container or another machine.
    Invisible,
}

impl Lock {
    /// Takes the lock, or returns its holder.
    ///
    /// # Errors
    /// The file can't be made, or the file system has no locks.
    pub fn acquire(path: &Path) -> Result<Result<Self, Holder>, StoreError> {
        loop {
            let file = open(path, OpenOptions::new().write(true).create(true))
                .map_err(StoreError::io("open the lock", path))?;
            match fcntl(&file, FcntlArg::F_SETLK(&whole_file(WRITE_LOCK))) {
                Ok(_) => {}
                Err(Errno::EACCES | Errno::EAGAIN) => match ask(&file, path)? {
                    // It was released in between.
                    Holder::Nobody => continue,
                    holder @ (Holder::Process(_) | Holder::Invisible) => return Ok(Err(holder)),
                },
                Err(error) => return Err(StoreError::io("lock", path)(error.into())),
            }
            if is_still(&file, path) {
                return Ok(Ok(Self { file }));
            }
        }
    }

    /// Returns true if the lock's file still has its path. False after the folder was deleted: another
    /// supervisor may hold a new lock there.
    pub fn is_current(&self, path: &Path) -> bool {
        is_still(&self.file, path)
    }

    /// Keeps the lock over the next exec of this process; the number goes to [`Lock::inherited`].
    ///
    /// # Errors
    /// None that a correct call can meet.
    pub fn keep_over_exec(&self) -> io::Result<RawFd> {
        fcntl(&self.file, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(self.file.as_raw_fd())
    }

    /// Takes [`Lock::keep_over_exec`] back: no other program that this process runs gets it.
    ///
    /// # Errors
    /// None that a correct call can meet.
    pub fn close_on_exec(&self) -> io::Result<()> {
        fcntl(&self.file, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        Ok(())
    }

    /// Takes over the lock that this process held before an exec.
    ///
    /// # Errors
    /// The descriptor is not the lock file's, or another process has the lock.
    pub fn inherited(number: RawFd, path: &Path) -> Result<Self, StoreError> {
        let file =
            files::inherited(number).map(File::from).map_err(StoreError::io("inherit the lock", path))?;
        if !is_still(&file, path) {
            return Err(StoreError::refused(path, FileRefusal::InheritedAnother));
        }
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))
            .and_then(|_| fcntl(&file, FcntlArg::F_SETLK(&whole_file(WRITE_LOCK))))
            .map_err(|error| StoreError::io("inherit the lock", path)(error.into()))?;
        Ok(Self { file })
    }
}

/// True if an error says that the file system has no locks at all.
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    let unsupported = [Errno::ENOLCK, Errno::ENOSYS, Errno::EOPNOTSUPP, Errno::EINVAL];
    error.raw_os_error().is_some_and(|number| unsupported.contains(&Errno::from_raw(number)))
}

/// Returns the holder of the lock; a missing file has none. Never call this in the process that holds the
/// lock: it would release it.
///
/// # Errors
/// The file can't be opened, or the file system has no locks.
pub fn holder(path: &Path) -> Result<Holder, StoreError> {
    // A query needs no write permission: it works in a read-only folder too.
    match open(path, &mut OpenOptions::new()) {
        Ok(file) => ask(&file, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Holder::Nobody),
        Err(error) => Err(StoreError::io("open the lock", path)(error)),
    }
}

fn ask(file: &File, path: &Path) -> Result<Holder, StoreError> {
    let mut lock = whole_file(WRITE_LOCK);
    fcntl(file, FcntlArg::F_GETLK(&mut lock))
        .map_err(|error| StoreError::io("ask about the lock", path)(error.into()))?;
    if lock.l_type == NO_LOCK {
        return Ok(Holder::Nobody);
    }
    Ok(Pid::new(lock.l_pid).map_or(Holder::Invisible, Holder::Process))
}

fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    files::guarded(options.read(true).mode(0o600)).open(path)
}

fn is_still(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), std::fs::symlink_metadata(path)) else { return false };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}

fn whole_file(kind: libc::c_short) -> libc::flock {
    libc::flock { l_type: kind, l_whence: libc::SEEK_SET as _, l_start: 0, l_len: 0, l_pid: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_holds_what_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.lock");
        assert_eq!(holder(&path).unwrap(), Holder::Nobody);
        let lock = Lock::acquire(&path).unwrap().unwrap();
        drop(lock);
        assert_eq!(holder(&path).unwrap(), Holder::Nobody);
        assert!(path.exists(), "a lock file is never unlinked");
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (dir.path().join("a.lock"), dir.path().join("other"));
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(Lock::acquire(&path).is_err());
        assert!(!elsewhere.exists());
    }
}
