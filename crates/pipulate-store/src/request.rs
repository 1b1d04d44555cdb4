//! Requests to a supervisor: empty files whose names carry all the data.
//!
//! A request names a desired state and the current state that it applies to. It can be made twice, arrive
//! late, or be found by the next supervisor: once its current state is gone, its name has no effect. A signal
//! only says that there is a request to read.
//!
//! A request counts only while its maker holds a lock (flock) on the file. The kernel releases the lock when
//! the maker exits for any reason: a request left by an interrupted command is never executed by a later
//! look, such as the one after an upgrade.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use pipulate_core::identity::ProcessIdentity;
use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::project::AbsPath;
use pipulate_core::service::ServiceName;

use crate::error::StoreError;
use crate::files;

/// The desired state of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// It should run. Its idle supervisor would give the next start this run.
    Begin(RunId),
    /// It should be restarted with its current configuration if this still is its generation.
    Restart(RunId),
    /// It should not run while this is its supervisor.
    Stop(ProcessIdentity),
}

impl Request {
    fn path(&self, layout: &Layout, service: &ServiceName) -> AbsPath {
        layout.request(
            service,
            &match self {
                Self::Begin(run) => format!("begin.{run}"),
                Self::Restart(generation) => format!("restart.{generation}"),
                Self::Stop(supervisor) => {
                    format!("stop.{}.{}.{}", supervisor.pid, supervisor.start, supervisor.host.boot)
                }
            },
        )
    }

    /// Makes the request, which lasts until the returned value is dropped or this process ends. The caller
    /// signals the supervisor.
    ///
    /// # Errors
    /// The folder is not writable, or its file system has no locks.
    pub fn make(&self, layout: &Layout, service: &ServiceName) -> Result<Made, StoreError> {
        let path = self.path(layout, service);
        let held = hold(&path).map_err(StoreError::io("write", &path))?;
        Ok(Made { path, held })
    }

    /// Returns true if this is requested, and removes the request. Only for the service's supervisor.
    pub fn take(&self, layout: &Layout, service: &ServiceName) -> bool {
        let path = self.path(layout, service);
        if !path.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
            return false;
        }
        let opened = files::guarded(OpenOptions::new().read(true)).open(&path);
        let is_asked = opened.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)));
        // A file that can't be removed is read again, when its state is gone.
        let _left = files::remove(&path);
        is_asked
    }
}

/// How often a file is made again after a supervisor removed it before it was locked.
const ATTEMPTS: usize = 100;

/// Opens or makes the file of a request, and shares its lock with other makers.
pub(crate) fn hold(path: &Path) -> std::io::Result<File> {
    for _ in 0..ATTEMPTS {
        let mut options = OpenOptions::new();
        let file = files::guarded(options.read(true).append(true).create(true).mode(0o600)).open(path)?;
        // If root makes a request to a user's supervisor, that has to see the lock; the folder is private.
        // Fails if another user made the file.
        let _refused = file.set_permissions(fs::Permissions::from_mode(0o644));
        match file.try_lock_shared() {
            Ok(()) if is_at(&file, path) => return Ok(file),
            // A supervisor holds it right now, or removed it before it was locked.
            Ok(()) | Err(TryLockError::WouldBlock) => std::thread::yield_now(),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(ErrorKind::WouldBlock.into())
}

/// True if this file is the one at this path.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    let number = |meta: fs::Metadata| (meta.dev(), meta.ino());
    let (Ok(held), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    held.is_file() && number(held) == number(there)
}

/// A request that was made. Dropping it withdraws it, unless it was taken.
#[derive(Debug)]
pub struct Made {
    path: AbsPath,
    held: File,
}

impl Drop for Made {
    fn drop(&mut self) {
        // Checked before removing, which would wait for all processes that create files in the folder.
        // Another maker's file stays.
        let is_alone = || self.held.unlock().is_ok() && self.held.try_lock().is_ok();
        if is_at(&self.held, &self.path) && is_alone() {
            let _heard = files::remove(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_heard_once_and_only_by_whom_it_means() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(folder.path().canonicalize().unwrap()).unwrap());
        let layout = crate::home::ensure(&layout).unwrap();
        let service = ServiceName::parse("w").unwrap();
        let [one, other] = [1, 2].map(|number| Request::Restart(RunId::from_random(number)));
        let made = one.make(&layout, &service).unwrap();
        let twice = one.make(&layout, &service).unwrap();
        assert!(!other.take(&layout, &service));
        assert!(!Request::Begin(RunId::from_random(1)).take(&layout, &service));
        assert!(one.take(&layout, &service) && !one.take(&layout, &service));
        drop((made, twice));
        drop(other.make(&layout, &service).unwrap());
        assert!(!other.take(&layout, &service), "withdrawn");
        drop((one.make(&layout, &service).unwrap(), other.make(&layout, &service).unwrap()));
        let (kept, withdrawn) = (one.make(&layout, &service).unwrap(), one.make(&layout, &service).unwrap());
        drop(withdrawn);
        assert!(one.take(&layout, &service), "another maker's counts");
        drop(kept);
        std::fs::create_dir(one.path(&layout, &service)).unwrap();
        assert!(one.make(&layout, &service).is_err() && !one.take(&layout, &service), "it is in the way");
        assert_eq!(crate::record::services(&layout).unwrap(), []);
    }

    #[test]
    fn what_a_maker_that_has_ended_left_behind_is_not_asked() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(folder.path().canonicalize().unwrap()).unwrap());
        let layout = crate::home::ensure(&layout).unwrap();
        let service = ServiceName::parse("w").unwrap();
        let request = Request::Restart(RunId::from_random(1));
        let path = request.path(&layout, &service);
        fs::write(&path, "").unwrap();
        assert!(!request.take(&layout, &service) && !path.exists());
        fs::write(&path, "").unwrap();
        let made = request.make(&layout, &service).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().mode() & 0o777,
            0o644,
            "root's is seen by a user's supervisor"
        );
        assert!(request.take(&layout, &service), "it was asked again");
        drop(made);
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(request.make(&layout, &service).is_err() && !request.take(&layout, &service));
    }
}
