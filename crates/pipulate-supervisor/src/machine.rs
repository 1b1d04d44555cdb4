//! The policy of supervision: a pure state machine, without a clock and without I/O.
//!
//! Time is an argument. A driver passes events to the machine and carries out its actions; the driver decides
//! nothing. A stop wins from every phase. No action ends a kernel, except in a stop or a restart on request.

mod backoff;
mod change_debouncer;
mod ending;
mod failure;
mod past;
mod phase;
mod requests;
mod self_trigger;

use std::time::{Duration, Instant};

use pipulate_core::reason::Reason;
use pipulate_core::service::RestartPolicy;
use pipulate_core::state::Wanted;
use pipulate_process::command::End;

use backoff::Backoff;
pub(crate) use change_debouncer::ChangeDebouncer;
pub(crate) use ending::ending;
pub(crate) use past::Past;
pub(crate) use phase::{Comeback, Goal, Outcome, Phase, Pressure};
pub(crate) use self_trigger::SelfTrigger;

/// Time for group members to call setsid(2) after their parent has ended with 0.
const LEAVE: Duration = Duration::from_millis(300);
/// Between TERM and KILL for the remaining processes.
const GRACE: Duration = Duration::from_secs(2);
/// After KILL, before a remaining process counts as a survivor.
const GIVE_UP: Duration = Duration::from_secs(5);
/// A practically infinite time, if a configured time can't be added to the clock.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A service's settings for its supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    pub restart: RestartPolicy,
    /// `None`: it counts as up as soon as its exec has succeeded.
    pub ready_timeout: Option<Duration>,
    pub stop_timeout: Duration,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The exec succeeded.
    Spawned,
    /// The exec failed, or could not be tried.
    SpawnFailed {
        why: Reason,
    },
    /// The start failed for lack of a resource that may be available again in a moment.
    SpawnHindered {
        why: Reason,
    },
    /// Its own listener answered.
    Answered,
    MainEnded(End),
    /// Nothing is left in the main process's group, nor in the background.
    GroupEmpty,
    /// The group is empty, but other processes of the service are left, not counting kernels.
    LeftOthers,
    /// Like `LeftOthers`, and it ended because another process took its port first. `why` is the reason if it
    /// is given up.
    PortLost {
        why: Reason,
    },
    /// No process of the service is left.
    TreeEmpty,
    /// By a signal: the second one means "at once".
    StopRequested,
    /// It should not run; repetitions change nothing.
    StopWanted,
    RestartRequested,
    /// Files that belong to it were saved, and they compile.
    Saved,
    /// Time has passed.
    Tick,
}

/// An action for the driver.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Nothing,
    Spawn,
    /// Send the service's stop signal to its main process.
    AskMain,
    KillMain,
    /// End the rest of the main process's group: by TERM, or at once.
    EndGroup {
        force: bool,
    },
    /// End every process of the service: by TERM, or at once.
    EndTree {
        force: bool,
    },
    /// Start over with the current configuration.
    Renew,
}

/// The state of one service.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    policy: Policy,
    phase: Phase,
    ever_up: bool,
    /// An earlier instance has run.
    has_run: bool,
    starts: u32,
    /// Unexpected ends since it was last healthy.
    ends: u32,
    backoff: Backoff,
}

impl Machine {
    /// Returns the current phase.
    pub(crate) fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Returns the number of starts after the first one; `None` before that.
    pub(crate) fn restarts(&self) -> Option<u32> {
        self.starts.checked_sub(1)
    }

    /// Returns the number of unexpected ends since it was last up for [`backoff::HEALTHY_AFTER`].
    pub(crate) fn unexpected_ends(&self) -> u32 {
        self.ends
    }

    /// Returns when [`Event::Tick`] is due, if there is no other event before.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Waiting { until } => Some(*until),
            Phase::Starting { deadline, late } => deadline.filter(|_| !late),
            Phase::Up { healthy_at } => *healthy_at,
            Phase::Clearing { deadline, .. }
            | Phase::Stopping { deadline, .. }
            | Phase::Sweeping { deadline, .. } => Some(*deadline),
            Phase::Background { .. } | Phase::Ended(_) => None,
        }
    }

    /// Returns the action for an event.
    pub(crate) fn on_event(&mut self, event: Event, now: Instant) -> Action {
        match event {
            Event::Spawned => self.on_spawned(now),
            Event::SpawnFailed { why } => self.on_spawn_failed(why),
            Event::SpawnHindered { why } => self.on_hindered(why, now),
            Event::Answered => self.on_answer(now),
            Event::MainEnded(end) => self.on_main_ended(end, now),
            Event::GroupEmpty => self.on_group_empty(now),
            Event::LeftOthers => self.on_left_others(now),
            Event::PortLost { why } => self.on_port_lost(why, now),
            Event::TreeEmpty => self.on_tree_empty(now),
            Event::StopRequested => self.on_stop(now),
            Event::StopWanted => self.on_stop_wanted(now),
            Event::RestartRequested => self.on_restart(Comeback::Renewed, now),
            Event::Saved => self.on_restart(Comeback::Saved, now),
            Event::Tick => self.on_tick(now),
        }
    }

    fn on_spawned(&mut self, now: Instant) -> Action {
        self.starts += 1;
        self.has_run = true;
        self.phase = self.starting(now);
        self.ever_up |= matches!(self.phase, Phase::Up { .. });
        Action::Nothing
    }

    fn starting(&self, now: Instant) -> Phase {
        match self.policy.ready_timeout {
            None => self.up(now),
            Some(timeout) => Phase::Starting { deadline: now.checked_add(timeout), late: false },
        }
    }

    fn up(&self, now: Instant) -> Phase {
        let has_failed = self.ends > 0 || !self.backoff.is_clean();
        Phase::Up { healthy_at: has_failed.then(|| now + backoff::HEALTHY_AFTER) }
    }

    fn on_answer(&mut self, now: Instant) -> Action {
        if let Phase::Starting { .. } = self.phase {
            self.phase = self.up(now);
            self.ever_up = true;
        }
        Action::Nothing
    }

    /// Handles a failed start, after a crash, a save or a restart. A stop that was requested meanwhile
    /// continues.
    fn on_spawn_failed(&mut self, why: Reason) -> Action {
        match self.phase.wanted() {
            Wanted::Run => self.end_with(Outcome::Crashed { why }),
            Wanted::Stopped => Action::Nothing,
        }
    }

    fn forget_failures(&mut self) {
        self.ends = 0;
        self.backoff.forget();
    }

    fn on_tree_empty(&mut self, now: Instant) -> Action {
        match self.phase {
            Phase::Sweeping { goal, .. } => self.swept(goal, now),
            Phase::Waiting { .. }
            | Phase::Starting { .. }
            | Phase::Up { .. }
            | Phase::Clearing { .. }
            | Phase::Background { .. }
            | Phase::Stopping { .. }
            | Phase::Ended(_) => Action::Nothing,
        }
    }

    fn on_tick(&mut self, now: Instant) -> Action {
        match &mut self.phase {
            Phase::Waiting { until } if *until <= now => Action::Spawn,
            Phase::Starting { deadline: Some(deadline), late } if *deadline <= now => {
                *late = true;
                Action::Nothing
            }
            Phase::Up { healthy_at: Some(at) } if *at <= now => {
                self.forget_failures();
                self.phase = Phase::Up { healthy_at: None };
                Action::Nothing
            }
            Phase::Clearing { pressure, deadline, end, .. } if *deadline <= now => match pressure {
                Pressure::None => {
                    (*pressure, *deadline) = (Pressure::Asked, now + GRACE);
                    Action::EndGroup { force: false }
                }
                Pressure::Asked => {
                    (*pressure, *deadline) = (Pressure::Killed, now + GIVE_UP);
                    Action::EndGroup { force: true }
                }
                // The driver adds the names of the remaining processes.
                Pressure::Killed => {
                    let why = Reason::GroupRemains { end: ending(*end) };
                    self.end_with(Outcome::Crashed { why })
                }
            },
            Phase::Stopping { killed: killed @ false, deadline, .. } if *deadline <= now => {
                (*killed, *deadline) = (true, now + GIVE_UP);
                Action::KillMain
            }
            // Even KILL did not end it: the others can still be ended, and it is reported.
            Phase::Stopping { killed: true, deadline, goal, .. } if *deadline <= now => {
                let goal = *goal;
                self.sweep(goal, now)
            }
            Phase::Sweeping { force, deadline, goal, .. } if *deadline <= now => match (*force, *goal) {
                (false, _) => {
                    (*force, *deadline) = (true, now + GIVE_UP);
                    Action::EndTree { force: true }
                }
                (true, goal) => self.swept(goal, now),
            },
            Phase::Waiting { .. }
            | Phase::Starting { .. }
            | Phase::Up { .. }
            | Phase::Clearing { .. }
            | Phase::Background { .. }
            | Phase::Stopping { .. }
            | Phase::Sweeping { .. }
            | Phase::Ended(_) => Action::Nothing,
        }
    }

    fn ask(&mut self, goal: Goal, now: Instant) -> Action {
        let deadline = now.checked_add(self.policy.stop_timeout).unwrap_or(now + A_DAY);
        self.phase = Phase::Stopping { goal, since: now, killed: false, deadline };
        Action::AskMain
    }

    fn sweep(&mut self, goal: Goal, now: Instant) -> Action {
        self.phase = Phase::Sweeping { goal, since: now, force: false, deadline: now + GRACE };
        Action::EndTree { force: false }
    }

    fn end_with(&mut self, outcome: Outcome) -> Action {
        self.phase = Phase::Ended(outcome);
        Action::Nothing
    }
}

#[cfg(test)]
mod tests;
