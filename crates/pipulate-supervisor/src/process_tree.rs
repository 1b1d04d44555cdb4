//! The processes of a service, among the processes below us and elsewhere.
//!
//! Ours are descendants, processes with this service's marker, and processes of our user that have our FIFO
//! open for writing. Not ours, even if a descendant: another supervisor and its descendants; a process that
//! names another project or service; a process without a marker in the session of another service's main
//! process; and a process that detached itself from a JupyterLab terminal (tmux, an editor, a training run).
//! A project is identified by its folder's path, which another folder may have had before, or may have in a
//! container: so a process with our marker is not ours if it is below another supervisor, or writes to
//! another FIFO.

mod claims;

use std::collections::HashSet;
use std::path::PathBuf;

use pipulate_core::identity::{Pid, ProcessIdentity};
use pipulate_core::layout::Layout;
use pipulate_core::marker::{Marker, Part, RunId};
use pipulate_core::project::ProjectId;
use pipulate_core::reason::Fate;
use pipulate_core::receipt::Named;
use pipulate_core::service::ServiceName;
use pipulate_process::identity::{self, own_pid};
use pipulate_process::table::{self, Entry};
use pipulate_store::record;
use pipulate_store::{capture, known};

use crate::marker::marker_of;

pub use claims::Claims;

/// The service whose processes are searched for.
#[derive(Debug, Clone)]
pub struct Service {
    pub project: ProjectId,
    pub name: ServiceName,
}

/// A snapshot of a service's processes.
#[derive(Debug, Default)]
pub struct Tree {
    /// The service's own processes, including a running main process.
    pub ours: Vec<Entry>,
    /// Descendants that are not its own.
    pub left: Vec<Named>,
}

/// Returns supervisors of a project whose locks were deleted or moved away with `.pipulate` while they ran: no
/// file in the project names them any more. Reads the whole process table.
pub fn lost_supervisors(layout: &Layout) -> Vec<(ServiceName, Pid)> {
    let project = layout.project_id();
    let ours = supervisors().into_iter().filter(|(marker, _)| marker.project == project);
    // Those of a project that was moved as a whole work in its new folder, with their lock.
    let works_here = |pid| table::working_directory(pid).is_some_and(|folder| folder == **layout.root());
    let lost = ours.filter(|(marker, pid)| {
        let lock = layout.lock(&marker.service);
        table::holds_deleted(*pid, &lock) || (works_here(*pid) && table::holds_another(*pid, &lock))
    });
    lost.map(|(marker, pid)| (marker.service, pid)).collect()
}

/// Returns every process of this user whose marker says that it is a supervisor. Reads the whole process
/// table.
pub fn supervisors() -> Vec<(Marker, Pid)> {
    let supervisor = |pid: Pid| {
        let marker = marker_of(pid).filter(|marker| marker.part == Part::Supervisor)?;
        table::is_ours_by_user(pid).then_some((marker, pid))
    };
    table::all_pids().into_iter().filter_map(supervisor).collect()
}

/// Terminal processes that were attached to their terminal when a stop began: if they lost it since, the stop
/// is the cause, and they still belong to the service.
pub type Attached = HashSet<(Pid, u64)>;

impl Service {
    /// Returns the service of that name in a project.
    pub fn of(layout: &Layout, name: &ServiceName) -> Self {
        Self { project: layout.project_id(), name: name.clone() }
    }

    /// Returns the service's processes below `roots` (a supervisor, or a main process that lost its own).
    pub fn below(&self, roots: &[Pid], layout: &Layout, attached: &Attached) -> Tree {
        self.below_with(None, roots, layout, attached)
    }

    /// Like [`Service::below`]; `main` is the main process by its identity, so that it needs no marker.
    pub fn below_with(
        &self,
        main: Option<&ProcessIdentity>,
        roots: &[Pid],
        layout: &Layout,
        attached: &Attached,
    ) -> Tree {
        let mut family = Tree::default();
        let mut seen = HashSet::new();
        for &root in roots {
            let found = table::descendants(root, |entry| {
                if main.is_some_and(|main| (main.pid, main.start) == (entry.pid, entry.start)) {
                    return true;
                }
                let marker = marker_of(entry.pid);
                if marker.is_none() && self.is_ending_unclaimed(entry.pid, layout) {
                    return false;
                }
                let Some(why) = self.why_foreign(entry, marker, layout, attached) else { return true };
                let (pid, start, name) = (entry.pid, entry.start, entry.name.clone());
                let left = (!self.is_sibling(pid)).then_some(Named { pid, start, name, why });
                family.left.extend(left);
                false
            });
            family.ours.extend(found.into_iter().filter(|entry| seen.insert(entry.pid)));
        }
        family
    }

    /// Returns the service's processes wherever they are: for a tree orphaned by the death of a supervisor.
    /// Reads the whole process table.
    pub fn everywhere(&self, roots: &[Pid], layout: &Layout) -> Tree {
        self.everywhere_at_once(roots, layout, &Attached::new(), |_| ())
    }

    /// Like [`Service::everywhere`], from one scan of the process table for many services.
    pub fn among(&self, claims: &Claims, roots: &[Pid], layout: &Layout) -> Tree {
        let candidates = claims.of(self, self.fifo(layout));
        self.everywhere_of(candidates, roots, layout, &Attached::new(), |_| ())
    }

    /// Like [`Service::everywhere`] during a stop; `on_found` gets each process as soon as it is found.
    pub fn everywhere_at_once(
        &self,
        roots: &[Pid],
        layout: &Layout,
        attached: &Attached,
        on_found: impl Fn(&Entry),
    ) -> Tree {
        self.everywhere_of(table::all_pids(), roots, layout, attached, on_found)
    }

    fn everywhere_of(
        &self,
        candidates: Vec<Pid>,
        roots: &[Pid],
        layout: &Layout,
        attached: &Attached,
        on_found: impl Fn(&Entry),
    ) -> Tree {
        let mut family = self.below(roots, layout, attached);
        let mut known: HashSet<Pid> = family.ours.iter().map(|entry| entry.pid).collect();
        let fifo = self.fifo(layout);
        let me = own_pid();
        // The youngest first: a process that forks and ends in a chain would be gone otherwise.
        for pid in candidates.into_iter().rev() {
            if Some(pid) == me || known.contains(&pid) || !table::is_ours_by_user(pid) {
                continue;
            }
            if !self.claims(pid, fifo) {
                continue;
            }
            let Some(entry) = table::entry(pid).filter(Entry::lives) else { continue };
            // The pid may have been reused: check its claim and its ancestors again.
            let is_anothers = |ancestor: &Entry| {
                let is_known = Some(ancestor.pid) == me || roots.contains(&ancestor.pid);
                self.has_detached_itself(ancestor, attached)
                    || (!is_known && self.is_supervisor(ancestor.pid))
            };
            if !self.claims(pid, fifo) || ancestors(&entry).any(|ancestor| is_anothers(&ancestor)) {
                continue;
            }
            let foreign = self.why_foreign(&entry, marker_of(pid), layout, attached);
            match foreign.or_else(|| self.writer_elsewhere(pid, layout)) {
                None => {
                    on_found(&entry);
                    known.insert(pid);
                    family.ours.push(entry);
                }
                Some(why) => family.left.push(Named { pid, start: entry.start, name: entry.name, why }),
            }
        }
        family.left.dedup_by_key(|named| named.pid);
        family
    }

    /// Returns true if a process without a marker has given up its memory, and holds no FIFO of this service:
    /// it may have been a peer's supervisor, and its end needs no action.
    fn is_ending_unclaimed(&self, pid: Pid, layout: &Layout) -> bool {
        let writes_to = |(device, inode)| table::writes_to(pid, device, inode);
        table::is_ending(pid) && !self.fifo(layout).is_some_and(writes_to)
    }

    /// True if it supervises a service of the same project, which reports it itself.
    fn is_sibling(&self, pid: Pid) -> bool {
        let marker = marker_of(pid).filter(|marker| marker.project == self.project);
        marker.is_some_and(|marker| marker.part == Part::Supervisor)
    }

    /// True if the marker of a process says that it supervises this service.
    pub fn is_supervisor(&self, pid: Pid) -> bool {
        marker_of(pid).is_some_and(|marker| self.is_named_by(&marker) && marker.part == Part::Supervisor)
    }

    /// True if a process that a record names has a sign of belonging to this service.
    pub fn is_member(&self, pid: Pid, layout: &Layout) -> bool {
        table::is_ours_by_user(pid) && self.claims(pid, self.fifo(layout))
    }

    /// Returns true if a record may be believed that a process is this service's: if the record was written
    /// here, or else if the process has a sign.
    pub fn is_believed(&self, pid: Pid, layout: &Layout) -> bool {
        self.is_member(pid, layout) || known::is_home(layout)
    }

    /// Returns the main process of a run that was not recorded, because the supervisor died while starting
    /// it: the first that leads a session. Reads the whole process table.
    pub fn unrecorded_main(&self, run: &RunId) -> Option<Entry> {
        self.unrecorded_main_of(table::all_pids(), run)
    }

    /// Like [`Service::unrecorded_main`], from one scan of the process table for many services.
    pub fn unrecorded_main_among(&self, claims: &Claims, run: &RunId) -> Option<Entry> {
        self.unrecorded_main_of(claims.of(self, None), run)
    }

    fn unrecorded_main_of(&self, candidates: Vec<Pid>, run: &RunId) -> Option<Entry> {
        let is_of_run = |&pid: &Pid| {
            let marker = marker_of(pid).filter(|marker| self.is_named_by(marker));
            table::is_ours_by_user(pid) && marker.is_some_and(|marker| marker.part == Part::Run(run.clone()))
        };
        let found = candidates.into_iter().filter(is_of_run).filter_map(table::entry);
        let leads = |entry: &Entry| entry.lives() && entry.session == entry.pid.get();
        found.filter(leads).min_by_key(|entry| (entry.start, entry.pid))
    }

    /// Returns the terminal processes that are attached to their terminal now.
    pub fn attached(&self, ours: &[Entry]) -> Attached {
        let in_terminal = |entry: &&Entry| {
            entry.has_terminal && matches!(marker_of(entry.pid), Some(Marker { part: Part::Terminal(_), .. }))
        };
        ours.iter().filter(in_terminal).map(|entry| (entry.pid, entry.start)).collect()
    }

    fn claims(&self, pid: Pid, fifo: Option<(u64, u64)>) -> bool {
        match marker_of(pid) {
            Some(marker) if self.is_named_by(&marker) => marker.part != Part::Supervisor,
            Some(_) => false,
            None => fifo.is_some_and(|(device, inode)| table::writes_to(pid, device, inode)),
        }
    }

    /// Returns the device and inode of the service's FIFO.
    fn fifo(&self, layout: &Layout) -> Option<(u64, u64)> {
        capture::fifo_identity(layout, &self.name)
    }

    /// Returns true if a process is foreign, although a scan found it with the service's.
    pub fn is_foreign(&self, entry: &Entry, layout: &Layout, attached: &Attached) -> bool {
        self.why_foreign(entry, marker_of(entry.pid), layout, attached).is_some()
    }

    /// Returns why a process is foreign, although a scan found it with the service's.
    fn why_foreign(
        &self,
        entry: &Entry,
        marker: Option<Marker>,
        layout: &Layout,
        attached: &Attached,
    ) -> Option<Fate> {
        let Some(marker) = marker else {
            let elsewhere = self.writer_elsewhere(entry.pid, layout);
            return elsewhere.or_else(|| self.in_session_of_another(entry, layout));
        };
        if !self.is_named_by(&marker) {
            return Some(match marker.project == self.project {
                true => Fate::OfService { service: marker.service },
                false => Fate::OfAnotherProject,
            });
        }
        match marker.part {
            Part::Supervisor => Some(Fate::Supervises { service: marker.service }),
            Part::Terminal(_)
                if self.has_detached_itself(entry, attached)
                    || self.is_in_detached_session(entry, attached) =>
            {
                Some(Fate::DetachedFromTerminal)
            }
            Part::Terminal(_) | Part::Run(_) => None,
        }
    }

    /// Returns the fate of a process that writes to another service's FIFO, and not to ours: without a
    /// marker, it became our child when the supervisor in between was killed; with ours, it is of another
    /// folder.
    fn writer_elsewhere(&self, pid: Pid, layout: &Layout) -> Option<Fate> {
        let is_of_a_home = |fifo: &PathBuf| Layout::lock_beside(fifo).is_some_and(|lock| lock.exists());
        let writes_to_one = table::fifos_written(pid).iter().any(is_of_a_home);
        let writes_to = |(device, inode)| table::writes_to(pid, device, inode);
        let is_foreign = writes_to_one && !self.fifo(layout).is_some_and(writes_to);
        is_foreign.then_some(Fate::WritesToAnotherLog)
    }

    /// Returns the fate of a process without a marker in the session of another service's main process. Our
    /// supervisor became its parent when that service's supervisor, which was started from below ours, was
    /// killed.
    fn in_session_of_another(&self, entry: &Entry, layout: &Layout) -> Option<Fate> {
        let session = Pid::new(entry.session)?;
        let writes_to_ours = |(device, inode)| table::writes_to(entry.pid, device, inode);
        if self.fifo(layout).is_some_and(writes_to_ours) {
            return None;
        }
        let (leader, host) = (table::entry(session), identity::host());
        let is_led = |name: &ServiceName| {
            let record = record::read(layout, name).ok().flatten();
            let main = record.and_then(|record| record.main).map(|main| main.identity);
            main.is_some_and(|main| {
                // A session id is not reused while a process is in the session.
                let is_leader =
                    leader.as_ref().map_or(main.start <= entry.start, |it| it.start == main.start);
                main.pid == session && main.host == host && is_leader
            })
        };
        let mut others = record::services(layout).ok()?.into_iter().filter(|name| *name != self.name);
        others.find(is_led).map(|service| Fate::OfService { service })
    }

    /// True if it was started in a terminal and left it.
    fn has_detached_itself(&self, entry: &Entry, attached: &Attached) -> bool {
        let marker = marker_of(entry.pid).filter(|marker| self.is_named_by(marker));
        matches!(marker, Some(Marker { part: Part::Terminal(_), .. }))
            && !attached.contains(&(entry.pid, entry.start))
            && is_detached(entry)
    }

    /// Returns true if its terminal belongs to a detached process: a process in a pane of tmux has a terminal
    /// again, and is still not the service's, whichever process inherited it there.
    fn is_in_detached_session(&self, entry: &Entry, attached: &Attached) -> bool {
        let leader = Pid::new(entry.session).filter(|&leader| leader != entry.pid).and_then(table::entry);
        let leader = leader.filter(|leader| leader.start <= entry.start);
        leader
            .is_some_and(|leader| ancestors(&leader).any(|above| self.has_detached_itself(&above, attached)))
    }

    fn is_named_by(&self, marker: &Marker) -> bool {
        marker.project == self.project && marker.service == self.name
    }
}

/// Returns its parent, the parent's parent, and so on.
fn ancestors(entry: &Entry) -> impl Iterator<Item = Entry> {
    // A parent can't be younger than its child; after a reused pid the walk ends.
    let parent = |child: &Entry| {
        Pid::new(child.parent).and_then(table::entry).filter(|parent| parent.start <= child.start)
    };
    std::iter::successors(parent(entry), parent)
}

/// Without its terminal, or ignoring SIGHUP: its user meant it to go on.
fn is_detached(entry: &Entry) -> bool {
    !entry.has_terminal || table::ignores_hangup(entry.pid)
}

#[cfg(test)]
mod tests;
