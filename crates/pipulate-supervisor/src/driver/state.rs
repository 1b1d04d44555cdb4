//! Derives the state to show, and the reason for it, from the machine's phase.

use pipulate_core::state::ServiceState;

use super::Driver;
use super::journal::end_of;
use crate::machine::{Outcome, Phase};

impl Driver {
    /// The state, why, and what a person should know about the saves of its files.
    pub(super) fn state(&self) -> (ServiceState, Option<String>) {
        let (state, why) = self.phase_in_words();
        let outcome = match self.machine.phase() {
            Phase::Settled(outcome) => Some(outcome),
            Phase::Waiting { .. }
            | Phase::Starting { .. }
            | Phase::Up { .. }
            | Phase::Clearing { .. }
            | Phase::Background { .. }
            | Phase::Stopping { .. }
            | Phase::Sweeping { .. } => None,
        };
        let words = self.instability(state).into_iter().chain(why);
        let words: Vec<String> = words.chain(self.files.remark(outcome)).collect();
        (state, (!words.is_empty()).then(|| words.join("; ")))
    }

    /// The reason to show for a service that is unstable, or will be when it is started again.
    fn instability(&self, state: ServiceState) -> Option<String> {
        let ends = self.machine.unexpected_ends();
        let shown = match self.machine.phase() {
            Phase::Waiting { .. } => ServiceState::Starting.after_ends(ends),
            Phase::Starting { .. } | Phase::Up { .. } => state.after_ends(ends),
            Phase::Clearing { .. }
            | Phase::Background { .. }
            | Phase::Stopping { .. }
            | Phase::Sweeping { .. }
            | Phase::Settled(_) => return None,
        };
        let last = self.journal.last_exit().filter(|_| shown == ServiceState::Unstable).map(end_of)?;
        Some(format!("it ended {ends} times since it was last up for a minute; the last time it {last}"))
    }

    fn phase_in_words(&self) -> (ServiceState, Option<String>) {
        let awaited = self.needs.awaited().map(|name| format!("waiting for {name}, which it depends on"));
        let not_yet = match self.machine.restarts() {
            None => ServiceState::Starting,
            Some(_) => ServiceState::Backoff,
        };
        let state = match self.machine.phase() {
            Phase::Waiting { .. } if awaited.is_some() => return (ServiceState::Starting, awaited),
            Phase::Waiting { .. } => {
                return (not_yet, self.shortage.as_ref().map(|why| format!("{why}; it is tried again")));
            }
            Phase::Clearing { .. } => not_yet,
            Phase::Starting { late: false, .. } => ServiceState::Starting,
            Phase::Starting { late: true, .. } => {
                let timeout = self.spec.ready.timeout().unwrap_or_default();
                return (ServiceState::Degraded, Some(self.readying.why_late(timeout)));
            }
            Phase::Background { end, .. } => {
                return (ServiceState::Degraded, Some(self.background.words(*end, &self.spec.name)));
            }
            Phase::Up { .. } => match self.spec.ready.timeout() {
                Some(_) => ServiceState::Ready,
                None => ServiceState::Running,
            },
            Phase::Stopping { .. } | Phase::Sweeping { .. } => ServiceState::Stopping,
            Phase::Settled(Outcome::Stopped) => ServiceState::Stopped,
            Phase::Settled(Outcome::Exited) => ServiceState::Exited,
            Phase::Settled(Outcome::Crashed { why }) => {
                let who = self.in_the_way().filter(|who| !why.contains(who));
                let who = who.map(|who| format!(": {who}; end that, then start it again"));
                return (ServiceState::Crashed, Some(format!("{why}{}", who.unwrap_or_default())));
            }
        };
        (state, None)
    }
}
