//! Restarting services from outside: each is asked of its supervisor, which finishes it whatever becomes
//! of whoever asked.
//!
//! A supervisor may be killed at any moment, too. Whoever takes its place goes on with what it had
//! begun; what it had not heard of yet is asked again, and a service that nobody has taken over gets a
//! new supervisor.

use std::time::{Duration, Instant};

use pipulate_core::identity::{Host, Pid};
use pipulate_core::layout::Layout;
use pipulate_core::service::{ServiceName, ServiceSpec};
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_process::identity::{self, Verified};
use pipulate_process::poll::{self, Interest};
use pipulate_process::signals::Signal;
use pipulate_store::error::StoreError;
use pipulate_store::record::{self, Record};
use pipulate_store::request::Request;

use crate::query;
use crate::reload;
use crate::start::{GLANCE, Launch, LaunchError, Started, run_of};
use pipulate_supervisor::ownership::{self, Ownership, look_up};
use pipulate_supervisor::program::Program;

/// How often a restart begins again, because a supervisor was killed meanwhile.
const ATTEMPTS: usize = 5;

/// How services are restarted.
pub struct Manner<'a> {
    pub program: &'a Program,
    /// What supervisors are told of services that don't run.
    pub specs: &'a dyn Fn(&[ServiceName]) -> Vec<ServiceSpec>,
    pub deadline: Instant,
}

/// Restarts these services, and starts those that don't run. The answers come in any order.
///
/// # Errors
/// A record can't be read, or the system has no room for another process.
pub fn restart(
    layout: &Layout,
    services: &[ServiceName],
    manner: &Manner<'_>,
) -> Result<Vec<(ServiceName, Started)>, LaunchError> {
    let host = identity::host();
    let before = |service: &ServiceName| Ok((service.clone(), record::read(layout, service)?));
    let mut open = services.iter().map(before).collect::<Result<Vec<_>, StoreError>>()?;
    let mut restart = Restart { layout, manner, host, settled: Vec::new() };
    for _ in 0..ATTEMPTS {
        restart.adopt(&open)?;
        open = restart.attempt(open)?;
        if open.is_empty() {
            break;
        }
    }
    let why = "its supervisors were killed again and again; see supervisor.log";
    let restless = |(service, _)| (service, Started::NotSupervised { why: why.to_owned() });
    restart.settled.extend(open.into_iter().map(restless));
    Ok(restart.settled)
}

/// A service, and what its record said before anything was done.
type Before = (ServiceName, Option<Record>);

struct Restart<'a> {
    layout: &'a Layout,
    manner: &'a Manner<'a>,
    host: Host,
    settled: Vec<(ServiceName, Started)>,
}

/// A supervisor that is waited for.
enum Awaited {
    Asked(reload::Asked),
    /// It is not known yet what to ask of it: it has just begun, or goes on with the restart of the one
    /// whose place it took.
    Unasked(Verified),
}

impl Awaited {
    fn supervisor(&self) -> &Verified {
        match self {
            Self::Asked(asked) => &asked.supervisor,
            Self::Unasked(supervisor) => supervisor,
        }
    }
}

/// What a service needs.
enum Need {
    /// This one restarts it.
    Wait(Awaited),
    /// Nothing of it has to end first.
    Start,
    /// Another look: it has just lost its supervisor.
    Again,
    /// It has come back, or can't.
    Nothing(Started),
}

impl Restart<'_> {
    /// Asks for what each service needs, and waits for it. Answers with those whose supervisors were
    /// killed meanwhile.
    fn attempt(&mut self, open: Vec<Before>) -> Result<Vec<Before>, LaunchError> {
        let mut asked = Vec::new();
        let mut absent = Vec::new();
        let mut again = Vec::new();
        for (service, before) in open {
            match self.need(&service, before.as_ref()) {
                Need::Wait(supervisor) => asked.push(((service, before), supervisor)),
                Need::Start => absent.push(service),
                Need::Again => again.push((service, before)),
                Need::Nothing(outcome) => self.settled.push((service, outcome)),
            }
        }
        let specs = (self.manner.specs)(&absent);
        let launch = Launch::begin(self.layout, self.manner.program, &absent, &specs)?;
        self.settled.extend(launch.wait(Some(self.manner.deadline), |_, _| {})?);
        again.extend(self.wait(asked)?);
        Ok(again)
    }

    /// Whoever lost its supervisor gets a new one, which carries the restart out like any other: it
    /// will read the configuration then.
    fn adopt(&self, open: &[Before]) -> Result<(), LaunchError> {
        let is_alone =
            |service: &ServiceName| look_up(self.layout, service, &self.host).1 == Ownership::Unsupervised;
        let alone: Vec<ServiceName> =
            open.iter().map(|(service, _)| service).filter(|service| is_alone(service)).cloned().collect();
        let launch = Launch::begin(self.layout, self.manner.program, &alone, &[])?;
        // Whoever does not answer is restarted all the same.
        let _adopted = launch.wait(Some(self.manner.deadline), |_, _| {})?;
        Ok(())
    }

    fn need(&self, service: &ServiceName, before: Option<&Record>) -> Need {
        let (record, ownership) = look_up(self.layout, service, &self.host);
        if let Some(outcome) = record.as_ref().and_then(|record| outcome(record, &ownership, before)) {
            return Need::Nothing(outcome);
        }
        match ownership {
            Ownership::Supervised(pid) => self.ask(service, pid, record.as_ref(), before),
            Ownership::Gone => Need::Start,
            Ownership::Unsupervised => Need::Again,
            Ownership::Unknown(why) => Need::Nothing(Started::NotSupervised { why }),
        }
    }

    fn ask(&self, service: &ServiceName, pid: Pid, record: Option<&Record>, before: Option<&Record>) -> Need {
        let is_written = record.is_none_or(|record| reload::is_of(record, pid));
        let awaited = match is_new(record, before) || !is_written {
            // Whoever took a killed one's place went on with the restart that it found begun.
            true => {
                let supervisor = ownership::pin_supervisor(self.layout, service, pid, &self.host);
                Ok(supervisor.map(Awaited::Unasked))
            }
            false if record.is_some_and(|record| record.state.has_ended_by_itself()) => return Need::Start,
            false => {
                let request = reload::generation(record, pid).cloned().map(Request::Restart);
                let (layout, host, request) = (self.layout, &self.host, request.as_ref());
                let asked = reload::request(layout, service, pid, host, request, Signal::USR2);
                asked.map(|asked| asked.map(Awaited::Asked))
            }
        };
        match awaited {
            Ok(Some(awaited)) => Need::Wait(awaited),
            Ok(None) => Need::Again,
            Err(error) => Need::Nothing(Started::NotSupervised { why: error.to_string() }),
        }
    }

    /// Waits until each service has come back or its supervisor is gone, or has to be asked: those are
    /// the answer.
    fn wait(&mut self, mut asked: Vec<(Before, Awaited)>) -> Result<Vec<Before>, LaunchError> {
        let mut open = Vec::new();
        while !asked.is_empty() {
            for (before, awaited) in std::mem::take(&mut asked) {
                // In this order: what it wrote last is read after its end.
                let lives = awaited.supervisor().lives();
                match self.look(&before) {
                    Some(outcome) => self.settled.push((before.0, outcome)),
                    None if Instant::now() >= self.manner.deadline => {
                        self.settled.push((before.0, Started::TimedOut));
                    }
                    None if lives && !self.is_to_be_asked(&before, &awaited) => asked.push((before, awaited)),
                    None => open.push(before),
                }
            }
            self.sleep(&asked)?;
        }
        Ok(open)
    }

    /// Whether one that had just begun has written down by now that it goes on as it was.
    fn is_to_be_asked(&self, (service, before): &Before, awaited: &Awaited) -> bool {
        let Awaited::Unasked(supervisor) = awaited else { return false };
        let record = record::read(self.layout, service).ok().flatten();
        let is_its_own = |record: &Record| reload::is_of(record, supervisor.identity().pid);
        record.as_ref().is_some_and(is_its_own) && !is_new(record.as_ref(), before.as_ref())
    }

    fn look(&self, (service, before): &Before) -> Option<Started> {
        let (record, ownership) = look_up(self.layout, service, &self.host);
        outcome(&record?, &ownership, before.as_ref())
    }

    /// For a glance at most: a supervisor's end is heard, and a new record is not.
    fn sleep(&self, asked: &[(Before, Awaited)]) -> Result<(), LaunchError> {
        let ends = asked.iter().filter_map(|(_, awaited)| awaited.supervisor().descriptor());
        let watched: Vec<_> = ends.map(|end| (end, Interest::Read)).collect();
        let patience = if asked.is_empty() { Duration::ZERO } else { GLANCE };
        poll::wait(&watched, Some(patience))?;
        Ok(())
    }
}

/// Whether the record speaks of another generation than the one before. A crash, a save or a supervisor
/// that was killed brings a service back as it was: that is no restart.
fn is_new(record: Option<&Record>, before: Option<&Record>) -> bool {
    let generation = |record: &Record| record.generation.clone();
    match (record.and_then(generation), before.and_then(generation)) {
        (Some(now), Some(before)) => now != before,
        // Written by a supervisor that knows no requests: any other run counts.
        _ => {
            record.and_then(run_of) != before.and_then(run_of)
                || record.and_then(|record| record.last_exit) != before.and_then(|before| before.last_exit)
        }
    }
}

/// How a restart came out; `None` as long as it is under way.
fn outcome(record: &Record, ownership: &Ownership, before: Option<&Record>) -> Option<Started> {
    // Somebody stopped it meanwhile.
    let was_wanted = before.is_some_and(|before| before.wanted == Wanted::Run);
    if record.state == ServiceState::Stopped && *ownership == Ownership::Gone && was_wanted {
        return Some(Started::Failed { record: Box::new(record.clone()) });
    }
    if !is_new(Some(record), before) {
        return None;
    }
    let record = Box::new(record.clone());
    match (record.shown_state(), ownership) {
        // It has just ended, and its supervisor has not written that down yet.
        (ServiceState::Ready | ServiceState::Running | ServiceState::Unstable, _)
            if !query::main_lives(&record) =>
        {
            None
        }
        (ServiceState::Unstable, _) if record.state == ServiceState::Starting => None,
        (ServiceState::Ready | ServiceState::Running, Ownership::Supervised(_))
        | (ServiceState::Exited, _) => Some(Started::Up { record, fresh: true }),
        (ServiceState::Crashed | ServiceState::Degraded | ServiceState::Unstable, _) => {
            Some(Started::Failed { record })
        }
        (
            ServiceState::Starting
            | ServiceState::Backoff
            | ServiceState::Stopping
            | ServiceState::Stopped
            | ServiceState::Ready
            | ServiceState::Running
            | ServiceState::Unsupervised
            | ServiceState::Unknown,
            _,
        ) => None,
    }
}
