//! Stopping services from outside: by their supervisors, or by one that is started for the stop.
//!
//! Whoever holds a service's lock is a process of its own and ends with the work: two stops that
//! wait for each other's processes would otherwise wait forever.

use std::cell::OnceCell;
use std::io::{PipeReader, Read};
use std::time::{Duration, Instant};

use pipulate_core::identity::{Host, Pid};
use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::service::ServiceName;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_process::command::End;
use pipulate_process::identity::{self, Verified};
use pipulate_process::poll::{self, Interest};
use pipulate_process::reaper;
use pipulate_process::signals::Signal;
use pipulate_store::lock::{self, Holder};
use pipulate_store::record::{self, Receipt, Record};
use pipulate_store::request::{self, Made};

use crate::reload;
use pipulate_supervisor::ownership::{self, Ownership, ownership_among, ownership_of};
use pipulate_supervisor::process_tree::{self, Claims, Service};
use pipulate_supervisor::program::{Beginning, GAVE_WAY, LaunchError, Program};

/// How a stop came out.
#[derive(Debug, Clone, PartialEq)]
pub enum Stopped {
    /// There was nothing to do.
    Already,
    Done(Receipt),
    /// Nothing of it lives any more, and there is no record of how that came; the words say why not.
    Unrecorded(String),
    /// Nothing was signaled, or not everything ended; the sentence says why.
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
    supervisor: Supervisor,
    hurry_at: Option<Instant>,
}

/// One that stops its service, and then ends.
struct Supervisor {
    process: Verified,
    /// What it says to us, if we started it.
    words: Option<PipeReader>,
    _request: Option<Made>,
}

/// How soon a supervisor that should hurry is told so again.
const INSIST: Duration = Duration::from_millis(50);
/// How often a stop begins again, because a supervisor ended or came while it was asked.
const ATTEMPTS: usize = 5;

/// How many supervisors a stop starts at the same time, for services that have none.
const AT_ONCE: usize = 64;

/// Stops these services side by side. The answers have their order.
pub fn stop(
    layout: &Layout,
    program: &Program,
    services: &[ServiceName],
    manner: Manner,
) -> Vec<(ServiceName, Stopped)> {
    let host = identity::host();
    let mut halt =
        Halt { layout, program, force: manner.force, host, lost: OnceCell::new(), claims: Claims::default() };
    let mut answers: Vec<Option<Stopped>> = vec![None; services.len()];
    let mut seen = vec![None; services.len()];
    for _ in 0..ATTEMPTS {
        halt.claims = Claims::default();
        let (mut asked, mut started) = (Vec::new(), 0);
        for (index, service) in services.iter().enumerate() {
            if answers[index].is_some() {
                continue;
            }
            match halt.ask(service, &mut seen[index]) {
                Request::Asked(supervisor) => {
                    started += usize::from(supervisor.words.is_some());
                    let patience = if manner.force { Some(INSIST) } else { manner.timeout };
                    let hurry_at = patience.and_then(|patience| Instant::now().checked_add(patience));
                    asked.push(Asked { index, supervisor, hurry_at });
                }
                Request::Answered(answer) => answers[index] = Some(answer),
                Request::Again => {}
            }
            if started == AT_ONCE {
                started = 0;
                halt.hear_out(std::mem::take(&mut asked), services, &mut answers);
                halt.claims = Claims::default();
            }
        }
        halt.hear_out(asked, services, &mut answers);
    }
    let restless = || Stopped::Refused("its supervisor comes and goes; stop it again".to_owned());
    services.iter().cloned().zip(answers.into_iter().map(|answer| answer.unwrap_or_else(restless))).collect()
}

struct Halt<'a> {
    layout: &'a Layout,
    program: &'a Program,
    force: bool,
    host: Host,
    /// Looked for once: for each service, that would be one look at every process.
    lost: OnceCell<Vec<(ServiceName, Pid)>>,
    claims: Claims,
}

/// What became of asking for a stop.
enum Request {
    Asked(Supervisor),
    Answered(Stopped),
    /// It has just changed hands.
    Again,
}

impl Halt<'_> {
    /// Waits until all of these have ended.
    fn hear_out(&self, mut asked: Vec<Asked>, services: &[ServiceName], answers: &mut [Option<Stopped>]) {
        wait(&mut asked);
        for Asked { index, supervisor, .. } in asked {
            answers[index] = self.answer(&services[index], supervisor);
        }
    }

    /// Asks the service's supervisor to stop it. Where it has none, one is started for that. What was
    /// `seen` at first is to end: not what somebody has started after that was stopped.
    fn ask(&self, service: &ServiceName, seen: &mut Option<RunId>) -> Request {
        let refuse = |why: String| Request::Answered(Stopped::Refused(why));
        let (record, unreadable) = match record::read(self.layout, service) {
            Ok(record) => (record, None),
            // A supervisor is known by its lock all the same, and writes the record anew.
            Err(error) => (None, Some(error.to_string())),
        };
        // A restart that is under way gives it another generation.
        let is_restarting =
            |record: &&Record| record.state == ServiceState::Stopping && record.wanted == Wanted::Run;
        let settled = record.as_ref().filter(|record| !is_restarting(record));
        let generation = settled.and_then(|record| record.generation.clone());
        if seen.is_some() && generation.is_some() && *seen != generation {
            return refuse(
                "it was stopped, and has been started again since; to end that, stop it again".to_owned(),
            );
        }
        *seen = generation.or(seen.take());
        match (ownership_among(&self.claims, self.layout, service, record.as_ref(), &self.host), unreadable) {
            // The kernel's word for who holds the lock, not the record's.
            (Ownership::Supervised(pid), _) => {
                // By its own word: the one before it may have been killed while it stopped.
                let is_stopping = record.as_ref().is_some_and(|record| {
                    record.state == ServiceState::Stopping
                        && record.wanted == Wanted::Stopped
                        && reload::is_of(record, pid)
                });
                self.ask_supervisor(service, pid, record.as_ref(), is_stopping)
            }
            (Ownership::Unknown(why), _) => refuse(why),
            // Its processes still carry its marker; to go by that alone has to be asked for.
            (ownership, Some(_)) if self.force => self.stop_unsupervised(service, &ownership),
            (_, Some(why)) => refuse(format!("{why}; a stop with --force ends what carries its marker")),
            (Ownership::Gone, None) if record.is_none() => self.ask_lost_one(service),
            (Ownership::Gone, None)
                if record.as_ref().is_none_or(|record| record.wanted == Wanted::Stopped) =>
            {
                Request::Answered(Stopped::Already)
            }
            (ownership @ (Ownership::Gone | Ownership::Unsupervised), None) => {
                self.stop_unsupervised(service, &ownership)
            }
        }
    }

    /// A second TERM would mean "at once": one that stops already is only waited for, and one that knows
    /// requests is not sent any.
    fn ask_supervisor(
        &self,
        service: &ServiceName,
        pid: Pid,
        record: Option<&Record>,
        is_stopping: bool,
    ) -> Request {
        let supervisor = ownership::pin_supervisor(self.layout, service, pid, &self.host);
        match supervisor {
            None if self.only_holds_the_lock(service, pid) => Request::Answered(Stopped::Refused(format!(
                "process {pid} holds its lock and is no supervisor of it; look what that is, and end it first"
            ))),
            None => Request::Again,
            Some(process) if is_stopping => {
                Request::Asked(Supervisor { process, words: None, _request: None })
            }
            Some(process) => {
                let identity = process.identity().clone();
                let request = reload::generation(record, pid).map(|_| request::Request::Stop(identity));
                let made = request.and_then(|request| request.make(self.layout, service).ok());
                let how = if made.is_some() { Signal::WINCH } else { Signal::TERM };
                match process.signal(how) {
                    Ok(()) => Request::Asked(Supervisor { process, words: None, _request: made }),
                    Err(error) => Request::Answered(Stopped::Refused(error.to_string())),
                }
            }
        }
    }

    /// Whether the lock is held by somebody who never supervised the service.
    fn only_holds_the_lock(&self, service: &ServiceName, pid: Pid) -> bool {
        let holder = identity::identify(pid, &self.host);
        holder.is_some_and(|holder| !ownership::is_supervisor(self.layout, service, &holder))
            && lock::holder(&self.layout.lock(service)).is_ok_and(|holder| holder == Holder::Process(pid))
    }

    /// Without a record there may still be a supervisor whose folder was deleted.
    fn ask_lost_one(&self, service: &ServiceName) -> Request {
        let own = Service::of(self.layout, service);
        let lost = self.lost.get_or_init(|| process_tree::lost_supervisors(self.layout));
        let lost = lost.iter().filter(|(name, _)| name == service);
        let pinned = lost.map(|&(_, pid)| pid).find_map(|pid| {
            let found = identity::identify(pid, &self.host)?;
            Verified::pin(&found, &self.host).ok().flatten().filter(|_| own.is_supervisor(pid))
        });
        pinned.map_or(Request::Answered(Stopped::Already), signal)
    }

    /// Has a new supervisor take the dead one's place for as long as the stop takes.
    fn stop_unsupervised(&self, service: &ServiceName, ownership: &Ownership) -> Request {
        let started = std::io::pipe().map_err(LaunchError::from).and_then(|(words, doorbell)| {
            let process = self.program.start(self.layout, service, Beginning::Stop, None, doorbell)?;
            Ok(Supervisor { process, words: Some(words), _request: None })
        });
        match started {
            Ok(supervisor) => Request::Asked(supervisor),
            Err(LaunchError::Store(error))
                if *ownership == Ownership::Gone
                    && error.kind() == Some(std::io::ErrorKind::ReadOnlyFilesystem) =>
            {
                Request::Answered(Stopped::Unrecorded(unwritten(&error.to_string())))
            }
            Err(error) => Request::Answered(Stopped::Refused(error.to_string())),
        }
    }

    /// How a supervisor that has ended did its work; `None` when it did not.
    fn answer(&self, service: &ServiceName, supervisor: Supervisor) -> Option<Stopped> {
        let Some(words) = supervisor.words else { return self.outcome(service) };
        match reaper::peek(supervisor.process.identity().pid) {
            Some(End::Code(0)) => self.outcome(service),
            Some(End::Code(code)) if code != i32::from(GAVE_WAY) => {
                let why = last_words(words, service);
                let record = record::read(self.layout, service);
                let ownership =
                    record.map(|record| ownership_of(self.layout, service, record.as_ref(), &self.host));
                Some(match ownership {
                    Ok(Ownership::Gone) => Stopped::Unrecorded(unwritten(&why)),
                    Ok(_) | Err(_) => Stopped::Refused(why),
                })
            }
            Some(End::Code(_) | End::Signal(_) | End::TimedOut | End::Unknown) | None => None,
        }
    }

    /// What the supervisor's last record says; `None` when it ended before it was done.
    fn outcome(&self, service: &ServiceName) -> Option<Stopped> {
        match record::read(self.layout, service) {
            Ok(Some(record)) if record.wanted == Wanted::Stopped => record.receipt.map(Stopped::Done),
            Ok(Some(_)) => None,
            Ok(None) => Some(Stopped::Unrecorded("whose records had been deleted".to_owned())),
            Err(error) => Some(Stopped::Refused(error.to_string())),
        }
    }
}

fn signal(process: Verified) -> Request {
    match process.signal(Signal::TERM) {
        Ok(()) => Request::Asked(Supervisor { process, words: None, _request: None }),
        Err(error) => Request::Answered(Stopped::Refused(error.to_string())),
    }
}

fn unwritten(why: &str) -> String {
    format!("which can't be written down: {why}")
}

/// Why a supervisor that we started could not work.
fn last_words(mut words: PipeReader, service: &ServiceName) -> String {
    let mut said = String::new();
    // It has ended: what it said is in the pipe.
    let _all_there = words.read_to_string(&mut said);
    let prefix = format!("{service}: ");
    let own = said.lines().find_map(|line| line.strip_prefix(&prefix));
    own.unwrap_or("its supervisor ended without a word; see supervisor.log").to_owned()
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
                let _heard = asked.supervisor.process.signal(Signal::TERM);
            }
        }
        let next = open.iter().filter_map(|asked| asked.hurry_at).min();
        let descriptors: Vec<_> = open
            .iter()
            .filter_map(|asked| Some((asked.supervisor.process.descriptor()?, Interest::Read)))
            .collect();
        let timeout = next.map(|next| next.saturating_duration_since(now));
        let Ok(ready) = poll::wait(&descriptors, timeout) else { return };
        let mut ended = ready.iter().map(|ready| ready.ready || ready.hung_up);
        open.retain(|asked| asked.supervisor.process.descriptor().is_some() && !ended.next().unwrap_or(true));
    }
}
