//! Starting services from outside: a supervisor for each, and a wait until the thing is true.
//!
//! The supervisors share one pipe, the doorbell. Each writes its service's name when its record
//! changes and lets go when the service has settled, so that waiting costs next to nothing and only
//! what has changed is looked at.

mod found;
mod woken;

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{PipeReader, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use pipulate_core::identity::{Host, Pid};
use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::service::{ServiceName, ServiceSpec};
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_process::command::End;
use pipulate_process::identity;
use pipulate_process::poll::{self, Interest};
use pipulate_process::reaper;
use pipulate_store::record::Record;

use crate::query;
use pipulate_supervisor::ownership::{Ownership, look_up};
use pipulate_supervisor::process_tree;
pub use pipulate_supervisor::program::LaunchError;
use pipulate_supervisor::program::{Beginning, GAVE_WAY, Program};
use woken::Woken;

/// How often the record of a service is read that somebody else is starting.
pub(crate) const GLANCE: Duration = Duration::from_millis(50);

/// How often everything is looked at although nobody rang.
const RARE_GLANCE: Duration = Duration::from_millis(250);

/// So many supervisors are started for a service after the first one: each may give way or be killed.
const ATTEMPTS: u32 = 10;

/// How a start came out.
#[derive(Debug, Clone, PartialEq)]
pub enum Started {
    /// It is up. `fresh`: it was not before.
    Up { record: Box<Record>, fresh: bool },
    /// It ended, or does not answer; the record says why.
    Failed { record: Box<Record> },
    /// There is no record to tell: its supervisor could not work.
    NotSupervised { why: String },
    /// It is still on its way.
    TimedOut,
}

/// Services on their way.
pub struct Launch<'a> {
    layout: &'a Layout,
    specs: &'a [ServiceSpec],
    program: Program,
    host: Host,
    pending: Vec<Pending>,
    doorbell: PipeReader,
    ringing: bool,
    heard: Vec<u8>,
    /// What supervisors said before they gave up, a line each.
    words: Vec<String>,
}

struct Pending {
    service: ServiceName,
    /// The supervisor that was started for it; `None` when it had one.
    supervisor: Option<Pid>,
    /// Whether that one has our doorbell.
    rings: bool,
    /// What its record said before.
    before: Option<Record>,
    /// What ran before this start.
    run: Option<RunId>,
    /// Its supervisor, which had settled, was asked to begin again.
    woken: Option<Woken>,
    /// Why none was started: it may live where we can't look.
    refused: Option<String>,
    /// How many more may be started for it.
    attempts: u32,
}

impl<'a> Launch<'a> {
    /// Starts a supervisor for each service that has none. One whose service is not among `specs`
    /// reads the configuration itself, and says what is wrong with it.
    ///
    /// # Errors
    /// The system has no room for another process, or the home's files can't be written.
    pub fn begin(
        layout: &'a Layout,
        program: &Program,
        services: &[ServiceName],
        specs: &'a [ServiceSpec],
    ) -> Result<Self, LaunchError> {
        let host = identity::host();
        let (doorbell, ringer) = std::io::pipe()?;
        let mut pending = Vec::new();
        let mut lost_ones = None;
        for service in services {
            let (before, ownership) = look_up(layout, service, &host);
            let mut woken = None;
            let mut refused = None;
            let supervisor = match ownership {
                Ownership::Supervised(pid) => {
                    woken = Woken::if_settled(layout, service, before.as_ref(), pid, &host);
                    None
                }
                Ownership::Unknown(why) => {
                    refused = Some(why);
                    None
                }
                Ownership::Unsupervised | Ownership::Gone => {
                    // Without a record, the process table has the last word: two are one too many.
                    if before.is_none() {
                        let lost = lost_ones.get_or_insert_with(|| process_tree::lost_supervisors(layout));
                        refuse_lost(lost, service)?;
                    }
                    let (start, spec) = (Beginning::Start, spec_of(specs, service));
                    let started = program.start(layout, service, start, spec, ringer.try_clone()?)?;
                    Some(started.identity().pid)
                }
            };
            pending.push(Pending {
                service: service.clone(),
                rings: supervisor.is_some(),
                supervisor,
                run: before.as_ref().and_then(run_of),
                before,
                woken,
                refused,
                attempts: ATTEMPTS,
            });
        }
        drop(ringer);
        Ok(Self {
            layout,
            specs,
            program: program.clone(),
            host,
            pending,
            doorbell,
            ringing: true,
            heard: Vec::new(),
            words: Vec::new(),
        })
    }

    /// Waits until every service is up or has failed, or until `deadline`.
    ///
    /// # Errors
    /// The system can't wait.
    pub fn wait(
        self,
        deadline: Option<Instant>,
        on_settled: impl FnMut(&ServiceName, &Started),
    ) -> Result<Vec<(ServiceName, Started)>, LaunchError> {
        self.wait_for(Self::outcome, deadline, on_settled)
    }

    fn wait_for(
        mut self,
        mut outcome_of: impl FnMut(&mut Self, &Pending) -> Option<Started>,
        deadline: Option<Instant>,
        mut on_settled: impl FnMut(&ServiceName, &Started),
    ) -> Result<Vec<(ServiceName, Started)>, LaunchError> {
        let mut settled = Vec::new();
        loop {
            let rung = self.rung();
            for mut pending in std::mem::take(&mut self.pending) {
                if rung.as_ref().is_some_and(|rung| !rung.contains(pending.service.as_str())) {
                    self.pending.push(pending);
                    continue;
                }
                match outcome_of(&mut self, &pending) {
                    None => {
                        self.take_the_place_of_another(&mut pending)?;
                        self.pending.push(pending);
                    }
                    Some(outcome) => {
                        on_settled(&pending.service, &outcome);
                        settled.push((pending.service, outcome));
                    }
                }
            }
            if self.pending.is_empty() {
                return Ok(settled);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                settled.extend(self.pending.into_iter().map(|pending| (pending.service, Started::TimedOut)));
                return Ok(settled);
            }
            self.sleep(left)?;
        }
    }

    /// A service that somebody else was stopping when this start began, or starting, is started
    /// once nobody does any more; one whose supervisor was killed gets another one.
    fn take_the_place_of_another(&self, pending: &mut Pending) -> Result<(), LaunchError> {
        if pending.attempts == 0 || pending.supervisor.is_some_and(|pid| reaper::peek(pid).is_none()) {
            return Ok(());
        }
        let (record, ownership) = look_up(self.layout, &pending.service, &self.host);
        if ownership == Ownership::Gone || ownership == Ownership::Unsupervised {
            let nowhere = OpenOptions::new().write(true).open("/dev/null")?;
            let (start, spec) = (Beginning::Start, spec_of(self.specs, &pending.service));
            let started = self.program.start(self.layout, &pending.service, start, spec, nowhere)?;
            pending.supervisor = Some(started.identity().pid);
            pending.attempts -= 1;
            pending.before = record;
            pending.rings = false;
            pending.woken = None;
        }
        Ok(())
    }

    /// The services whose supervisors rang since the last time; `None`: look at every one.
    fn rung(&mut self) -> Option<BTreeSet<String>> {
        let whole = self.heard.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let heard: Vec<u8> = self.heard.drain(..whole).collect();
        let mut rung = BTreeSet::new();
        for line in String::from_utf8_lossy(&heard).lines() {
            match line.strip_prefix('!') {
                Some(service) => drop(rung.insert(service.to_owned())),
                None => self.words.push(line.to_owned()),
            }
        }
        (!rung.is_empty()).then_some(rung)
    }

    /// Until somebody rings; for a glance at most, because one that is killed does not ring, and
    /// one that somebody else started has another bell.
    fn sleep(&mut self, left: Option<Duration>) -> Result<(), LaunchError> {
        let strangers = self.pending.iter().any(|pending| !pending.rings) || !self.ringing;
        let glance = if strangers { GLANCE } else { RARE_GLANCE };
        self.hear(left.map_or(glance, |left| left.min(glance))).map(drop)
    }

    /// Listens to the doorbell for so long; whether it rang.
    fn hear(&mut self, patience: Duration) -> Result<bool, LaunchError> {
        let watched: Vec<_> =
            self.ringing.then(|| (self.doorbell.as_fd(), Interest::Read)).into_iter().collect();
        let ready = poll::wait(&watched, Some(patience))?;
        if !ready.first().is_some_and(|ready| ready.ready || ready.hung_up) {
            return Ok(false);
        }
        let mut buffer = [0; 4096];
        let count = self.doorbell.read(&mut buffer)?;
        self.ringing = count > 0;
        self.heard.extend_from_slice(&buffer[..count]);
        Ok(true)
    }

    fn outcome(&mut self, pending: &Pending) -> Option<Started> {
        if let Some(why) = &pending.refused {
            return Some(Started::NotSupervised { why: why.clone() });
        }
        if pending.woken.as_ref().is_some_and(|woken| woken.is_unanswered(self.layout, &pending.service)) {
            return None;
        }
        let ended = pending.supervisor.and_then(reaper::peek);
        let (record, ownership) = look_up(self.layout, &pending.service, &self.host);
        let lost = ownership == Ownership::Unsupervised || ownership == Ownership::Gone;
        // Whoever supervises to the end takes its name out of the record.
        let is_told = |record: &Record| {
            is_current(record, &ownership, pending, ended) && !(lost && record.supervisor.is_some())
        };
        let Some(record) = record.filter(is_told) else {
            return match has_failed(ended) {
                true => Some(Started::NotSupervised { why: self.last_words(&pending.service) }),
                false => given_up(pending, ended),
            };
        };
        let fresh = pending.run != run_of(&record);
        match record.shown_state() {
            // It has just ended, and its supervisor has not written that down yet.
            ServiceState::Ready | ServiceState::Running | ServiceState::Unstable
                if !fresh && !query::main_lives(&record) =>
            {
                None
            }
            // Nobody has asked it since it was started.
            ServiceState::Ready if !fresh => Some(self.as_it_answers(record, &ownership)),
            ServiceState::Unstable if record.state == ServiceState::Starting => None,
            ServiceState::Ready | ServiceState::Running | ServiceState::Exited => {
                Some(Started::Up { record: Box::new(record), fresh })
            }
            // It was being stopped when this start began; see below.
            ServiceState::Stopped if pending.supervisor.is_none() && pending.was_ending() => None,
            ServiceState::Crashed
            | ServiceState::Degraded
            | ServiceState::Unstable
            | ServiceState::Stopped => Some(Started::Failed { record: Box::new(record) }),
            ServiceState::Starting
            | ServiceState::Backoff
            | ServiceState::Stopping
            | ServiceState::Unsupervised
            | ServiceState::Unknown => None,
        }
    }

    /// What a supervisor wrote to the doorbell before it gave up.
    fn last_words(&mut self, service: &ServiceName) -> String {
        // They were said before its end, and may not have been heard yet.
        while self.ringing && self.hear(Duration::ZERO).is_ok_and(|heard| heard) {}
        let _looked_at_anyway = self.rung();
        let prefix = format!("{service}: ");
        let own = self.words.iter().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned));
        own.unwrap_or_else(|| {
            "its supervisor ended without a word; see `pipulate logs` and supervisor.log".to_owned()
        })
    }
}

impl Pending {
    /// Whether somebody was stopping it when this start began. Who does so later means this start, too.
    fn was_ending(&self) -> bool {
        let is_ending = |record: &Record| record.wanted == Wanted::Stopped;
        self.before.as_ref().is_none_or(is_ending)
    }
}

fn spec_of<'a>(specs: &'a [ServiceSpec], service: &ServiceName) -> Option<&'a ServiceSpec> {
    specs.iter().find(|spec| spec.name == *service)
}

/// Whether a supervisor ended at once, because another one was at work.
fn gave_way(ended: Option<End>) -> bool {
    ended == Some(End::Code(GAVE_WAY.into()))
}

/// Whether a supervisor ended by itself, for whatever it found. One that was killed had no say in it.
fn has_failed(ended: Option<End>) -> bool {
    matches!(ended, Some(End::Code(_))) && !gave_way(ended)
}

/// Unless there were enough of them, another supervisor takes the place of one that has ended.
fn given_up(pending: &Pending, ended: Option<End>) -> Option<Started> {
    let why = "its supervisors were killed again and again; see supervisor.log";
    (pending.attempts == 0 && ended.is_some()).then(|| Started::NotSupervised { why: why.to_owned() })
}

/// A service that runs although its records were deleted is not started beside itself.
fn refuse_lost(lost: &[(ServiceName, Pid)], service: &ServiceName) -> Result<(), LaunchError> {
    match lost.iter().find(|(name, _)| name == service) {
        Some((service, supervisor)) => {
            Err(LaunchError::Lost { service: service.clone(), supervisor: *supervisor })
        }
        None => Ok(()),
    }
}

/// Whether the record speaks of this start, and not of an earlier one.
fn is_current(record: &Record, ownership: &Ownership, pending: &Pending, ended: Option<End>) -> bool {
    match ownership {
        Ownership::Supervised(pid) => {
            record.supervisor.as_ref().is_some_and(|supervisor| supervisor.pid == *pid)
        }
        Ownership::Unsupervised | Ownership::Gone | Ownership::Unknown(_) => {
            // Whoever supervised to the end wrote it down, be it what was written there before.
            let is_told = ended.is_some_and(End::success) || pending.before.as_ref() != Some(record);
            // One that was asked to begin anew and had ended by then began nothing.
            let next_run = |record: &Record| record.next_run.clone();
            let has_begun = pending.before.as_ref().and_then(next_run) != next_run(record);
            let had_one = pending.supervisor.is_none() && (pending.woken.is_none() || has_begun);
            had_one || (ended.is_some() && !gave_way(ended) && is_told)
        }
    }
}

pub(crate) fn run_of(record: &Record) -> Option<RunId> {
    record.main.as_ref().map(|main| main.run.clone())
}
