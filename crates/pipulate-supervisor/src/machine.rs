//! The policy of supervision: what follows from what, without a clock and without I/O.
//!
//! Time is an argument. A driver tells the machine what happened and does what it answers; the
//! driver decides nothing. A stop wins from every phase. Nothing here ends a kernel, except in a
//! stop or a restart that somebody asked for.

mod backoff;
mod phase;
mod requests;
mod saves;

use std::time::{Duration, Instant};

use pipulate_core::service::RestartPolicy;
use pipulate_core::state::Wanted;
use pipulate_process::command::End;

use backoff::{Backoff, Next};
pub(crate) use phase::{Comeback, Goal, Outcome, Phase};
pub(crate) use saves::{Echo, Saves};

/// Between asking what remains to end and killing it.
const GRACE: Duration = Duration::from_secs(2);
/// After killing, before what is left counts as a survivor.
const GIVE_UP: Duration = Duration::from_secs(5);
/// Longer than anybody waits, where a configured time can't be added to the clock.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a service wants its supervisor to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    pub restart: RestartPolicy,
    /// `None`: it counts as up as soon as its exec succeeded.
    pub ready_timeout: Option<Duration>,
    pub stop_timeout: Duration,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The exec succeeded.
    Spawned,
    /// It did not, or could not be tried.
    SpawnFailed {
        why: String,
    },
    /// The same, for want of something that the system may have again in a moment.
    SpawnHindered {
        why: String,
    },
    /// Its own listener answered.
    Answered,
    MainEnded(End),
    /// Nobody is left in the main process's group.
    GroupEmpty,
    /// The same, and it ended because somebody else took its port first.
    PortLost,
    /// Nothing that belongs to the service is left.
    TreeEmpty,
    /// By a signal: the second one means "at once".
    StopRequested,
    /// It should not run, however often that is said.
    StopWanted,
    RestartRequested,
    /// Files that it is made of were saved, and they can be read.
    Saved,
    /// Time has passed.
    Tick,
}

/// What to do about it.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Nothing,
    Spawn,
    /// Send the service's stop signal to its main process.
    AskMain,
    KillMain,
    /// End what is left in the main process's group: by TERM, or at once.
    EndGroup {
        force: bool,
    },
    /// End everything that belongs to the service: by TERM, or at once.
    EndTree {
        force: bool,
    },
    /// Begin anew, with the configuration as it is now.
    Renew,
}

/// One service's life.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    policy: Policy,
    phase: Phase,
    ever_up: bool,
    starts: u32,
    backoff: Backoff,
}

impl Machine {
    /// A service that is to be started at once. `seed` is for the jitter of its delays.
    pub(crate) fn new(policy: Policy, seed: u64, now: Instant) -> Self {
        let phase = Phase::Waiting { until: now };
        Self { policy, phase, ever_up: false, starts: 0, backoff: Backoff::new(seed) }
    }

    /// A service that runs already and that another supervisor started.
    pub(crate) fn adopted(policy: Policy, seed: u64, was_up: bool, restarts: u32, now: Instant) -> Self {
        let mut machine = Self::new(policy, seed, now);
        machine.starts = restarts.saturating_add(1);
        machine.ever_up = was_up;
        machine.phase = if was_up { Phase::Up } else { machine.starting(now) };
        machine
    }

    /// A service that ended again and again and waits for its next start. How long the supervisor before
    /// this one would have waited is not known: it counts as the second end.
    pub(crate) fn backing_off(policy: Policy, seed: u64, restarts: u32, now: Instant) -> Self {
        let mut machine = Self::adopted(policy, seed, true, restarts, now);
        let (_at_once, next) = (machine.backoff.one_more(now), machine.backoff.one_more(now));
        if let Next::After(delay) = next {
            machine.phase = Phase::Waiting { until: now + delay };
        }
        machine
    }

    /// What is left of a service whose main process and supervisor are gone.
    pub(crate) fn remains(policy: Policy, now: Instant) -> Self {
        let mut machine = Self::new(policy, 1, now);
        machine.phase = Phase::Settled(Outcome::Stopped);
        machine
    }

    /// Where the service is.
    pub(crate) fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Starts after the first one; `None` before that.
    pub(crate) fn restarts(&self) -> Option<u32> {
        self.starts.checked_sub(1)
    }

    /// When [`Event::Tick`] is due, if nothing else happens before.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Waiting { until } => Some(*until),
            Phase::Starting { deadline, late } => deadline.filter(|_| !late),
            Phase::Clearing { deadline, .. } => *deadline,
            Phase::Stopping { deadline, .. } | Phase::Sweeping { deadline, .. } => Some(*deadline),
            Phase::Up | Phase::Settled(_) => None,
        }
    }

    /// What follows from `event`.
    pub(crate) fn on_event(&mut self, event: Event, now: Instant) -> Action {
        match event {
            Event::Spawned => self.on_spawned(now),
            Event::SpawnFailed { why } => self.on_spawn_failed(why),
            Event::SpawnHindered { why } => self.on_hindered(why, now),
            Event::Answered => self.on_answer(),
            Event::MainEnded(end) => self.on_main_ended(end, now),
            Event::GroupEmpty => self.on_group_empty(now),
            Event::PortLost => self.on_port_lost(now),
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
        self.phase = self.starting(now);
        self.ever_up |= self.phase == Phase::Up;
        Action::Nothing
    }

    fn starting(&self, now: Instant) -> Phase {
        match self.policy.ready_timeout {
            None => Phase::Up,
            Some(timeout) => Phase::Starting { deadline: now.checked_add(timeout), late: false },
        }
    }

    fn on_answer(&mut self) -> Action {
        if let Phase::Starting { .. } = self.phase {
            self.phase = Phase::Up;
            self.ever_up = true;
        }
        Action::Nothing
    }

    fn on_main_ended(&mut self, end: End, now: Instant) -> Action {
        match &self.phase {
            Phase::Starting { .. } | Phase::Up => {
                let was_up = self.phase == Phase::Up;
                self.phase = Phase::Clearing { end, was_up, comeback: None, deadline: Some(now + GRACE) };
                Action::EndGroup { force: false }
            }
            Phase::Stopping { goal, .. } => {
                let goal = *goal;
                self.sweep(goal, now)
            }
            Phase::Waiting { .. } | Phase::Clearing { .. } | Phase::Sweeping { .. } | Phase::Settled(_) => {
                Action::Nothing
            }
        }
    }

    fn on_group_empty(&mut self, now: Instant) -> Action {
        let Phase::Clearing { end, was_up, comeback, .. } = self.phase else { return Action::Nothing };
        if let Some(comeback) = comeback {
            return self.come_back(comeback, now);
        }
        if !was_up && !self.ever_up {
            return self.settle(Outcome::Crashed { why: format!("it {end} before it was ready") });
        }
        match (self.policy.restart, end.success()) {
            (RestartPolicy::Always, _) | (RestartPolicy::OnFailure, false) => self.again(end, now),
            (RestartPolicy::OnFailure | RestartPolicy::Never, true) => self.settle(Outcome::Exited),
            (RestartPolicy::Never, false) => self.settle(Outcome::Crashed { why: format!("it {end}") }),
        }
    }

    /// No fault of the service: it is started again on another port, as after any other failure.
    fn on_port_lost(&mut self, now: Instant) -> Action {
        match self.phase {
            Phase::Clearing { comeback: None, end, .. } => self.again(end, now),
            Phase::Clearing { comeback: Some(_), .. }
            | Phase::Waiting { .. }
            | Phase::Starting { .. }
            | Phase::Up
            | Phase::Stopping { .. }
            | Phase::Sweeping { .. }
            | Phase::Settled(_) => self.on_group_empty(now),
        }
    }

    /// There is no new instance, be it for a crash, a save or a restart. A stop that was asked for
    /// meanwhile goes on.
    fn on_spawn_failed(&mut self, why: String) -> Action {
        match self.phase.wanted() {
            Wanted::Run => self.settle(Outcome::Crashed { why }),
            Wanted::Stopped => Action::Nothing,
        }
    }

    /// What was well before is tried again later, as after a death: want passes.
    fn on_hindered(&mut self, why: String, now: Instant) -> Action {
        match self.backoff.one_more(now) {
            Next::After(delay) if self.ever_up => {
                self.phase = Phase::Waiting { until: now + delay.max(backoff::FIRST_DELAY) };
                Action::Nothing
            }
            Next::After(_) | Next::GiveUp(_) => self.settle(Outcome::Crashed { why }),
        }
    }

    fn again(&mut self, end: End, now: Instant) -> Action {
        match self.backoff.one_more(now) {
            Next::After(delay) => {
                self.phase = Phase::Waiting { until: now + delay };
                if delay.is_zero() { self.on_tick(now) } else { Action::Nothing }
            }
            Next::GiveUp(count) => {
                let window = backoff::WINDOW.as_secs();
                let why = format!("it ended {count} times within {window} s; the last time it {end}");
                self.settle(Outcome::Crashed { why })
            }
        }
    }

    fn on_tree_empty(&mut self, now: Instant) -> Action {
        match self.phase {
            Phase::Sweeping { goal, .. } => self.swept(goal, now),
            Phase::Waiting { .. }
            | Phase::Starting { .. }
            | Phase::Up
            | Phase::Clearing { .. }
            | Phase::Stopping { .. }
            | Phase::Settled(_) => Action::Nothing,
        }
    }

    fn on_tick(&mut self, now: Instant) -> Action {
        match &mut self.phase {
            Phase::Waiting { until } if *until <= now => Action::Spawn,
            Phase::Starting { deadline: Some(deadline), late } if *deadline <= now => {
                *late = true;
                Action::Nothing
            }
            Phase::Clearing { deadline, .. } if deadline.is_some_and(|deadline| deadline <= now) => {
                *deadline = None;
                Action::EndGroup { force: true }
            }
            Phase::Stopping { killed: killed @ false, deadline, .. } if *deadline <= now => {
                (*killed, *deadline) = (true, now + GIVE_UP);
                Action::KillMain
            }
            // Not even that ended it: the others can still be ended, and it is told of.
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
            | Phase::Up
            | Phase::Clearing { .. }
            | Phase::Stopping { .. }
            | Phase::Sweeping { .. }
            | Phase::Settled(_) => Action::Nothing,
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

    fn settle(&mut self, outcome: Outcome) -> Action {
        self.phase = Phase::Settled(outcome);
        Action::Nothing
    }
}

#[cfg(test)]
mod tests;
