//! A project folder that is moved or deleted while its services run.
//!
//! Moved: the supervisor goes along. Its services keep the identity that they were started with;
//! what they were told about paths can't be changed, so a new instance begins with the folder as it
//! is then. Deleted: the supervisor goes on without files, until it is stopped.

use pipulate_core::layout::Layout;
use pipulate_core::project::AbsPath;
use pipulate_process::table;
use pipulate_store::lock::Lock;
use pipulate_store::record;

use super::Driver;

impl Driver {
    /// Whether this supervisor has a say over the files. Not without its lock's name: another one
    /// may have been started in a folder that was deleted and made again.
    pub(super) fn has_its_folder(&mut self) -> bool {
        let is_ours = self.lock.is_current(&self.layout.lock(&self.spec.name)) || self.renews_its_lock();
        if !is_ours {
            self.journal.disown();
        }
        is_ours
    }

    /// Makes itself another lock where only that was deleted: the record still names this supervisor,
    /// and nobody else has taken its place.
    fn renews_its_lock(&mut self) -> bool {
        let record = record::read(&self.layout, &self.spec.name).ok().flatten();
        let is_named = record.and_then(|record| record.supervisor).is_some_and(|named| named.pid == self.me);
        let renewed = is_named.then(|| Lock::acquire(&self.layout.lock(&self.spec.name)));
        let Some(Ok(Ok(lock))) = renewed else { return false };
        self.lock = lock;
        self.journal.complain("the file of its lock was deleted; there is a new one");
        true
    }

    /// Goes on in the folder's new place, once it was moved.
    pub(super) fn follow_the_folder(&mut self) {
        let service = &self.spec.name;
        if self.lock.is_current(&self.layout.lock(service)) {
            return;
        }
        // A supervisor works in the project's folder, and the kernel knows what that is called now.
        let Some(root) = table::working_directory(self.me).and_then(AbsPath::new) else { return };
        let moved = Layout::new(root).formerly(self.layout.born().clone());
        if !self.lock.is_current(&moved.lock(service)) {
            return;
        }
        self.layout = moved;
        self.journal.follow(&self.layout);
        self.log.capture.follow(&self.layout);
        self.journal.note_in_log(&format!("the folder was moved to {}", self.layout.root()));
    }

    /// Whether what this supervisor was told about its service speaks of a folder that was moved.
    pub(super) fn is_specification_stale(&self) -> bool {
        self.spec.directory != *self.layout.root()
    }
}
