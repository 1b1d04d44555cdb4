//! Which processes belong to the service now.

use pipulate_core::identity::Pid;
use pipulate_process::table::Entry;

use super::{Driver, Main};
use crate::process_tree::Tree;

impl Driver {
    /// Finds the service's processes.
    pub(super) fn family(&self) -> Tree {
        self.family_at_once(|_| ())
    }

    /// The same. For an orphaned tree, `on_found` is called with each process as soon as it is found.
    pub(super) fn family_at_once(&self, on_found: impl Fn(&Entry)) -> Tree {
        let seen = self.seen_before();
        let roots: Vec<Pid> = std::iter::once(self.me)
            .chain(self.main.as_ref().filter(|main| !main.is_child).map(Main::pid))
            .chain(seen.iter().map(|entry| entry.pid))
            .collect();
        let mut family = match self.torn {
            true => self.service.everywhere_at_once(&roots, &self.layout, &self.attached, on_found),
            false => self.service.below(&roots, &self.layout, &self.attached),
        };
        // A verified main process is the service's, whatever its environment says by now.
        if let Some(main) = self.main.as_ref().filter(|main| main.verified.lives())
            && family.ours.iter().all(|entry| entry.pid != main.pid())
        {
            family.ours.extend(pipulate_process::table::entry(main.pid()));
        }
        for entry in seen {
            if family.ours.iter().all(|other| other.pid != entry.pid) {
                family.ours.push(entry);
            }
        }
        family
    }
}
