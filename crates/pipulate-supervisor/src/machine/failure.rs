//! Transitions after the main process ended unasked, or could not be started.

use std::time::{Duration, Instant};

use pipulate_core::reason::Reason;
use pipulate_core::service::RestartPolicy;
use pipulate_process::command::End;

use super::backoff::{self, Retry};
use super::{Action, GRACE, Goal, LEAVE, Machine, Outcome, Phase, Pressure, ending};

impl Machine {
    pub(super) fn on_main_ended(&mut self, end: End, now: Instant) -> Action {
        match self.phase {
            Phase::Starting { .. } => self.clear(end, false, now),
            Phase::Up { healthy_at } => {
                if healthy_at.is_some_and(|at| at <= now) {
                    self.forget_failures();
                }
                self.clear(end, true, now)
            }
            Phase::Stopping { goal, .. } => self.sweep(goal, now),
            Phase::Waiting { .. }
            | Phase::Clearing { .. }
            | Phase::Background { .. }
            | Phase::Sweeping { .. }
            | Phase::Ended(_) => Action::Nothing,
        }
    }

    fn clear(&mut self, end: End, was_up: bool, now: Instant) -> Action {
        let (pressure, patience, action) = match end.success() {
            true => (Pressure::None, LEAVE, Action::Nothing),
            false => (Pressure::Asked, GRACE, Action::EndGroup { force: false }),
        };
        self.phase = Phase::Clearing { end, was_up, comeback: None, pressure, deadline: now + patience };
        action
    }

    pub(super) fn on_group_empty(&mut self, now: Instant) -> Action {
        let (end, was_up) = match self.phase {
            Phase::Clearing { comeback: Some(comeback), .. } => return self.come_back(comeback, now),
            Phase::Clearing { end, was_up, .. } | Phase::Background { end, was_up } => (end, was_up),
            Phase::Waiting { .. }
            | Phase::Starting { .. }
            | Phase::Up { .. }
            | Phase::Stopping { .. }
            | Phase::Sweeping { .. }
            | Phase::Ended(_) => return Action::Nothing,
        };
        if !was_up && !self.ever_up {
            return self.end_with(Outcome::Crashed { why: Reason::EndedBeforeReady { end: ending(end) } });
        }
        match (self.policy.restart, end.success()) {
            // It was asked for: no failure, however often.
            (RestartPolicy::Always, true) => {
                let delay = self.backoff.pause();
                self.wait(delay, now)
            }
            (RestartPolicy::Always | RestartPolicy::OnFailure, false) => self.again(end, now),
            (RestartPolicy::OnFailure | RestartPolicy::Never, true) => self.end_with(Outcome::Exited),
            (RestartPolicy::Never, false) => {
                self.end_with(Outcome::Crashed { why: Reason::Ended { end: ending(end) } })
            }
        }
    }

    /// After an end with 0 the service still runs in the background, so no second instance may start.
    /// Processes left by a failure, such as kernels, do not block the next instance.
    pub(super) fn on_left_others(&mut self, now: Instant) -> Action {
        match self.phase {
            Phase::Clearing { end, was_up, comeback: None, .. } if end.success() => {
                self.phase = Phase::Background { end, was_up };
                Action::Nothing
            }
            Phase::Clearing { comeback: Some(comeback), end, .. } if end.success() => {
                self.sweep(Goal::Restart(comeback), now)
            }
            Phase::Clearing { .. } => self.on_group_empty(now),
            Phase::Waiting { .. }
            | Phase::Starting { .. }
            | Phase::Up { .. }
            | Phase::Background { .. }
            | Phase::Stopping { .. }
            | Phase::Sweeping { .. }
            | Phase::Ended(_) => Action::Nothing,
        }
    }

    /// No fault of the service: it is restarted on another port, as after any other failure.
    pub(super) fn on_port_lost(&mut self, why: Reason, now: Instant) -> Action {
        match self.phase {
            Phase::Clearing { comeback: None, end, .. } => {
                let action = self.again(end, now);
                if let Phase::Ended(Outcome::Crashed { why: told }) = &mut self.phase {
                    *told = why;
                }
                action
            }
            Phase::Clearing { comeback: Some(_), .. }
            | Phase::Waiting { .. }
            | Phase::Starting { .. }
            | Phase::Up { .. }
            | Phase::Background { .. }
            | Phase::Stopping { .. }
            | Phase::Sweeping { .. }
            | Phase::Ended(_) => self.on_group_empty(now),
        }
    }

    /// Retries a service that ran before until the shortage is over, which is no failure of the service.
    pub(super) fn on_hindered(&mut self, why: Reason, now: Instant) -> Action {
        if !self.has_run {
            return self.end_with(Outcome::Crashed { why });
        }
        let delay = self.backoff.pause().max(backoff::FIRST_DELAY);
        self.wait(delay, now)
    }

    fn wait(&mut self, delay: Duration, now: Instant) -> Action {
        self.phase = Phase::Waiting { until: now + delay };
        if delay.is_zero() { self.on_tick(now) } else { Action::Nothing }
    }

    fn again(&mut self, end: End, now: Instant) -> Action {
        self.ends = self.ends.saturating_add(1);
        match self.backoff.one_more(now) {
            Retry::After(delay) => self.wait(delay, now),
            Retry::GiveUp(count) => {
                let times = u32::try_from(count).unwrap_or(u32::MAX);
                let why = Reason::EndedTooOften { times, within: backoff::WINDOW, last: ending(end) };
                self.end_with(Outcome::Crashed { why })
            }
        }
    }
}
