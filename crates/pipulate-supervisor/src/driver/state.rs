//! Derives the state to show, and the reason for it, from the machine's phase.

use pipulate_core::reason::Reason;
use pipulate_core::state::ServiceState;

use super::Driver;
use super::journal::end_of;
use crate::machine::{Outcome, Phase, ending};

impl Driver {
    /// The state, why, and what a person should know about the saves of its files.
    pub(super) fn state(&self) -> (ServiceState, Vec<Reason>) {
        let (state, why) = self.state_of_phase();
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
        let reasons = self.instability(state).into_iter().chain(why);
        (state, reasons.chain(self.files.remarks(outcome)).collect())
    }

    /// The reason to show for a service that is unstable, or will be when it is started again.
    fn instability(&self, state: ServiceState) -> Option<Reason> {
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
        Some(Reason::EndsRepeatedly { times: ends, last: ending(last) })
    }

    fn state_of_phase(&self) -> (ServiceState, Vec<Reason>) {
        let awaited = self.needs.awaited().map(|name| Reason::WaitingFor { service: name.clone() });
        let not_yet = match self.machine.restarts() {
            None => ServiceState::Starting,
            Some(_) => ServiceState::Backoff,
        };
        let state = match self.machine.phase() {
            Phase::Waiting { .. } if awaited.is_some() => {
                return (ServiceState::Starting, awaited.into_iter().collect());
            }
            Phase::Waiting { .. } => {
                let shortage = self.shortage.iter().cloned();
                return (not_yet, shortage.flat_map(|why| [why, Reason::TriedAgain]).collect());
            }
            Phase::Clearing { .. } => not_yet,
            Phase::Starting { late: false, .. } => ServiceState::Starting,
            Phase::Starting { late: true, .. } => {
                let timeout = self.spec.ready.timeout().unwrap_or_default();
                return (ServiceState::Degraded, vec![self.readying.why_late(timeout)]);
            }
            Phase::Background { end, .. } => {
                return (ServiceState::Degraded, vec![self.background.reason(*end)]);
            }
            Phase::Up { .. } => match self.spec.ready.timeout() {
                Some(_) => ServiceState::Ready,
                None => ServiceState::Running,
            },
            Phase::Stopping { .. } | Phase::Sweeping { .. } => ServiceState::Stopping,
            Phase::Settled(Outcome::Stopped) => ServiceState::Stopped,
            Phase::Settled(Outcome::Exited) => ServiceState::Exited,
            Phase::Settled(Outcome::Crashed { why }) => {
                let remains = self.in_the_way().filter(|_| !matches!(why, Reason::PreviousRemains { .. }));
                return (ServiceState::Crashed, std::iter::once(why.clone()).chain(remains).collect());
            }
        };
        (state, Vec::new())
    }
}
