//! One service's part of a request, with the steps taken so far.

use std::time::{Duration, Instant};

use pipulate_core::identity::Pid;
use pipulate_core::marker::RunId;
use pipulate_store::record::Record;
use pipulate_supervisor::ownership::Ownership;

use super::{Ask, Launch, Observed, Step, is_restarting, run_of};
use crate::request::{Desired, StopOptions};

/// Number of further supervisors that are launched for a start: each may exit for another one, or be killed.
pub(super) const LAUNCHES: u32 = 11;
/// How often a stop or restart is requested again, because a supervisor ended or a new one came meanwhile.
pub(super) const ATTEMPTS: u32 = 5;
/// How long a new supervisor may take to take its service over.
pub(super) const TAKES_OVER: Duration = Duration::from_secs(5);
/// The interval for repeating [`Step::Hurry`].
pub(super) const INSIST: Duration = Duration::from_millis(50);

/// The desired state of one service, and the steps taken so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Goal {
    pub aim: Aim,
    /// True if it is enough that the service has begun.
    pub begins_only: bool,
    pub deadline: Option<Instant>,
    pub stop: StopOptions,
    /// The generation that the request refers to.
    pub decided_on: Option<RunId>,
    /// This stop has withdrawn the service from a start in progress.
    pub withdrew: bool,
    /// The start was interrupted: nothing more is begun, and begun services are awaited only until they have
    /// begun.
    pub(super) is_cancelled: bool,
    pub(super) memory: Memory,
}

/// The desired result for one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    Start,
    Stop,
    Restart,
    /// Its supervisor runs the home's program; the service goes on.
    Upgrade,
}

/// The memory of a goal.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Memory {
    /// The record before the first step, or before the last launch.
    pub(super) before: Option<Record>,
    /// The run of the instance before.
    pub(super) run: Option<RunId>,
    pub(super) has_looked: bool,
    pub(super) was_supervised: bool,
    /// True if any process of it was alive, or may have been.
    pub(super) was_alive: bool,
    pub(super) launches: u32,
    pub(super) attempts: u32,
    pub(super) asked: Option<Ask>,
    pub(super) asked_of: Option<Pid>,
    pub(super) hurry_at: Option<Instant>,
    /// The supervisor to signal was gone, or never supervised.
    pub(super) has_vanished: bool,
    /// Nothing has to end first: the restart is a start.
    pub(super) is_start: bool,
}

impl Goal {
    /// Returns a goal without any steps taken.
    pub fn new(aim: impl Into<Aim>) -> Self {
        Self {
            aim: aim.into(),
            begins_only: false,
            deadline: None,
            stop: StopOptions::default(),
            decided_on: None,
            withdrew: false,
            is_cancelled: false,
            memory: Memory { launches: LAUNCHES, attempts: ATTEMPTS, ..Memory::default() },
        }
    }

    /// Remembers the first look.
    pub fn looked(&mut self, seen: &Observed) {
        if self.memory.has_looked {
            return;
        }
        self.memory.has_looked = true;
        self.remember(seen);
    }

    fn remember(&mut self, seen: &Observed) {
        self.memory.before = seen.record.clone();
        self.memory.run = seen.record.as_ref().and_then(run_of);
        self.memory.was_supervised = matches!(seen.owner, Ownership::Supervised(_));
        self.memory.was_alive = seen.owner != Ownership::Gone;
    }

    /// Remembers that a step was carried out.
    pub fn did(&mut self, step: &Step, seen: &Observed, now: Instant) {
        let memory = &mut self.memory;
        match step {
            Step::Ask(ask) => {
                memory.asked_of = Some(ask.supervisor());
                memory.asked = Some(ask.clone());
                memory.has_vanished = false;
                match ask {
                    Ask::Begin { .. } | Ask::Upgrade { .. } => {}
                    Ask::Restart { .. } => memory.attempts = memory.attempts.saturating_sub(1),
                    Ask::Stop { .. } | Ask::StopLost { .. } => self.stop_was_asked(seen, now),
                }
            }
            Step::Join(_) => {
                memory.has_vanished = false;
                match self.aim {
                    Aim::Stop => self.stop_was_asked(seen, now),
                    Aim::Start | Aim::Restart | Aim::Upgrade => {
                        memory.attempts = memory.attempts.saturating_sub(1)
                    }
                }
            }
            Step::Launch(Launch::Start) => {
                memory.launches = memory.launches.saturating_sub(1);
                if memory.launches + 1 < LAUNCHES || memory.was_supervised {
                    memory.before = seen.record.clone();
                }
                memory.asked = None;
            }
            Step::Launch(Launch::Adopt) => memory.launches = memory.launches.saturating_sub(1),
            Step::Launch(Launch::Stop) => self.stop_was_asked(seen, now),
            Step::Hurry => memory.hurry_at = now.checked_add(INSIST),
            Step::BecomeStart => {
                memory.is_start = true;
                memory.asked = None;
                memory.launches = LAUNCHES;
                self.remember(seen);
            }
            Step::Wait | Step::Look(_) | Step::RecordStopped | Step::End(_) => {}
        }
    }

    fn stop_was_asked(&mut self, seen: &Observed, now: Instant) {
        let memory = &mut self.memory;
        memory.attempts = memory.attempts.saturating_sub(1);
        let patience = if self.stop.force { Some(INSIST) } else { self.stop.timeout };
        memory.hurry_at = patience.and_then(|patience| now.checked_add(patience));
        // A restart in progress gives it another generation.
        let lasting = seen.record.as_ref().filter(|record| !is_restarting(record));
        let generation = lasting.and_then(|record| record.generation.clone());
        self.decided_on = generation.or(self.decided_on.take());
    }

    /// Remembers that the supervisor to signal had ended.
    pub fn vanished(&mut self) {
        self.memory.has_vanished = true;
        self.memory.attempts = self.memory.attempts.saturating_sub(1);
    }

    /// Begins nothing more for it, and waits only until a launched supervisor has taken the service over.
    pub fn cancel(&mut self, now: Instant) {
        if !self.is_cancelled && self.aim != Aim::Stop {
            (self.is_cancelled, self.begins_only) = (true, true);
            self.deadline = now.checked_add(TAKES_OVER);
        }
    }

    /// True if this request started the current instance, or is about to: not if it took it over.
    pub fn began(&self, seen: &Observed) -> bool {
        let run = seen.record.as_ref().and_then(run_of);
        let is_other_run = run.is_some() && run != self.memory.run;
        seen.awaited.is_living_child() && (!self.memory.was_alive || is_other_run)
    }

    /// Returns when to decide again without news.
    pub fn wakes_at(&self) -> Option<Instant> {
        match self.aim {
            Aim::Stop => self.memory.hurry_at,
            Aim::Start | Aim::Restart | Aim::Upgrade => self.deadline,
        }
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

impl From<Desired> for Aim {
    fn from(desired: Desired) -> Self {
        match desired {
            Desired::Running => Self::Start,
            Desired::Stopped => Self::Stop,
            Desired::Restarted => Self::Restart,
        }
    }
}
