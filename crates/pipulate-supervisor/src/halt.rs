//! Stopping services from outside: by their supervisors, or in a dead supervisor's place.

use std::time::{Duration, Instant};

use pipulate_core::identity::{Host, Pid};
use pipulate_core::layout::Layout;
use pipulate_core::service::{ServiceName, ServiceSpec};
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_process::identity::{self, Verified};
use pipulate_process::poll::{self, Interest};
use pipulate_process::signals::Signal;
use pipulate_store::lock::{Holder, Lock};
use pipulate_store::record::{self, Receipt};

use crate::driver::{self, Beginning, Task};
use crate::family::{self, Service};
use crate::program::Program;
use crate::query::{self, Standing};

/// How a stop came out.
#[derive(Debug, Clone, PartialEq)]
pub enum Stopped {
    /// There was nothing to do.
    Already,
    Done(Receipt),
    /// It was stopped by a supervisor whose records were deleted: nothing more is known.
    Unrecorded,
    /// Nothing was signalled, or not everything ended; the sentence says why.
    Refused(String),
}

/// How to stop.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// After this the supervisor is told to make an end of it.
    pub timeout: Option<Duration>,
    /// At once.
    pub force: bool,
}

struct Asked {
    index: usize,
    supervisor: Verified,
    hurry_at: Option<Instant>,
}

/// How soon a supervisor that should hurry is told so again.
const INSIST: Duration = Duration::from_millis(50);
/// How often a stop begins again, because a supervisor ended or came while it was asked.
const ATTEMPTS: usize = 5;

/// Stops these services side by side. The answers have their order.
pub fn stop(
    layout: &Layout,
    program: &Program,
    specs: &[ServiceSpec],
    manner: Manner,
) -> Vec<(ServiceName, Stopped)> {
    let halt = Halt { layout, program, force: manner.force, host: identity::host() };
    let mut answers: Vec<Option<Stopped>> = vec![None; specs.len()];
    for _ in 0..ATTEMPTS {
        let mut asked = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            if answers[index].is_some() {
                continue;
            }
            match halt.ask(spec) {
                Request::Asked(supervisor) => {
                    let patience = if manner.force { Some(INSIST) } else { manner.timeout };
                    let hurry_at = patience.and_then(|patience| Instant::now().checked_add(patience));
                    asked.push(Asked { index, supervisor, hurry_at });
                }
                Request::Answered(answer) => answers[index] = Some(answer),
                Request::Again => {}
            }
        }
        wait(&mut asked);
        for Asked { index, .. } in asked {
            answers[index] = halt.outcome(&specs[index].name);
        }
    }
    let names = specs.iter().map(|spec| spec.name.clone());
    let restless = || Stopped::Refused("its supervisor comes and goes; stop it again".to_owned());
    names.zip(answers.into_iter().map(|answer| answer.unwrap_or_else(restless))).collect()
}

struct Halt<'a> {
    layout: &'a Layout,
    program: &'a Program,
    force: bool,
    host: Host,
}

/// What became of asking for a stop.
enum Request {
    /// This supervisor stops the service, and then ends.
    Asked(Verified),
    Answered(Stopped),
    /// It has just changed hands.
    Again,
}

impl Halt<'_> {
    /// Asks the service's supervisor to stop it. Without one, the work is done here and now.
    fn ask(&self, spec: &ServiceSpec) -> Request {
        let refuse = |why: String| Request::Answered(Stopped::Refused(why));
        let (record, unreadable) = match record::read(self.layout, &spec.name) {
            Ok(record) => (record, None),
            // A supervisor is known by its lock all the same, and writes the record anew.
            Err(error) => (None, Some(error.to_string())),
        };
        match (query::standing(self.layout, &spec.name, record.as_ref(), &self.host), unreadable) {
            // The kernel's word for who holds the lock, not the record's.
            (Standing::Supervised(pid), _) => {
                // By its own word: the one before it may have been killed while it stopped.
                let is_stopping = record.is_some_and(|record| {
                    record.state == ServiceState::Stopping
                        && record.wanted == Wanted::Stopped
                        && record.supervisor.is_some_and(|supervisor| supervisor.pid == pid)
                });
                self.ask_supervisor(&spec.name, pid, is_stopping)
            }
            (Standing::Unknown(why), _) => refuse(why),
            // Its processes still carry its marker; to go by that alone has to be asked for.
            (_, Some(_)) if self.force => self.stop_unsupervised(spec),
            (_, Some(why)) => {
                refuse(format!("{why}; end what carries its marker with: pipulate stop --force"))
            }
            (Standing::Gone, None) if record.is_none() => self.ask_lost_one(&spec.name),
            (Standing::Gone, None)
                if record.as_ref().is_none_or(|record| record.wanted == Wanted::Stopped) =>
            {
                Request::Answered(Stopped::Already)
            }
            (Standing::Gone | Standing::Unsupervised, None) => self.stop_unsupervised(spec),
        }
    }

    /// A second TERM would mean "at once": one that stops already is only waited for.
    fn ask_supervisor(&self, service: &ServiceName, pid: Pid, is_stopping: bool) -> Request {
        let supervisor = query::pin_supervisor(self.layout, service, pid, &self.host);
        let Some(supervisor) = supervisor else { return Request::Again };
        if is_stopping {
            return Request::Asked(supervisor);
        }
        match supervisor.signal(Signal::TERM) {
            Ok(()) => Request::Asked(supervisor),
            Err(error) => Request::Answered(Stopped::Refused(error.to_string())),
        }
    }

    /// Without a record there may still be a supervisor whose folder was deleted.
    fn ask_lost_one(&self, service: &ServiceName) -> Request {
        let own = Service { project: self.layout.project_id(), name: service.clone() };
        let lost = family::lost_supervisors(self.layout).into_iter().filter(|(name, _)| name == service);
        let pinned = lost.map(|(_, pid)| pid).find_map(|pid| {
            let found = identity::identify(pid, &self.host)?;
            Verified::pin(&found, &self.host).ok().flatten().filter(|_| own.is_supervisor(pid))
        });
        let Some(supervisor) = pinned else { return Request::Answered(Stopped::Already) };
        match supervisor.signal(Signal::TERM) {
            Ok(()) => Request::Asked(supervisor),
            Err(error) => Request::Answered(Stopped::Refused(error.to_string())),
        }
    }

    /// Takes the dead supervisor's place for as long as the stop takes.
    fn stop_unsupervised(&self, spec: &ServiceSpec) -> Request {
        let refuse = |why: String| Request::Answered(Stopped::Refused(why));
        let lock = match Lock::acquire(&self.layout.lock(&spec.name)) {
            Ok(Ok(lock)) => lock,
            Ok(Err(Holder::Nobody | Holder::Process(_) | Holder::Invisible)) => return Request::Again,
            Err(error) => return refuse(error.to_string()),
        };
        let task = Task {
            layout: self.layout.clone(),
            spec: spec.clone(),
            lock,
            fifo: None,
            doorbell: None,
            program: self.program.clone(),
            beginning: Beginning::Stop,
        };
        match driver::supervise(task) {
            Ok(()) => self.outcome(&spec.name).map_or(Request::Again, Request::Answered),
            Err(error) => refuse(error.to_string()),
        }
    }

    /// What the supervisor's last record says; `None` when it ended before it was done.
    fn outcome(&self, service: &ServiceName) -> Option<Stopped> {
        match record::read(self.layout, service) {
            Ok(Some(record)) if record.wanted == Wanted::Stopped => record.receipt.map(Stopped::Done),
            Ok(Some(_)) => None,
            Ok(None) => Some(Stopped::Unrecorded),
            Err(error) => Some(Stopped::Refused(error.to_string())),
        }
    }
}

/// Sleeps until every supervisor that was asked has ended.
fn wait(asked: &mut [Asked]) {
    let mut open: Vec<&mut Asked> = asked.iter_mut().collect();
    while !open.is_empty() {
        let now = Instant::now();
        for asked in &mut open {
            if asked.hurry_at.is_some_and(|at| at <= now) {
                // Again and again: two signals that wait to be delivered become one.
                asked.hurry_at = Some(now + INSIST);
                // Refused or gone: the wait below ends either way.
                let _heard = asked.supervisor.signal(Signal::TERM);
            }
        }
        let next = open.iter().filter_map(|asked| asked.hurry_at).min();
        let descriptors: Vec<_> =
            open.iter().filter_map(|asked| Some((asked.supervisor.descriptor()?, Interest::Read))).collect();
        let timeout = next.map(|next| next.saturating_duration_since(now));
        let Ok(ready) = poll::wait(&descriptors, timeout) else { return };
        let mut ended = ready.iter().map(|ready| ready.ready || ready.hung_up);
        open.retain(|asked| asked.supervisor.descriptor().is_some() && !ended.next().unwrap_or(true));
    }
}
