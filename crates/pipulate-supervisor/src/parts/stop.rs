//! A stop in progress: the processes found, signaled and killed, and the receipt at its end.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use pipulate_core::identity::Pid;
use pipulate_core::reason::Fate;
use pipulate_core::receipt::{Named, Receipt};
use pipulate_process::signals::Signal;
use pipulate_process::table::{Entry, RunState};

use crate::process_tree::{Attached, Tree};

/// The service's processes as stops have seen them.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    stopwatch: Option<Stopwatch>,
    /// The terminal processes that were attached to their terminal when the stop began.
    attached: Attached,
    /// Processes that an earlier stop could not end.
    earlier_survivors: Vec<Named>,
}

/// The observations of one stop so far.
#[derive(Debug)]
struct Stopwatch {
    begun: Instant,
    seen: HashMap<(Pid, u64), String>,
    asked: HashSet<(Pid, u64)>,
    forced: Vec<Named>,
    forbidden: HashSet<Pid>,
}

impl Stop {
    /// No stop. `earlier_survivors`: processes that an earlier one could not end.
    pub(crate) fn new(earlier_survivors: Vec<Named>) -> Self {
        Self { earlier_survivors, ..Self::default() }
    }

    /// Returns true during a stop, or a restart's stop.
    pub(crate) fn is_running(&self) -> bool {
        self.stopwatch.is_some()
    }

    /// Begins a stop that will end `ours`, of which `attached` are attached to a terminal.
    pub(crate) fn begin(&mut self, ours: &[Entry], attached: Attached, now: Instant) {
        self.attached = attached;
        self.stopwatch = Some(Stopwatch {
            begun: now,
            seen: HashMap::new(),
            asked: HashSet::new(),
            forced: Vec::new(),
            forbidden: HashSet::new(),
        });
        self.remember(ours);
    }

    /// Ends the stop without a receipt, and returns true if there was one: a new instance comes.
    pub(crate) fn forget(&mut self) -> bool {
        self.attached.clear();
        self.stopwatch.take().is_some()
    }

    /// Remembers processes that were found during the stop.
    pub(crate) fn remember(&mut self, ours: &[Entry]) {
        if let Some(stopwatch) = &mut self.stopwatch {
            stopwatch.seen.extend(ours.iter().map(|entry| ((entry.pid, entry.start), entry.name.clone())));
        }
    }

    /// Returns the processes found during this stop.
    pub(crate) fn seen(&self) -> impl Iterator<Item = &(Pid, u64)> {
        self.stopwatch.iter().flat_map(|stopwatch| stopwatch.seen.keys())
    }

    /// Returns the terminal processes that may have lost their terminal by this stop.
    pub(crate) fn attached(&self) -> &Attached {
        &self.attached
    }

    /// Notes that the main process is killed.
    pub(crate) fn force_main(&mut self, key: (Pid, u64), patience: Duration, now: Instant) {
        let Some(stopwatch) = &mut self.stopwatch else { return };
        let why = match now.saturating_duration_since(stopwatch.begun) < patience {
            true => Fate::KilledAtOnce,
            false => Fate::KilledAfter { timeout: patience },
        };
        let name = stopwatch.seen.get(&key).cloned().unwrap_or_default();
        stopwatch.forced.push(Named { pid: key.0, start: key.1, name, why });
    }

    /// Returns the signals for `ours`: each process gets TERM once, or KILL in every scan.
    pub(crate) fn signals(&mut self, ours: Vec<Entry>, force: bool) -> Vec<(Entry, Signal)> {
        let Some(stopwatch) = &mut self.stopwatch else { return Vec::new() };
        let mut signals = Vec::new();
        for entry in ours {
            let key = (entry.pid, entry.start);
            let is_first = stopwatch.asked.insert(key);
            if force {
                stopwatch.force(&entry);
                signals.push((entry, Signal::KILL));
            } else if is_first {
                // Shells ignore TERM and end when their terminal does.
                let hangs_up = self.attached.contains(&key).then(|| (entry.clone(), Signal::HUP));
                signals.push((entry, Signal::TERM));
                signals.extend(hangs_up);
            }
        }
        signals
    }

    /// Notes that a process belongs to another user.
    pub(crate) fn forbid(&mut self, pid: Pid) {
        if let Some(stopwatch) = &mut self.stopwatch {
            stopwatch.forbidden.insert(pid);
        }
    }

    /// Ends the stop and returns its receipt; `None` if there was none. `tree` has the remaining processes;
    /// `is_still`: whether a survivor of an earlier stop still runs.
    pub(crate) fn finish(
        &mut self,
        tree: Tree,
        is_still: impl Fn(&Named) -> bool,
        now: Instant,
    ) -> Option<Receipt> {
        let stopwatch = self.stopwatch.take()?;
        let mut survivors: Vec<Named> = tree.ours.iter().map(|entry| stopwatch.survivor(entry)).collect();
        let earlier = std::mem::take(&mut self.earlier_survivors).into_iter().filter(is_still);
        survivors.extend(earlier.filter(|old| tree.ours.iter().all(|entry| entry.pid != old.pid)));
        survivors.sort_by_key(|named| named.pid);
        let is_seen = |named: &&Named| stopwatch.seen.contains_key(&(named.pid, named.start));
        let ended = stopwatch.seen.len() - survivors.iter().filter(is_seen).count();
        Some(Receipt {
            stopped: u32::try_from(ended).unwrap_or(u32::MAX),
            seconds: now.saturating_duration_since(stopwatch.begun).as_secs_f64(),
            forced: stopwatch.forced,
            left: tree.left,
            survivors,
        })
    }
}

impl Stopwatch {
    fn force(&mut self, entry: &Entry) {
        if self.forced.iter().all(|named| named.pid != entry.pid) {
            self.forced.push(named(entry, Fate::KilledUnheeding));
        }
    }

    fn survivor(&self, entry: &Entry) -> Named {
        named(entry, why_it_survives(entry, self.forbidden.contains(&entry.pid)))
    }
}

/// Returns why a killed process still exists.
pub(crate) fn why_it_survives(entry: &Entry, is_forbidden: bool) -> Fate {
    match entry.state {
        _ if is_forbidden => Fate::OfAnotherUser,
        RunState::Uninterruptible => Fate::Uninterruptible,
        RunState::Living | RunState::Running | RunState::Dead => Fate::OutlivesKill,
    }
}

fn named(entry: &Entry, why: Fate) -> Named {
    Named { pid: entry.pid, start: entry.start, name: entry.name.clone(), why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parts::samples::entry;

    fn tree(ours: &[Entry]) -> Tree {
        Tree { ours: ours.to_vec(), ..Tree::default() }
    }

    fn begun(ours: &[Entry], now: Instant) -> Stop {
        let mut stop = Stop::default();
        stop.begin(ours, Attached::new(), now);
        stop
    }

    #[test]
    fn each_process_is_asked_once_and_killed_at_every_look() {
        let ours = [entry(11), entry(12)];
        let mut stop = begun(&ours, Instant::now());
        let signals = |stop: &mut Stop, force| {
            let signals = stop.signals(ours.to_vec(), force);
            signals.into_iter().map(|(entry, signal)| (entry.pid.get(), signal)).collect::<Vec<_>>()
        };
        assert_eq!(signals(&mut stop, false), [(11, Signal::TERM), (12, Signal::TERM)]);
        assert_eq!(signals(&mut stop, false), []);
        for _ in 0..2 {
            assert_eq!(signals(&mut stop, true), [(11, Signal::KILL), (12, Signal::KILL)]);
        }
        let receipt = stop.finish(Tree::default(), |_| false, Instant::now()).unwrap();
        assert_eq!(receipt.forced.len(), 2, "each is named once");
    }

    #[test]
    fn a_shell_that_was_attached_to_its_terminal_hears_that_it_hangs_up() {
        let shell = entry(11);
        let mut stop = Stop::default();
        stop.begin(std::slice::from_ref(&shell), Attached::from([(shell.pid, shell.start)]), Instant::now());
        let signals: Vec<_> =
            stop.signals(vec![shell], false).into_iter().map(|(_, signal)| signal).collect();
        assert_eq!(signals, [Signal::TERM, Signal::HUP]);
    }

    #[test]
    fn a_receipt_counts_what_ended_and_names_each_survivor_once() {
        let now = Instant::now();
        let (ended, stuck, foreign) = (entry(11), entry(12), entry(13));
        let mut stuck_now = stuck.clone();
        stuck_now.state = RunState::Uninterruptible;
        let earlier = [12, 20, 21].map(|pid| named(&entry(pid), Fate::OutlivesKill));
        let mut stop = Stop::new(earlier.to_vec());
        stop.begin(&[ended, stuck, foreign.clone()], Attached::new(), now);
        stop.forbid(foreign.pid);
        let is_still = |survivor: &Named| survivor.pid.get() != 21;
        let later = now + Duration::from_secs(3);
        let receipt = stop.finish(tree(&[stuck_now, foreign]), is_still, later).unwrap();
        assert_eq!((receipt.stopped, receipt.seconds), (1, 3.0));
        let pids: Vec<i32> = receipt.survivors.iter().map(|named| named.pid.get()).collect();
        assert_eq!(pids, [12, 13, 20], "an earlier survivor that is still there is named, too");
        let fates: Vec<&Fate> = receipt.survivors.iter().map(|named| &named.why).collect();
        assert_eq!(fates, [&Fate::Uninterruptible, &Fate::OfAnotherUser, &Fate::OutlivesKill]);
        assert!(stop.finish(Tree::default(), |_| true, later).is_none(), "once");
    }

    #[test]
    fn a_main_process_is_said_to_be_late_only_after_its_time() {
        let (now, main) = (Instant::now(), entry(11));
        let patience = Duration::from_secs(10);
        for (after, why) in [(0, Fate::KilledAtOnce), (10, Fate::KilledAfter { timeout: patience })] {
            let mut stop = begun(std::slice::from_ref(&main), now);
            stop.force_main((main.pid, main.start), patience, now + Duration::from_secs(after));
            let receipt = stop.finish(Tree::default(), |_| false, now).unwrap();
            assert_eq!((&receipt.forced[0].why, receipt.forced[0].name.as_str()), (&why, "worker"));
        }
    }

    #[test]
    fn without_a_stop_nothing_is_signaled() {
        let mut stop = Stop::default();
        assert!(stop.signals(vec![entry(11)], true).is_empty());
        assert!(!stop.forget() && !stop.is_running() && stop.seen().next().is_none());
    }
}
