//! Derives the state to show, and the reasons for it.

use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_core::status::LastExit;

use super::background::Background;
use super::file_watch::FileWatch;
use super::readiness::ReadinessCheck;
use super::record_writer::end_of;
use crate::machine::{Machine, Outcome, Phase, ending};

/// The inputs of the state.
pub(crate) struct Facts<'a> {
    pub(crate) machine: &'a Machine,
    /// The service that it waits for.
    pub(crate) awaited: Option<&'a ServiceName>,
    /// Why the last start failed, if it is tried again.
    pub(crate) hindrance: Option<&'a Reason>,
    pub(crate) last_exit: Option<LastExit>,
    pub(crate) readiness: &'a ReadinessCheck,
    pub(crate) background: &'a Background,
    pub(crate) files: &'a FileWatch,
    /// How long a start may take; `None` if it counts as up at once.
    pub(crate) ready_timeout: Option<std::time::Duration>,
    /// The rest of an ended instance's group. Scans every process of the service.
    pub(crate) in_the_way: &'a dyn Fn() -> Option<Reason>,
}

impl Facts<'_> {
    /// Returns the state, its reasons, and notes for the user about saved files.
    pub(crate) fn state(&self) -> (ServiceState, Vec<Reason>) {
        let (state, why) = self.state_of_phase();
        let outcome = match self.machine.phase() {
            Phase::Ended(outcome) => Some(outcome),
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

    /// Returns the reason to show for a service that is unstable, or will be when it is restarted.
    fn instability(&self, state: ServiceState) -> Option<Reason> {
        let ends = self.machine.unexpected_ends();
        let shown = match self.machine.phase() {
            Phase::Waiting { .. } => ServiceState::Starting.after_ends(ends),
            Phase::Starting { .. } | Phase::Up { .. } => state.after_ends(ends),
            Phase::Clearing { .. }
            | Phase::Background { .. }
            | Phase::Stopping { .. }
            | Phase::Sweeping { .. }
            | Phase::Ended(_) => return None,
        };
        let last = self.last_exit.filter(|_| shown == ServiceState::Unstable).map(end_of)?;
        Some(Reason::EndsRepeatedly { times: ends, last: ending(last) })
    }

    fn state_of_phase(&self) -> (ServiceState, Vec<Reason>) {
        let awaited = self.awaited.map(|name| Reason::WaitingFor { service: name.clone() });
        let not_yet = match self.machine.restarts() {
            None => ServiceState::Starting,
            Some(_) => ServiceState::Backoff,
        };
        let state = match self.machine.phase() {
            Phase::Waiting { .. } if awaited.is_some() => {
                return (ServiceState::Starting, awaited.into_iter().collect());
            }
            Phase::Waiting { .. } => {
                let hindrance = self.hindrance.into_iter().cloned();
                return (not_yet, hindrance.flat_map(|why| [why, Reason::TriedAgain]).collect());
            }
            Phase::Clearing { .. } => not_yet,
            Phase::Starting { late: false, .. } => ServiceState::Starting,
            Phase::Starting { late: true, .. } => {
                let timeout = self.ready_timeout.unwrap_or_default();
                return (ServiceState::Degraded, vec![self.readiness.why_late(timeout)]);
            }
            Phase::Background { end, .. } => {
                return (ServiceState::Degraded, vec![self.background.reason(*end)]);
            }
            Phase::Up { .. } => match self.ready_timeout {
                Some(_) => ServiceState::Ready,
                None => ServiceState::Running,
            },
            Phase::Stopping { .. } | Phase::Sweeping { .. } => ServiceState::Stopping,
            Phase::Ended(Outcome::Stopped) => ServiceState::Stopped,
            Phase::Ended(Outcome::Exited) => ServiceState::Exited,
            Phase::Ended(Outcome::Crashed { why }) => {
                let remains = (self.in_the_way)().filter(|_| !matches!(why, Reason::PreviousRemains { .. }));
                return (ServiceState::Crashed, std::iter::once(why.clone()).chain(remains).collect());
            }
        };
        (state, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use pipulate_core::service::{Readiness, RestartPolicy};
    use pipulate_process::command::End;

    use super::*;
    use crate::machine::{Event, Policy};
    use crate::parts::samples;

    const TIMEOUT: Duration = Duration::from_secs(60);

    fn machine(events: &[Event]) -> Machine {
        let now = Instant::now();
        let restart = RestartPolicy::OnFailure;
        let policy = Policy { restart, ready_timeout: Some(TIMEOUT), stop_timeout: TIMEOUT };
        let mut machine = Machine::new(policy, 1, now);
        for event in events {
            let _action = machine.on_event(event.clone(), now);
        }
        machine
    }

    /// Returns the state and the codes of its reasons, after these events.
    fn shown(
        events: &[Event],
        awaited: Option<&str>,
        hindrance: Option<Reason>,
    ) -> (ServiceState, Vec<String>) {
        let (_folder, layout) = samples::home();
        let remains = || Some(Reason::PreviousRemains { processes: Vec::new() });
        let awaited = awaited.map(samples::name);
        let facts = Facts {
            machine: &machine(events),
            awaited: awaited.as_ref(),
            hindrance: hindrance.as_ref(),
            last_exit: None,
            readiness: &ReadinessCheck::new(&Readiness::Tcp { timeout: TIMEOUT }, None),
            background: &Background::default(),
            files: &FileWatch::new(&layout, None, Vec::new(), Instant::now()),
            ready_timeout: Some(TIMEOUT),
            in_the_way: &remains,
        };
        let (state, reasons) = facts.state();
        (state, reasons.iter().map(|reason| reason.code().to_owned()).collect())
    }

    #[test]
    fn a_state_follows_from_the_phase_and_says_why() {
        use Event::{Answered, GroupEmpty, MainEnded, Spawned, StopRequested, TreeEmpty};
        let up = [Event::Tick, Spawned, Answered];
        let after_up = |more: &[Event]| [&up[..], more].concat();
        let failed = [Event::Tick, Event::SpawnFailed { why: Reason::NothingToStart }];
        let died = [Event::Tick, Spawned, MainEnded(End::Code(1)), GroupEmpty];
        for (events, state, codes) in [
            (Vec::new(), ServiceState::Starting, &[][..]),
            (vec![Event::Tick, Spawned], ServiceState::Starting, &[]),
            (up.to_vec(), ServiceState::Ready, &[]),
            (after_up(&[StopRequested]), ServiceState::Stopping, &[]),
            (after_up(&[StopRequested, MainEnded(End::Code(0))]), ServiceState::Stopping, &[]),
            (after_up(&[StopRequested, MainEnded(End::Code(0)), TreeEmpty]), ServiceState::Stopped, &[]),
            (after_up(&[MainEnded(End::Code(0)), GroupEmpty]), ServiceState::Exited, &[]),
            (
                after_up(&[MainEnded(End::Code(0)), Event::LeftOthers]),
                ServiceState::Degraded,
                &["in-background"],
            ),
            (after_up(&[MainEnded(End::Code(1))]), ServiceState::Backoff, &[]),
            (failed.to_vec(), ServiceState::Crashed, &["nothing-to-start", "previous-remains"]),
            (died.to_vec(), ServiceState::Crashed, &["ended-before-ready", "previous-remains"]),
        ] {
            let found = shown(&events, None, None);
            let codes = codes.iter().map(|code| (*code).to_owned()).collect();
            assert_eq!(found, (state, codes), "{events:?}");
        }
    }

    #[test]
    fn a_service_that_waits_says_for_what() {
        let wait = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect();
        let waiting = shown(&[], Some("db"), None);
        assert_eq!(waiting, (ServiceState::Starting, wait(&["waiting-for"])));
        let hindered = shown(&[], None, Some(Reason::NothingToStart));
        assert_eq!(hindered, (ServiceState::Starting, wait(&["nothing-to-start", "tried-again"])));
    }
}
