//! Needs: waiting for the services that this one depends on, before its first start.
//!
//! A command that starts several services and waits starts each when its needs are up; without waiting
//! (`start --no-wait`), their supervisors keep the order. A need that was not starting when this supervisor
//! began is not waited for, unless the command that requested this start also started the needs.

use std::time::{Duration, Instant};

use pipulate_core::reason::{NeedState, Reason};
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_store::record::Record;

use crate::machine::{Machine, Phase};
use crate::ownership::Ownership;

/// Poll interval for the records of services that are starting.
const PACE: Duration = Duration::from_millis(50);

/// The progress of the wait.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    is_over: bool,
    /// Started by a command that also started its needs.
    is_ordered: bool,
    awaited: Option<ServiceName>,
    next_look: Option<Instant>,
}

/// The state of a service that another one needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    Up,
    Starting,
    /// It runs but is not ready.
    Degraded(Vec<Reason>),
    Down(NeedState),
}

/// The next step of a service that waits for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Let its time pass.
    Tick,
    Wait,
    /// A service that it needs will not come up.
    Fail(Reason),
}

impl Needs {
    pub(crate) fn new(is_ordered: bool) -> Self {
        Self { is_ordered, ..Self::default() }
    }

    /// Returns the service that has to be up before this one is started.
    pub(crate) fn awaited(&self) -> Option<&ServiceName> {
        self.awaited.as_ref().filter(|_| !self.is_over)
    }

    /// Checks whether the service may be started for the first time.
    pub(crate) fn look(
        &mut self,
        machine: &Machine,
        needs: &[ServiceName],
        look_up: impl Fn(&ServiceName) -> Need,
        now: Instant,
    ) -> Step {
        let is_first = matches!(machine.phase(), Phase::Waiting { .. }) && machine.restarts().is_none();
        if self.is_over || !is_first {
            return Step::Tick;
        }
        if self.next_look.is_some_and(|next| next > now) {
            return Step::Wait;
        }
        match self.find_awaited(needs, look_up) {
            Ok(Some(awaited)) => {
                (self.awaited, self.next_look) = (Some(awaited), Some(now + PACE));
                Step::Wait
            }
            Ok(None) => {
                self.is_over = true;
                Step::Tick
            }
            Err(why) => {
                self.is_over = true;
                Step::Fail(why)
            }
        }
    }

    /// Returns when the machine, or a wait for others, is due.
    pub(crate) fn next_look(&self, machine: &Machine) -> Option<Instant> {
        match self.awaited() {
            Some(_) if matches!(machine.phase(), Phase::Waiting { .. }) => self.next_look,
            Some(_) | None => machine.next_deadline(),
        }
    }

    fn find_awaited(
        &self,
        needs: &[ServiceName],
        look_up: impl Fn(&ServiceName) -> Need,
    ) -> Result<Option<ServiceName>, Reason> {
        let mut awaited = None;
        for name in needs {
            let was_awaited = self.awaited.as_ref() == Some(name);
            match look_up(name) {
                Need::Starting => awaited = awaited.or_else(|| Some(name.clone())),
                Need::Degraded(why) if was_awaited => {
                    return Err(Reason::need_failed(name.clone(), NeedState::NotReady { why }));
                }
                Need::Down(how) if was_awaited || self.is_ordered => {
                    return Err(Reason::need_failed(name.clone(), how));
                }
                Need::Up | Need::Degraded(_) | Need::Down(_) => {}
            }
        }
        Ok(awaited)
    }
}

impl Need {
    /// Returns the state of a service, by its record and its ownership.
    pub(crate) fn of((record, ownership): (Option<Record>, Ownership)) -> Self {
        let is_supervised = match (&ownership, &record) {
            // It has started, and has written no record yet.
            (Ownership::Supervised(_), None) => return Self::Starting,
            (Ownership::Supervised(pid), Some(record))
                if record.supervisor.as_ref().is_none_or(|named| named.pid != *pid) =>
            {
                return Self::Starting;
            }
            (Ownership::Supervised(_), Some(_)) => true,
            (Ownership::Unsupervised | Ownership::Gone, _) => false,
            (Ownership::Unknown(why), _) => {
                return Self::Down(NeedState::Unknown { why: vec![why.clone()] });
            }
        };
        let Some(record) = record else { return Self::Down(NeedState::NotRunning) };
        match record.shown_state() {
            ServiceState::Exited => Self::Up,
            ServiceState::Ready | ServiceState::Running | ServiceState::Unstable
                if ownership != Ownership::Gone =>
            {
                Self::Up
            }
            ServiceState::Degraded if ownership != Ownership::Gone => Self::Degraded(record.reasons),
            ServiceState::Starting | ServiceState::Backoff | ServiceState::Stopping if is_supervised => {
                Self::Starting
            }
            ServiceState::Crashed => Self::Down(NeedState::Crashed { why: record.reasons }),
            ServiceState::Stopped => Self::Down(NeedState::Stopped),
            ServiceState::Ready
            | ServiceState::Running
            | ServiceState::Unstable
            | ServiceState::Degraded
            | ServiceState::Starting
            | ServiceState::Backoff
            | ServiceState::Stopping
            | ServiceState::Unsupervised
            | ServiceState::Unknown => Self::Down(NeedState::NotRunningAnyMore),
        }
    }
}

#[cfg(test)]
mod tests {
    use pipulate_core::service::RestartPolicy;

    use super::*;
    use crate::machine::{Event, Policy};
    use crate::parts::samples::name;

    fn machine(now: Instant) -> Machine {
        let policy = Policy {
            restart: RestartPolicy::Never,
            ready_timeout: None,
            stop_timeout: Duration::from_secs(1),
        };
        Machine::new(policy, 1, now)
    }

    /// Returns the steps for these states of the needs `db` and `cache`, one look after the other.
    fn steps(is_ordered: bool, looks: &[(Need, Need)]) -> Vec<Step> {
        let mut now = Instant::now();
        let (machine, mut needs) = (machine(now), Needs::new(is_ordered));
        let step = |(db, cache): &(Need, Need)| {
            let look_up = |name: &ServiceName| if name.as_str() == "db" { db.clone() } else { cache.clone() };
            let step = needs.look(&machine, &[name("db"), name("cache")], look_up, now);
            now = needs.next_look(&machine).unwrap();
            step
        };
        looks.iter().map(step).collect()
    }

    fn failed(service: &str, state: NeedState) -> Step {
        Step::Fail(Reason::need_failed(name(service), state))
    }

    const DOWN: Need = Need::Down(NeedState::Stopped);

    #[test]
    fn it_waits_for_what_is_starting_and_starts_when_that_is_up() {
        assert_eq!(steps(false, &[(Need::Up, Need::Up)]), [Step::Tick]);
        let looks = [(Need::Starting, Need::Up), (Need::Up, Need::Starting), (Need::Up, Need::Up)];
        assert_eq!(steps(false, &looks), [Step::Wait, Step::Wait, Step::Tick]);
        assert_eq!(
            steps(false, &[(Need::Up, Need::Up), (DOWN, DOWN)]),
            [Step::Tick, Step::Tick],
            "only once"
        );
    }

    #[test]
    fn what_was_down_from_the_start_is_waited_for_only_in_an_ordered_start() {
        assert_eq!(steps(false, &[(DOWN, Need::Up)]), [Step::Tick]);
        assert_eq!(steps(true, &[(DOWN, Need::Up)]), [failed("db", NeedState::Stopped)]);
    }

    #[test]
    fn what_it_waited_for_and_fails_is_the_reason() {
        let failed_db = failed("db", NeedState::Stopped);
        assert_eq!(steps(false, &[(Need::Starting, Need::Up), (DOWN, Need::Up)]), [Step::Wait, failed_db]);
        let why = vec![Reason::NotResponding];
        let looks = [(Need::Starting, Need::Up), (Need::Degraded(why.clone()), Need::Up)];
        assert_eq!(steps(false, &looks), [Step::Wait, failed("db", NeedState::NotReady { why })]);
        assert_eq!(steps(true, &[(Need::Degraded(Vec::new()), Need::Up)]), [Step::Tick], "it runs");
    }

    #[test]
    fn between_looks_nothing_is_read_and_a_restart_waits_for_nothing() {
        let now = Instant::now();
        let (mut machine, mut needs) = (machine(now), Needs::new(false));
        assert_eq!(needs.look(&machine, &[name("db")], |_| Need::Starting, now), Step::Wait);
        assert_eq!(needs.awaited(), Some(&name("db")));
        assert_eq!(needs.look(&machine, &[name("db")], |_| panic!("not yet"), now), Step::Wait);
        let _spawn = machine.on_event(Event::Tick, now);
        let _up = machine.on_event(Event::Spawned, now);
        assert_eq!(needs.look(&machine, &[name("db")], |_| panic!("it runs"), now), Step::Tick);
    }

    #[test]
    fn a_supervisor_that_has_written_nothing_yet_is_starting_and_no_record_is_down() {
        let own = pipulate_process::identity::own_pid().unwrap();
        assert_eq!(Need::of((None, Ownership::Supervised(own))), Need::Starting);
        assert_eq!(Need::of((None, Ownership::Gone)), Need::Down(NeedState::NotRunning));
    }
}
