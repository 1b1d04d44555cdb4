//! Ending a service: its main process, its group, and everything that it started.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use pipulate_core::identity::{Host, Pid, ProcessIdentity};
use pipulate_core::reason::{Fate, Reason, Remnant};
use pipulate_process::command::End;
use pipulate_process::identity::{SignalError, Verified};
use pipulate_process::signals::Signal;
use pipulate_process::table::{Entry, RunState};
use pipulate_process::{reaper, table};
use pipulate_store::record::{Named, Receipt};
use pipulate_store::{files, sockets};

use super::{Driver, Main};
use crate::jupyter;
use crate::machine::{Event, Outcome, Phase, Pressure};
use crate::ownership;
use crate::process_tree::Tree;

/// So many looks in a row that find nothing count as a proof where there is no better one.
const EMPTY_LOOKS: u32 = 3;
/// The same while somebody holds the FIFO: one that forks and ends in a chain is hard to see.
const EMPTY_LOOKS_WITH_WRITERS: u32 = 100;

/// What a stop has seen so far.
pub(super) struct Stopwatch {
    begun: Instant,
    seen: HashMap<(Pid, u64), String>,
    asked: HashSet<(Pid, u64)>,
    forced: Vec<Named>,
    forbidden: HashSet<Pid>,
}

impl Driver {
    pub(super) fn ask_main(&mut self) {
        self.begin_stop();
        self.signal_main(self.spec.stop.signal.into());
    }

    pub(super) fn kill_main(&mut self) {
        if let Some(main) = &self.main
            && let Some(stopwatch) = &mut self.stopwatch
        {
            let patience = self.spec.stop.timeout;
            let why = match stopwatch.begun.elapsed() < patience {
                true => Fate::KilledAtOnce,
                false => Fate::KilledAfter { timeout: patience },
            };
            let name = stopwatch.seen.get(&main.key()).cloned().unwrap_or_default();
            stopwatch.forced.push(Named { pid: main.pid(), start: main.key().1, name, why });
        }
        self.signal_main(Signal::KILL);
    }

    /// Ends what an unexpected death left in the main process's group; kernels have groups of
    /// their own and stay.
    pub(super) fn end_group(&mut self, force: bool) {
        let signal = if force { Signal::KILL } else { Signal::TERM };
        match &self.main {
            Some(main) if main.is_child => reaper::signal_group_of_child(main.pid(), signal),
            Some(main) if main.verified.signal_group(signal).is_ok() => {}
            Some(_) | None if force => drop(self.kill_at_sight(|entry| self.is_group_member(entry))),
            Some(_) | None => {
                for entry in self.group_members() {
                    self.signal_entry(&entry, signal);
                }
            }
        }
    }

    /// Ends everything that is the service's: each process once by TERM, or by KILL at every look.
    pub(super) fn end_tree(&mut self, force: bool) {
        self.begin_stop();
        let ours = self.family().ours;
        self.remember(&ours);
        self.end_all(ours, force);
    }

    fn end_all(&mut self, ours: Vec<Entry>, force: bool) {
        for entry in ours {
            let key = (entry.pid, entry.start);
            let Some(stopwatch) = &mut self.stopwatch else { return };
            let first = stopwatch.asked.insert(key);
            if force && stopwatch.forced.iter().all(|named| named.pid != entry.pid) {
                stopwatch.forced.push(Named {
                    pid: entry.pid,
                    start: entry.start,
                    name: entry.name.clone(),
                    why: Fate::KilledUnheeding,
                });
            }
            if force {
                self.signal_entry(&entry, Signal::KILL);
            } else if first {
                self.signal_entry(&entry, Signal::TERM);
                // Shells ignore TERM; the end of their terminal is what they listen to.
                if self.attached.contains(&key) {
                    self.signal_entry(&entry, Signal::HUP);
                }
            }
        }
    }

    /// Looks whether the group, or the tree, that is being ended has become empty.
    pub(super) fn look_at_the_tree(&mut self) {
        match *self.machine.phase() {
            Phase::Clearing { end, pressure, .. } => self.look_at_the_group(end, pressure),
            Phase::Background { .. } => self.look_at_the_background(),
            Phase::Sweeping { force, .. } => {
                let ours = if force { self.kill_at_sight(|_| true).ours } else { self.family().ours };
                self.remember(&ours);
                if ours.is_empty() {
                    self.forget_main();
                    if self.is_proved_empty() {
                        self.tell(Event::TreeEmpty);
                    }
                } else {
                    self.empty_looks = 0;
                    // Whoever was born since the last look is asked, or killed, like the others.
                    self.end_all(ours, force);
                }
            }
            Phase::Waiting { .. }
            | Phase::Starting { .. }
            | Phase::Up { .. }
            | Phase::Stopping { .. }
            | Phase::Settled(_) => {}
        }
    }

    /// Checks whether the group of the ended main process is empty, and what else is left.
    fn look_at_the_group(&mut self, end: End, pressure: Pressure) {
        if !self.group_members().is_empty() {
            // Also kills members forked since the last check.
            if pressure == Pressure::Killed {
                self.end_group(true);
            }
            return;
        }
        self.forget_main();
        let event = match std::mem::take(&mut self.port_lost) {
            true => Event::PortLost { why: self.why_robbed() },
            false if end.success() && !self.in_background().is_empty() => Event::LeftOthers,
            false => Event::GroupEmpty,
        };
        self.tell(event);
        if let Phase::Background { .. } = self.machine.phase() {
            self.look_at_the_background();
        }
    }

    /// Names the members of an ended instance's group that could not be ended. No new instance may start
    /// beside them.
    pub(super) fn in_the_way(&self) -> Option<Reason> {
        let has_ended = self.main.as_ref().is_none_or(|main| main.ended.is_some());
        let members = if has_ended { self.group_members() } else { Vec::new() };
        let named = |entry: &Entry| {
            let why = why_it_survives(entry, !table::is_ours_by_user(entry.pid));
            Remnant { pid: entry.pid, name: entry.name.clone(), why }
        };
        (!members.is_empty())
            .then(|| Reason::PreviousRemains { processes: members.iter().map(named).collect() })
    }

    /// By the time that everybody has been looked at, one that forks and ends in a chain is another
    /// one: each is killed when it is found. Whoever may not be is told of by [`Driver::end_all`].
    fn kill_at_sight(&self, is_meant: impl Fn(&Entry) -> bool) -> Tree {
        self.family_at_once(|entry| {
            if !is_meant(entry) {
                return;
            }
            let identity = identity_of(entry.pid, entry.start, &self.host);
            if let Ok(Some(verified)) = Verified::pin(&identity, &self.host) {
                let _told_of_later = verified.signal(Signal::KILL);
            }
        })
    }

    /// One look at a tree that changes while it is looked at proves nothing: a process that forks
    /// and ends in a chain is always where nobody looked yet. No child at all is a proof; where
    /// children remain that are not the service's, or it was adopted, several looks have to do,
    /// and many as long as anybody could still write to its log.
    fn is_proved_empty(&mut self) -> bool {
        self.empty_looks += 1;
        let proved = !self.torn && !reaper::has_children();
        let enough = if self.log.has_writers() { EMPTY_LOOKS_WITH_WRITERS } else { EMPTY_LOOKS };
        if proved || self.empty_looks >= enough {
            self.empty_looks = 0;
            return true;
        }
        false
    }

    /// What the stop did, once it is over.
    pub(super) fn receipt(&mut self) -> Option<Receipt> {
        let Phase::Settled(Outcome::Stopped) = self.machine.phase() else { return None };
        let family = self.family();
        let stopwatch = self.stopwatch.take()?;
        let mut survivors: Vec<Named> = family.ours.iter().map(|entry| stopwatch.survivor(entry)).collect();
        let earlier = std::mem::take(&mut self.earlier_survivors).into_iter().filter(ownership::is_still);
        survivors.extend(earlier.filter(|old| family.ours.iter().all(|entry| entry.pid != old.pid)));
        survivors.sort_by_key(|named| named.pid);
        let is_seen = |named: &&Named| stopwatch.seen.contains_key(&(named.pid, named.start));
        let ended = stopwatch.seen.len() - survivors.iter().filter(is_seen).count();
        if survivors.is_empty() {
            self.clean_up();
        }
        Some(Receipt {
            stopped: u32::try_from(ended).unwrap_or(u32::MAX),
            seconds: stopwatch.begun.elapsed().as_secs_f64(),
            forced: stopwatch.forced,
            left: family.left,
            survivors,
        })
    }

    fn begin_stop(&mut self) {
        if self.stopwatch.is_some() {
            return;
        }
        self.stopwatch = Some(Stopwatch {
            begun: Instant::now(),
            seen: HashMap::new(),
            asked: HashSet::new(),
            forced: Vec::new(),
            forbidden: HashSet::new(),
        });
        let ours = self.family().ours;
        self.attached = self.service.attached(&ours);
        self.remember(&ours);
    }

    fn remember(&mut self, ours: &[Entry]) {
        if let Some(stopwatch) = &mut self.stopwatch {
            stopwatch.seen.extend(ours.iter().map(|entry| ((entry.pid, entry.start), entry.name.clone())));
        }
    }

    /// Those that this stop has found and that live. Where the tree was torn, nobody inherits the
    /// children of one that it ended, and that one may have been all that tied them to the service.
    pub(super) fn seen_before(&self) -> Vec<Entry> {
        let found = self.stopwatch.iter().filter(|_| self.torn).flat_map(|stopwatch| stopwatch.seen.keys());
        let is_the_same = |&(pid, start): &(Pid, u64)| {
            table::entry(pid).filter(|entry| entry.lives() && entry.start == start)
        };
        found
            .filter_map(is_the_same)
            .filter(|entry| !self.service.is_strange(entry, &self.layout, &self.attached))
            .collect()
    }

    pub(super) fn group_members(&self) -> Vec<Entry> {
        if self.group().is_none() {
            return Vec::new();
        }
        self.family().ours.into_iter().filter(|entry| self.is_group_member(entry)).collect()
    }

    /// The main process's group: its own number.
    fn group(&self) -> Option<Pid> {
        self.main.as_ref().map(Main::pid).or(self.lost_group)
    }

    fn is_group_member(&self, entry: &Entry) -> bool {
        self.group().is_some_and(|leader| entry.group == leader.get() && entry.pid != leader)
    }

    fn forget_main(&mut self) {
        if let Some(main) = self.main.take().filter(|main| main.is_child && main.ended.is_some()) {
            reaper::reap(main.pid());
        }
        self.lost_group = None;
        self.journal.main_forgotten();
    }

    fn signal_main(&mut self, signal: Signal) {
        let Some(main) = self.main.as_ref().filter(|main| main.ended.is_none()) else {
            // Nothing to wait for: it ended, or only its remains were found.
            self.tell(Event::MainEnded(End::Unknown));
            return;
        };
        if let Err(error) = main.verified.signal(signal) {
            self.journal.complain(&error.to_string());
        }
    }

    fn signal_entry(&mut self, entry: &Entry, signal: Signal) {
        let identity = identity_of(entry.pid, entry.start, &self.host);
        match Verified::pin(&identity, &self.host).map(|found| found.map(|verified| verified.signal(signal)))
        {
            Ok(None | Some(Ok(()))) => {}
            Ok(Some(Err(SignalError::Forbidden { pid }))) => {
                if let Some(stopwatch) = &mut self.stopwatch {
                    stopwatch.forbidden.insert(pid);
                }
            }
            Ok(Some(Err(error @ SignalError::Failed { .. }))) => self.journal.complain(&error.to_string()),
            Err(liveness) => {
                self.journal.complain(&format!("process {} was left alone: {liveness:?}", entry.pid))
            }
        }
    }

    /// After a stop nothing that JupyterLab or the app left behind means anything.
    fn clean_up(&self) {
        if let Some(token) = &self.spec.token {
            self.journal.complain_of(files::remove(token));
        }
        let Some(runtime) = &self.spec.jupyter_runtime else { return };
        for file in jupyter::left_files(runtime) {
            self.journal.complain_of(files::remove(&file));
        }
        sockets::clean(&self.layout);
    }
}

impl Stopwatch {
    fn survivor(&self, entry: &Entry) -> Named {
        let why = why_it_survives(entry, self.forbidden.contains(&entry.pid));
        Named { pid: entry.pid, start: entry.start, name: entry.name.clone(), why }
    }
}

fn why_it_survives(entry: &Entry, is_forbidden: bool) -> Fate {
    match entry.state {
        _ if is_forbidden => Fate::OfAnotherUser,
        RunState::Uninterruptible => Fate::Uninterruptible,
        RunState::Living | RunState::Running | RunState::Dead => Fate::OutlivesKill,
    }
}

impl Main {
    fn key(&self) -> (Pid, u64) {
        (self.record.identity.pid, self.record.identity.start)
    }
}

pub(super) fn identity_of(pid: Pid, start: u64, host: &Host) -> ProcessIdentity {
    ProcessIdentity { pid, start, host: host.clone() }
}
