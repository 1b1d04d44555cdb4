//! Transitions after requests: a stop, a restart, a save.

use std::time::{Duration, Instant};

use super::{Action, Comeback, GIVE_UP, Goal, Machine, Outcome, Phase};

/// Two stop signals within this time are one request: only a later one means "at once".
pub(super) const ONE_REQUEST: Duration = Duration::from_millis(100);

impl Machine {
    /// A stop in progress continues unchanged.
    pub(super) fn on_stop_wanted(&mut self, now: Instant) -> Action {
        match self.phase {
            Phase::Stopping { goal: Goal::Stop, .. } | Phase::Sweeping { goal: Goal::Stop, .. } => {
                Action::Nothing
            }
            Phase::Stopping { goal: Goal::Restart(_), .. }
            | Phase::Sweeping { goal: Goal::Restart(_), .. }
            | Phase::Waiting { .. }
            | Phase::Starting { .. }
            | Phase::Up { .. }
            | Phase::Clearing { .. }
            | Phase::Background { .. }
            | Phase::Ended(_) => self.on_stop(now),
        }
    }

    pub(super) fn on_stop(&mut self, now: Instant) -> Action {
        match &mut self.phase {
            Phase::Starting { .. } | Phase::Up { .. } => self.ask(Goal::Stop, now),
            Phase::Waiting { .. } | Phase::Clearing { .. } | Phase::Background { .. } | Phase::Ended(_) => {
                self.sweep(Goal::Stop, now)
            }
            Phase::Stopping { goal: Goal::Stop, since, .. }
            | Phase::Sweeping { goal: Goal::Stop, since, .. }
                if now.duration_since(*since) < ONE_REQUEST =>
            {
                Action::Nothing
            }
            // Repeated requests must not keep it from ever giving up.
            Phase::Stopping { goal: Goal::Stop, killed: true, .. }
            | Phase::Sweeping { goal: Goal::Stop, force: true, .. } => Action::Nothing,
            Phase::Stopping { goal: Goal::Stop, killed, deadline, .. } => {
                (*killed, *deadline) = (true, now + GIVE_UP);
                Action::KillMain
            }
            Phase::Sweeping { goal: Goal::Stop, force, deadline, .. } => {
                (*force, *deadline) = (true, now + GIVE_UP);
                Action::EndTree { force: true }
            }
            // A restart in progress becomes a stop.
            Phase::Stopping { goal, since, .. } | Phase::Sweeping { goal, since, .. } => {
                (*goal, *since) = (Goal::Stop, now);
                Action::Nothing
            }
        }
    }

    pub(super) fn on_restart(&mut self, wish: Comeback, now: Instant) -> Action {
        match &mut self.phase {
            Phase::Starting { .. } | Phase::Up { .. } => self.ask(Goal::Restart(wish), now),
            Phase::Background { .. } => self.sweep(Goal::Restart(wish), now),
            Phase::Clearing { comeback, .. } => {
                *comeback = Some(comeback.map_or(wish, |earlier| earlier.with(wish)));
                Action::Nothing
            }
            // Its main process is gone; its leftovers, kernels among them, don't matter.
            Phase::Waiting { .. } | Phase::Ended(Outcome::Exited | Outcome::Crashed { .. }) => {
                self.come_back(wish, now)
            }
            // A save does not revive a service that was stopped by the user.
            Phase::Ended(Outcome::Stopped) => match wish {
                Comeback::Saved => Action::Nothing,
                Comeback::Renewed => self.come_back(wish, now),
            },
            // The next instance loads saved files anyway.
            Phase::Stopping { goal: Goal::Restart(earlier), .. }
            | Phase::Sweeping { goal: Goal::Restart(earlier), .. } => {
                *earlier = earlier.with(wish);
                Action::Nothing
            }
            Phase::Stopping { goal: Goal::Stop, .. } | Phase::Sweeping { goal: Goal::Stop, .. } => {
                Action::Nothing
            }
        }
    }

    /// Nothing of the old instance is left. Its failures are forgotten, since files or configuration are new.
    pub(super) fn come_back(&mut self, comeback: Comeback, now: Instant) -> Action {
        match comeback {
            Comeback::Renewed => Action::Renew,
            Comeback::Saved => {
                self.ever_up = false;
                self.forget_failures();
                self.phase = Phase::Waiting { until: now };
                self.on_tick(now)
            }
        }
    }

    pub(super) fn swept(&mut self, goal: Goal, now: Instant) -> Action {
        match goal {
            Goal::Stop => self.end_with(Outcome::Stopped),
            Goal::Restart(comeback) => self.come_back(comeback, now),
        }
    }
}
