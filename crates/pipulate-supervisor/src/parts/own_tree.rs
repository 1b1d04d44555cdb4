//! Own tree: the processes of the service, and ending them.
//!
//! Only a stop or a restart ends more than the main process's group: kernels have groups of their own.

use std::time::{Duration, Instant};

use pipulate_core::identity::{Host, Pid, ProcessIdentity};
use pipulate_core::layout::Layout;
use pipulate_core::reason::{Reason, Remnant};
use pipulate_core::receipt::Receipt;
use pipulate_process::identity::{SignalError, Verified};
use pipulate_process::reaper;
use pipulate_process::signals::Signal;
use pipulate_process::table::{self, Entry};

use super::main_process::{Main, MainProcess, Process as _};
use super::stop::{Stop, why_it_survives};
use crate::process_tree::{Service, Tree};
use crate::{kernels, ownership};

/// Empty scans needed before the tree counts as empty, without a better proof.
const EMPTY_LOOKS: u32 = 3;
/// Empty scans needed while the FIFO still has writers: a process that forks and ends in a chain is hard to
/// see.
const EMPTY_LOOKS_WITH_WRITERS: u32 = 100;

/// The service's main process, its other processes, and the stop that ends them.
#[derive(Debug)]
pub(crate) struct OwnTree {
    pub(crate) service: Service,
    pub(crate) main: MainProcess,
    pub(crate) stop: Stop,
    me: Pid,
    host: Host,
    /// A supervisor's death orphaned the tree: its processes are anywhere, not only below this one.
    is_orphaned: bool,
    empty_looks: u32,
    /// The scan that began the end of the tree was empty: it counts as the first one.
    found_nothing: bool,
    /// We have no children, according to the kernel: no further scan is needed.
    is_childless: bool,
}

/// The result of scanning a tree that is being ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Some of it is left.
    Left,
    /// Nothing was found in this scan.
    NotSeen,
    /// Nothing is left.
    Empty,
}

impl OwnTree {
    pub(crate) fn new(
        service: Service,
        me: &ProcessIdentity,
        main: MainProcess,
        stop: Stop,
        is_orphaned: bool,
    ) -> Self {
        let (me, host) = (me.pid, me.host.clone());
        let (empty_looks, found_nothing, is_childless) = (0, false, false);
        Self { service, main, stop, me, host, is_orphaned, empty_looks, found_nothing, is_childless }
    }

    /// Returns whether the tree was orphaned by a supervisor's death.
    pub(crate) fn is_orphaned(&self) -> bool {
        self.is_orphaned
    }

    /// Returns true if the service's processes may be outside of this supervisor's descendants.
    fn is_scattered(&self) -> bool {
        self.is_orphaned || !reaper::KEEPS_ORPHANS
    }

    /// Finds the service's processes.
    pub(crate) fn find(&self, layout: &Layout) -> Tree {
        self.find_at_once(layout, |_| ())
    }

    /// Returns the service's pids.
    pub(crate) fn pids(&self, layout: &Layout) -> Vec<Pid> {
        self.find(layout).ours.into_iter().map(|entry| entry.pid).collect()
    }

    /// Finds the members of the main process's group, without the main process.
    pub(crate) fn group(&self, layout: &Layout) -> Vec<Entry> {
        let Some(leader) = self.main.group() else { return Vec::new() };
        self.find(layout).ours.into_iter().filter(|entry| is_in_group(entry, leader)).collect()
    }

    /// Names the members of an ended instance's group, beside which no new instance may start.
    pub(crate) fn in_the_way(&self, layout: &Layout) -> Option<Reason> {
        if self.main.running().is_some() {
            return None;
        }
        let remnant = |entry: Entry| {
            let why = why_it_survives(&entry, !table::is_ours_by_user(entry.pid));
            Remnant { pid: entry.pid, name: entry.name, why }
        };
        let processes: Vec<Remnant> = self.group(layout).into_iter().map(remnant).collect();
        (!processes.is_empty()).then_some(Reason::PreviousRemains { processes })
    }

    /// Returns the service's processes without its kernels and their children, which don't keep a service
    /// from ending.
    pub(crate) fn without_kernels(&self, layout: &Layout) -> Vec<Entry> {
        kernels::without_kernels(self.find(layout).ours)
    }

    /// Begins a stop, unless one is under way.
    pub(crate) fn begin_stop(&mut self, layout: &Layout, now: Instant) {
        if !self.stop.is_running() {
            let ours = self.find(layout).ours;
            let attached = self.service.attached(&ours);
            self.stop.begin(&ours, attached, now);
            self.is_childless = false;
        }
    }

    /// Notes that the main process is killed after its `patience`, or at once.
    pub(crate) fn note_killed_main(&mut self, patience: Duration, now: Instant) {
        if let Some(main) = self.main.main() {
            let key = main.key();
            self.stop.force_main(key, patience, now);
        }
    }

    /// Signals the main process. Returns `false` if none runs: it ended, or only its group was found.
    pub(crate) fn signal_main(&self, signal: Signal) -> bool {
        let Some(main) = self.main.running() else { return false };
        if let Err(error) = main.process.signal(signal) {
            tracing::warn!(service = %self.service.name, "{error}");
        }
        true
    }

    /// Ends the rest of the main process's group after an unexpected death, by TERM or KILL.
    pub(crate) fn end_group(&mut self, force: bool, layout: &Layout) {
        let signal = if force { Signal::KILL } else { Signal::TERM };
        if let MainProcess::Ended(leader) = &self.main
            && leader.signal_group(signal).is_ok()
        {
            return;
        }
        let Some(leader) = self.main.group() else { return };
        if force {
            self.kill_while_finding(layout, |entry| is_in_group(entry, leader));
        } else {
            for entry in self.group(layout) {
                self.signal(&entry, signal);
            }
        }
    }

    /// Ends every process of the service: each process once by TERM, or by KILL in every scan.
    pub(crate) fn end_all(&mut self, force: bool, layout: &Layout, now: Instant) {
        self.begin_stop(layout, now);
        let ours = self.find(layout).ours;
        self.found_nothing = ours.is_empty() && !self.is_orphaned;
        self.end(ours, force);
    }

    fn end(&mut self, ours: Vec<Entry>, force: bool) {
        self.stop.remember(&ours);
        for (entry, signal) in self.stop.signals(ours, force) {
            self.signal(&entry, signal);
        }
    }

    /// Checks whether a tree that is being ended is empty, and ends new processes since the last scan.
    /// `kept`: a child that is not the service's.
    pub(crate) fn look(
        &mut self,
        force: bool,
        has_writers: bool,
        kept: Option<Pid>,
        layout: &Layout,
    ) -> Look {
        let ours = match (std::mem::take(&mut self.found_nothing), force) {
            (true, _) => Vec::new(),
            (false, true) => self.kill_while_finding(layout, |_| true).ours,
            (false, false) => self.find(layout).ours,
        };
        if !ours.is_empty() {
            self.empty_looks = 0;
            self.end(ours, force);
            return Look::Left;
        }
        // Zombies would count as children.
        self.main.forget();
        reaper::reap_others(kept.as_slice());
        let has_children = reaper::has_children();
        self.is_childless = !has_children && !self.is_orphaned;
        match self.is_proved_empty(has_children, has_writers) {
            true => Look::Empty,
            false => Look::NotSeen,
        }
    }

    /// Ends the stop and returns its receipt; `None` if there was none.
    pub(crate) fn finish_stop(&mut self, layout: &Layout, now: Instant) -> Option<Receipt> {
        if !self.stop.is_running() {
            return None;
        }
        let tree = if self.is_childless { Tree::default() } else { self.find(layout) };
        self.stop.finish(tree, ownership::is_still, now)
    }

    /// Kills processes during the scan, and returns all: a process that forks and ends in a chain would be
    /// another one by the end of the scan.
    fn kill_while_finding(&self, layout: &Layout, is_meant: impl Fn(&Entry) -> bool) -> Tree {
        self.find_at_once(layout, |entry| {
            if is_meant(entry)
                && let Ok(Some(verified)) = Verified::pin(&self.identity(entry), &self.host)
            {
                // A process of another user is noted by `signal`.
                let _told_later = verified.signal(Signal::KILL);
            }
        })
    }

    /// In a scattered tree, `on_found` is called with each process as soon as it is found.
    fn find_at_once(&self, layout: &Layout, on_found: impl Fn(&Entry)) -> Tree {
        let seen = self.seen_before(layout);
        let main = self.main.main();
        let adopted = main.filter(|main| !main.process.is_child()).map(Main::pid);
        let roots: Vec<Pid> =
            [self.me].into_iter().chain(adopted).chain(seen.iter().map(|entry| entry.pid)).collect();
        let attached = self.stop.attached();
        let identity = main.map(|main| main.process.verified().identity());
        let mut tree = match self.is_scattered() {
            true => self.service.everywhere_at_once(&roots, layout, attached, on_found),
            false => self.service.below_with(identity, &roots, layout, attached),
        };
        // A verified main process is the service's, whatever its environment shows by now.
        let main = main.filter(|main| tree.ours.iter().all(|entry| entry.pid != main.pid()));
        let main = main.filter(|main| main.process.verified().lives());
        let main = main.and_then(|main| table::entry(main.pid()));
        for entry in main.into_iter().chain(seen) {
            if tree.ours.iter().all(|other| other.pid != entry.pid) {
                tree.ours.push(entry);
            }
        }
        tree
    }

    /// Returns the processes that this stop has found and that are alive. In a scattered tree, the children
    /// of an ended process are not inherited by us, and that process may have been their only link to the
    /// service.
    fn seen_before(&self, layout: &Layout) -> Vec<Entry> {
        if !self.is_scattered() {
            return Vec::new();
        }
        let same = |&(pid, start): &(Pid, u64)| {
            table::entry(pid).filter(|entry| entry.lives() && entry.start == start)
        };
        let ours = |entry: &Entry| !self.service.is_foreign(entry, layout, self.stop.attached());
        self.stop.seen().filter_map(same).filter(ours).collect()
    }

    /// Returns true if an empty scan proves that nothing is left.
    ///
    /// A process that forks and ends in a chain evades every scan. Having no child at all is a proof; while
    /// other children than the service's remain, or if the tree is scattered, several successive empty scans
    /// are needed, and many while a process could still write to the log.
    fn is_proved_empty(&mut self, has_children: bool, has_writers: bool) -> bool {
        self.empty_looks += 1;
        let is_proved = !self.is_scattered() && !has_children;
        let enough = if has_writers { EMPTY_LOOKS_WITH_WRITERS } else { EMPTY_LOOKS };
        let is_empty = is_proved || self.empty_looks >= enough;
        if is_empty {
            self.empty_looks = 0;
        }
        is_empty
    }

    /// Sends a signal to a process after verifying it again.
    fn signal(&mut self, entry: &Entry, signal: Signal) {
        let service = &self.service.name;
        let pinned = Verified::pin(&self.identity(entry), &self.host);
        match pinned.map(|found| found.map(|verified| verified.signal(signal))) {
            Ok(None | Some(Ok(()))) => {}
            Ok(Some(Err(SignalError::Forbidden { pid }))) => self.stop.forbid(pid),
            Ok(Some(Err(error @ SignalError::Failed { .. }))) => tracing::warn!(%service, "{error}"),
            Err(liveness) => {
                tracing::warn!(%service, "process {} was not signaled: {liveness:?}", entry.pid);
            }
        }
    }

    fn identity(&self, entry: &Entry) -> ProcessIdentity {
        ProcessIdentity { pid: entry.pid, start: entry.start, host: self.host.clone() }
    }
}

/// Returns true if a process is a member of a group that `leader` leads or led.
fn is_in_group(entry: &Entry, leader: Pid) -> bool {
    entry.group == leader.get() && entry.pid != leader
}

#[cfg(test)]
mod tests {
    use pipulate_process::identity;

    use super::*;
    use crate::parts::samples;

    fn tree(is_orphaned: bool) -> OwnTree {
        let (_folder, layout) = samples::home();
        let service = Service::of(&layout, &samples::name("worker"));
        let me = identity::own(&identity::host()).unwrap();
        OwnTree::new(service, &me, MainProcess::None, Stop::default(), is_orphaned)
    }

    /// Returns how many successive empty scans are needed.
    fn looks(tree: &mut OwnTree, has_children: bool, has_writers: bool) -> u32 {
        1 + (0..1000).take_while(|_| !tree.is_proved_empty(has_children, has_writers)).count() as u32
    }

    #[test]
    fn having_no_child_proves_that_a_whole_tree_is_empty_and_an_orphaned_one_needs_several_looks() {
        let mut whole = tree(false);
        assert_eq!(looks(&mut whole, false, false), 1);
        assert_eq!(looks(&mut whole, true, false), EMPTY_LOOKS);
        assert_eq!(looks(&mut whole, true, true), EMPTY_LOOKS_WITH_WRITERS);
        let mut orphaned = tree(true);
        assert_eq!(looks(&mut orphaned, false, false), EMPTY_LOOKS);
        assert_eq!(looks(&mut orphaned, false, true), EMPTY_LOOKS_WITH_WRITERS);
    }

    #[test]
    fn without_a_main_process_there_is_nothing_to_ask_and_no_group_to_end() {
        let (_folder, layout) = samples::home();
        let mut tree = tree(false);
        assert!(!tree.signal_main(Signal::TERM));
        tree.end_group(true, &layout);
        assert!(tree.group(&layout).is_empty() && tree.finish_stop(&layout, Instant::now()).is_none());
    }
}
