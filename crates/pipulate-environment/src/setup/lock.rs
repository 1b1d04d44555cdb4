//! One set-up of a project at a time.
//!
//! The installers inherit the lock: if a set-up is killed, the next one waits until its
//! installer has ended, too.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use pipulate_core::layout::Layout;
use pipulate_store::error::StoreError;
use rustix::io::{FdFlags, fcntl_setfd};

/// Takes the lock, waiting if necessary; it is held until the file is dropped or the process ends.
///
/// On a file system without locks, a second set-up is not held off.
///
/// # Errors
/// The lock file can't be opened.
pub(super) fn hold(layout: &Layout, on_wait: impl FnOnce()) -> Result<File, StoreError> {
    let path = layout.setup_lock();
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(StoreError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            on_wait();
            file.lock().map_err(StoreError::io("lock", &path))?;
        }
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => return Ok(file),
        Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &path)(error)),
    }
    let inherited = fcntl_setfd(&file, FdFlags::empty());
    inherited.map_err(|error| StoreError::io("lock", &path)(error.into()))?;
    Ok(file)
}
