//! The project's folder while its services run, and the lock in it.
//!
//! After a move, the supervisor follows. Its service keeps the identity that it was started with; paths in
//! its arguments and environment can't be changed, so only a new instance uses the new folder. After a
//! deletion, the supervisor goes on without files until it is stopped.

use std::path::PathBuf;

use pipulate_core::identity::Pid;
use pipulate_core::layout::Layout;
use pipulate_core::project::AbsPath;
use pipulate_core::service::ServiceName;
use pipulate_store::lock::Lock;
use pipulate_store::record;

/// The folder and the lock. The lock's file is opened once: closing any other descriptor of it would release
/// the lock.
#[derive(Debug)]
pub(crate) struct Home {
    layout: Layout,
    lock: Lock,
    service: ServiceName,
    me: Pid,
    is_disowned: bool,
}

impl Home {
    /// The home of a service that this process, `me`, supervises.
    pub(crate) fn new(layout: Layout, lock: Lock, service: ServiceName, me: Pid) -> Self {
        Self { layout, lock, service, me, is_disowned: false }
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn lock(&self) -> &Lock {
        &self.lock
    }

    /// Returns true if this supervisor may write the files. Not if its lock has lost its name: another
    /// supervisor may have been started in a folder that was deleted and made again.
    pub(crate) fn is_ours(&mut self) -> bool {
        let is_ours = self.lock.is_current(&self.layout.lock(&self.service)) || self.renews_its_lock();
        if !is_ours && !std::mem::replace(&mut self.is_disowned, true) {
            tracing::warn!(service = %self.service, "the folder of its records was deleted; a stop still ends it");
        }
        is_ours
    }

    /// Makes a new lock if only the lock was deleted: the record still names this supervisor, and no other
    /// one has replaced it.
    fn renews_its_lock(&mut self) -> bool {
        let record = record::read(&self.layout, &self.service).ok().flatten();
        let is_named = record.and_then(|record| record.supervisor).is_some_and(|named| named.pid == self.me);
        let renewed = is_named.then(|| Lock::acquire(&self.layout.lock(&self.service)));
        let Some(Ok(Ok(lock))) = renewed else { return false };
        self.lock = lock;
        tracing::warn!(service = %self.service, "the file of its lock was deleted; there is a new one");
        true
    }

    /// Follows the folder after a move, and returns true if it was moved. A supervisor works in the project's
    /// folder: the kernel has the current path of its `working_directory`.
    pub(crate) fn follow(&mut self, working_directory: impl FnOnce() -> Option<PathBuf>) -> bool {
        if self.lock.is_current(&self.layout.lock(&self.service)) {
            return false;
        }
        let Some(root) = working_directory().and_then(AbsPath::new) else { return false };
        let moved =
            Layout::new(root).formerly(self.layout.born().clone()).of_user(self.layout.user().cloned());
        if !self.lock.is_current(&moved.lock(&self.service)) {
            return false;
        }
        self.layout = moved;
        tracing::info!(service = %self.service, "the folder was moved to {}", self.layout.root());
        true
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pipulate_process::identity;

    use super::*;
    use crate::parts::samples;

    fn home() -> (tempfile::TempDir, Home) {
        let (folder, layout) = samples::home();
        let service = samples::name("worker");
        let lock = Lock::acquire(&layout.lock(&service)).unwrap().unwrap();
        let me = identity::own_pid().unwrap();
        (folder, Home::new(layout, lock, service, me))
    }

    /// Writes a record that names this process, or none, as the supervisor.
    fn write_record(home: &Home, is_named: bool) {
        let supervisor = identity::own(&identity::host()).filter(|_| is_named);
        let record = samples::record(&home.layout, &samples::spec(&home.layout), supervisor);
        record::write(&home.layout, &record).unwrap();
    }

    #[test]
    fn a_deleted_lock_is_made_again_only_while_the_record_names_this_supervisor() {
        let (_folder, mut home) = home();
        assert!(home.is_ours());
        let path = home.layout.lock(&home.service);
        for (is_named, is_ours) in [(true, true), (false, false)] {
            write_record(&home, is_named);
            fs::remove_file(&path).unwrap();
            assert_eq!(home.is_ours(), is_ours);
            assert_eq!(path.exists(), is_ours);
            fs::write(&path, b"").unwrap();
            home.lock = Lock::acquire(&path).unwrap().unwrap();
        }
    }

    #[test]
    fn a_deleted_folder_is_no_longer_ours_and_one_made_again_neither() {
        let (folder, mut home) = home();
        write_record(&home, true);
        fs::remove_dir_all(home.layout.run()).unwrap();
        assert!(!home.is_ours());
        pipulate_store::home::ensure(&home.layout).unwrap();
        assert!(!home.is_ours(), "another supervisor may come");
        assert!(!home.follow(|| Some(folder.path().to_path_buf())));
    }

    #[test]
    fn a_moved_folder_is_followed_and_keeps_its_first_name() {
        let (folder, mut home) = home();
        let elsewhere = tempfile::tempdir().unwrap();
        let moved = elsewhere.path().canonicalize().unwrap().join("moved");
        assert!(!home.follow(|| panic!("nothing was moved")));
        let born = home.layout.root().clone();
        fs::rename(folder.path(), &moved).unwrap();
        assert!(!home.follow(|| Some(elsewhere.path().to_path_buf())), "that is another folder");
        assert!(home.follow(|| Some(moved.clone())));
        assert_eq!((&**home.layout.root(), home.layout.born()), (&*moved, &born));
        assert!(home.is_ours());
    }
}
