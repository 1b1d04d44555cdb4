//! Waiting for the services that this one depends on, before its first start.
//!
//! Whoever starts several services and stays starts each when those that it needs are up; where nobody
//! stays (`start --no-wait`), their supervisors keep the order. A need that was not on its way when this
//! began is none of its business, unless this very start was ordered by somebody who takes it to be up.

use std::time::{Duration, Instant};

use pipulate_core::reason::{NeedState, Reason};
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_store::record::Record;

use super::Driver;
use crate::machine::{Event, Phase};
use crate::ownership::{Ownership, look_up};

/// How often the records of services that are on their way are read.
const GLANCE: Duration = Duration::from_millis(50);

/// How far the wait has come.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// There is nothing to wait for any more.
    over: bool,
    /// Started by orders: what it needs was seen to.
    is_ordered: bool,
    /// What was seen on its way.
    awaited: Option<ServiceName>,
    next: Option<Instant>,
}

/// How a service is that another one needs.
enum Need {
    Up,
    OnItsWay,
    /// It runs, and does not answer.
    Degraded(Vec<Reason>),
    Down(NeedState),
}

impl Needs {
    pub(super) fn new(is_ordered: bool) -> Self {
        Self { is_ordered, ..Self::default() }
    }

    /// What the service waits for before it is started at all.
    pub(super) fn awaited(&self) -> Option<&ServiceName> {
        self.awaited.as_ref().filter(|_| !self.over)
    }
}

impl Driver {
    /// Time passes for the machine, unless the service has to wait for another one to be up.
    pub(super) fn tick(&mut self) {
        let is_first =
            matches!(self.machine.phase(), Phase::Waiting { .. }) && self.machine.restarts().is_none();
        if self.needs.over || !is_first {
            return self.tell(Event::Tick);
        }
        if self.needs.next.is_some_and(|next| next > Instant::now()) {
            return;
        }
        let (awaited, failed) = self.look_at_needs();
        self.needs.awaited = awaited;
        if self.needs.awaited.is_some() {
            self.needs.next = Some(Instant::now() + GLANCE);
            return;
        }
        self.needs.over = true;
        self.tell(failed.map_or(Event::Tick, |why| Event::SpawnFailed { why }));
    }

    /// When the machine or a wait for others wants to be looked at.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        match self.needs.awaited() {
            Some(_) if matches!(self.machine.phase(), Phase::Waiting { .. }) => self.needs.next,
            Some(_) | None => self.machine.next_deadline(),
        }
    }

    /// What is still to be waited for, or why that is in vain.
    fn look_at_needs(&self) -> (Option<ServiceName>, Option<Reason>) {
        let mut awaited = None;
        for name in &self.spec.needs {
            let was_awaited = self.needs.awaited.as_ref() == Some(name);
            match need(look_up(&self.layout, name, &self.host)) {
                Need::OnItsWay => awaited = awaited.or_else(|| Some(name.clone())),
                Need::Degraded(why) if was_awaited => {
                    return (None, Some(Reason::need_failed(name.clone(), NeedState::NotReady { why })));
                }
                Need::Down(how) if was_awaited || self.needs.is_ordered => {
                    return (None, Some(Reason::need_failed(name.clone(), how)));
                }
                Need::Up | Need::Degraded(_) | Need::Down(_) => {}
            }
        }
        (awaited, None)
    }
}

fn need((record, ownership): (Option<Record>, Ownership)) -> Need {
    let Some(record) = record else {
        return match ownership {
            // It has begun, and has written nothing yet.
            Ownership::Supervised(_) => Need::OnItsWay,
            Ownership::Unsupervised | Ownership::Gone => Need::Down(NeedState::NotRunning),
            Ownership::Unknown(why) => Need::Down(NeedState::Unknown { why: vec![Reason::told(why)] }),
        };
    };
    let is_supervised = match &ownership {
        Ownership::Supervised(pid) if record.supervisor.as_ref().is_none_or(|named| named.pid != *pid) => {
            return Need::OnItsWay;
        }
        Ownership::Supervised(_) => true,
        Ownership::Unsupervised | Ownership::Gone => false,
        Ownership::Unknown(why) => {
            return Need::Down(NeedState::Unknown { why: vec![Reason::told(why.clone())] });
        }
    };
    match record.shown_state() {
        ServiceState::Exited => Need::Up,
        ServiceState::Ready | ServiceState::Running | ServiceState::Unstable
            if ownership != Ownership::Gone =>
        {
            Need::Up
        }
        ServiceState::Degraded if ownership != Ownership::Gone => Need::Degraded(record.reasons),
        ServiceState::Starting | ServiceState::Backoff | ServiceState::Stopping if is_supervised => {
            Need::OnItsWay
        }
        ServiceState::Crashed => Need::Down(NeedState::Crashed { why: record.reasons }),
        ServiceState::Stopped => Need::Down(NeedState::Stopped),
        ServiceState::Ready
        | ServiceState::Running
        | ServiceState::Unstable
        | ServiceState::Degraded
        | ServiceState::Starting
        | ServiceState::Backoff
        | ServiceState::Stopping
        | ServiceState::Unsupervised
        | ServiceState::Unknown => Need::Down(NeedState::NotRunningAnyMore),
    }
}
