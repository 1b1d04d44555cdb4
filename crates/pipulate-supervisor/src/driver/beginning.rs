//! How a supervisor begins: with nothing, with a service that another one left, or with what the
//! program before it in this very process had.

use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use pipulate_core::identity::{Elsewhere, Host, Liveness, ProcessIdentity};
use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::service::ServiceSpec;
use pipulate_core::state::ServiceState;
use pipulate_process::command::End;
use pipulate_process::identity::{self, Verified};
use pipulate_process::{reaper, table};
use pipulate_store::capture;
use pipulate_store::record::{self, MainProcess, Named, Record};

use super::background::Background;
use super::journal::{Journal, end_of};
use super::needs::Needs;
use super::readiness::Readying;
use super::{Beginning, Driver, Main, REST, SuperviseError, Task, random};
use crate::machine::{Event, Machine, Past, Policy};
use crate::notice::Inbox;
use crate::ownership::{self, Membership};
use crate::parts::disk_reserve::DiskReserve;
use crate::parts::file_watch::FileWatch;
use crate::parts::log_pump::LogPump;
use crate::parts::peer_watch::PeerWatch;
use crate::parts::re_exec::Upgrade;
use crate::process_tree::{Attached, Service};

impl Driver {
    pub(super) fn new(task: Task) -> Result<Self, SuperviseError> {
        let Task { layout, spec, lock, fifo, doorbell, program, beginning, words, is_ordered } = task;
        let host = identity::host();
        let (me, inbox) = become_supervisor(&host)?;
        let service = Service::of(&layout, &spec.name);
        let earlier = earlier_record(&layout, &service, beginning)?;
        // While we don't have the FIFO open ourselves: who else has says something.
        let main = surviving_main(&service, earlier.as_ref(), &layout, &me)?;
        let log = LogPump::open(&layout, &spec)?;
        drop(fifo); // It kept the FIFO's content; from here on our own end does.
        let torn = beginning == Beginning::Stop || is_torn(earlier.as_ref(), main.as_ref(), &me, &host);
        let machine = machine(&spec, earlier.as_ref(), main.is_some(), beginning, &me)?;
        let readying = Readying::new(&spec.ready, earlier.as_ref());
        let lost_before = lost_before(earlier.as_ref(), main.as_ref());
        let earlier_survivors = survivors(earlier.as_ref(), &service, &layout);
        let watch = spec.watch.as_ref().filter(|_| beginning != Beginning::Stop);
        let unread = unread(earlier.as_ref(), main.as_ref());
        let files = FileWatch::new(&layout, watch, unread, Instant::now());
        let generation = generation(earlier.as_ref(), main.as_ref(), beginning)?;
        let before = earlier.clone();
        let known_main = main.as_ref().map(|main| main.record.clone());
        let mut journal = Journal::new(&layout, &spec, me.clone(), earlier, known_main, (doorbell, words));
        let next_run = RunId::from_random(random()?);
        journal.will_begin(next_run.clone(), generation);
        let mut driver = Self {
            attached: Attached::new(),
            me: me.pid,
            port_lost: false,
            shortage: None,
            stopwatch: None,
            peers: PeerWatch::new(beginning == Beginning::Stop),
            files,
            upgrade: Upgrade::None,
            rest_at: Some(Instant::now() + REST),
            empty_looks: 0,
            learned_from: None,
            earlier_survivors,
            reserve: DiskReserve::new(lost_before, Instant::now()),
            layout,
            spec,
            host,
            service,
            lock,
            program,
            inbox,
            log,
            machine,
            main,
            lost_group: None,
            torn,
            background: Background::default(),
            port: before.as_ref().and_then(|record| record.port),
            needs: Needs::new(is_ordered),
            readying,
            journal,
            next_run,
        };
        driver.take_the_first_step(beginning, before)?;
        Ok(driver)
    }

    /// Takes over a service in the background. If nothing of it is left, a request starts it anew; in a
    /// rescue its policy decides.
    fn find_the_background(&mut self, beginning: Beginning, past: Past) -> Result<(), SuperviseError> {
        if beginning == Beginning::Rescue || !self.in_background().is_empty() {
            self.machine = Machine::in_background(policy(&self.spec), random()?, past, Instant::now());
            // The first word about it already names its processes.
            self.look_at_the_background();
        }
        Ok(())
    }

    fn take_the_first_step(
        &mut self,
        beginning: Beginning,
        before: Option<Record>,
    ) -> Result<(), SuperviseError> {
        let background = before.as_ref().filter(|record| record.is_in_background());
        if let Some(record) = background.filter(|_| beginning != Beginning::Stop) {
            return self.find_the_background(beginning, past_of(record));
        }
        match (beginning, before.filter(|_| self.torn)) {
            (Beginning::Stop, _) => self.tell(Event::StopRequested),
            (Beginning::Start | Beginning::Rescue, Some(earlier)) if self.main.is_none() => {
                self.mourn(&earlier, beginning)?;
            }
            // It was told to end, and is on its way. It is wanted back: this was a restart, or somebody
            // starts what was being stopped.
            (Beginning::Start | Beginning::Rescue, Some(earlier))
                if earlier.state == ServiceState::Stopping =>
            {
                self.tell(Event::RestartRequested);
            }
            (Beginning::Start | Beginning::Rescue, Some(_) | None) => {}
        }
        Ok(())
    }

    /// The main process ended while nobody supervised it. What is left of its group ends before another
    /// one comes; whether one comes unasked is for the policy to say.
    fn mourn(&mut self, earlier: &Record, beginning: Beginning) -> Result<(), SuperviseError> {
        self.lost_group = earlier.main.as_ref().map(|main| main.identity.pid);
        let is_wanted = beginning == Beginning::Start || earlier.state == ServiceState::Stopping;
        if self.lost_group.is_none() || (is_wanted && self.group_members().is_empty()) {
            self.lost_group = None;
            return Ok(());
        }
        // In back-off, the record already says how it ended.
        let seen = earlier.last_exit.filter(|_| earlier.state == ServiceState::Backoff);
        let was_up = earlier.state.is_well() || seen.is_some();
        let (policy, seed) = (policy(&self.spec), random()?);
        self.machine = Machine::adopted(policy, seed, was_up, past_of(earlier), Instant::now());
        if seen.is_none() {
            self.journal.main_ended(End::Unknown);
        }
        self.tell(Event::MainEnded(seen.map_or(End::Unknown, end_of)));
        if is_wanted {
            self.tell(Event::Saved);
        }
        Ok(())
    }
}

/// The generation that goes on, of what lives and of what a killed supervisor's successor brings back; or
/// another one. A main process that ended during the exec, a zombie, goes on no more.
fn generation(
    earlier: Option<&Record>,
    main: Option<&Main>,
    beginning: Beginning,
) -> Result<RunId, SuperviseError> {
    let lives = main.is_some_and(|main| main.verified.lives());
    let goes_on = |earlier: &&Record| match beginning {
        Beginning::Start => lives,
        // A restart that another supervisor had begun is finished by this.
        Beginning::Rescue => lives || earlier.state != ServiceState::Stopping,
        Beginning::Stop => true,
    };
    match earlier.filter(goes_on).and_then(|record| record.generation.clone()) {
        Some(generation) => Ok(generation),
        None => random().map(RunId::from_random),
    }
}

/// The lines of the running instance that were dropped so far.
fn lost_before(earlier: Option<&Record>, main: Option<&Main>) -> u64 {
    earlier.filter(|_| main.is_some()).map_or(0, |record| record.log_dropped)
}

/// The saves that the running instance does not know of.
fn unread(earlier: Option<&Record>, main: Option<&Main>) -> Vec<PathBuf> {
    earlier.filter(|_| main.is_some()).map(|record| record.saved.clone()).unwrap_or_default()
}

/// Makes this process ready to supervise: it knows itself, receives signals, and adopts orphans.
fn become_supervisor(host: &Host) -> Result<(ProcessIdentity, Inbox), SuperviseError> {
    let system = |activity| move |source| SuperviseError::System { activity, source };
    let me = identity::own(host).ok_or_else(|| system("see myself")(std::io::ErrorKind::NotFound.into()))?;
    let inbox = Inbox::open().map_err(system("receive signals"))?;
    reaper::become_subreaper().map_err(system("become the parent of orphans"))?;
    Ok((me, inbox))
}

/// Those that an earlier stop could not end.
fn survivors(earlier: Option<&Record>, service: &Service, layout: &Layout) -> Vec<Named> {
    let receipts = earlier.and_then(|record| record.receipt.as_ref());
    let survivors = receipts.into_iter().flat_map(|receipt| receipt.survivors.clone());
    survivors.filter(|survivor| service.is_believed(survivor.pid, layout)).collect()
}

/// Whether another supervisor ended without letting go: what it left may be anywhere.
fn was_torn(record: &Record, me: &ProcessIdentity, host: &Host) -> bool {
    let other = record.supervisor.as_ref().filter(|supervisor| *supervisor != me);
    other.is_some_and(|supervisor| supervisor.host == *host)
}

/// Whether it was torn, or we were the one to take over then.
fn is_torn(earlier: Option<&Record>, main: Option<&Main>, me: &ProcessIdentity, host: &Host) -> bool {
    let Some(record) = earlier else { return false };
    match main {
        Some(main) if main.is_child => record.adopted,
        // Another one's child, whichever of our programs adopted it.
        Some(_) => true,
        None => was_torn(record, me, host) || (record.adopted && record.supervisor.as_ref() == Some(me)),
    }
}

fn past_of(record: &Record) -> Past {
    Past { restarts: record.restarts, ends: record.unexpected_ends }
}

fn policy(spec: &ServiceSpec) -> Policy {
    Policy { restart: spec.restart, ready_timeout: spec.ready.timeout(), stop_timeout: spec.stop.timeout }
}

fn machine(
    spec: &ServiceSpec,
    earlier: Option<&Record>,
    lives: bool,
    beginning: Beginning,
    me: &ProcessIdentity,
) -> Result<Machine, SuperviseError> {
    let policy = policy(spec);
    let now = Instant::now();
    let seed = random()?;
    Ok(match (earlier, lives, beginning) {
        (Some(record), true, _) => {
            Machine::adopted(policy, seed, record.state.is_well(), past_of(record), now)
        }
        (Some(record), false, Beginning::Rescue) if record.state == ServiceState::Backoff => {
            Machine::resumed(policy, seed, past_of(record), now)
        }
        (Some(record), false, Beginning::Start) if record.supervisor.as_ref() == Some(me) => {
            Machine::renewed(policy, seed, now)
        }
        (None, true, _) | (_, false, Beginning::Start | Beginning::Rescue) => Machine::new(policy, seed, now),
        (_, false, Beginning::Stop) => Machine::remains(policy, now),
    })
}

/// An unreadable record is as good as none to its writer, which replaces it by the next write;
/// but nothing is started beside what it may have spoken of.
fn earlier_record(
    layout: &Layout,
    service: &Service,
    beginning: Beginning,
) -> Result<Option<Record>, SuperviseError> {
    let error = match record::read(layout, &service.name) {
        Ok(record) => return Ok(record),
        Err(error) => error,
    };
    let living = service.everywhere(&[], layout).ours;
    match (living.first(), beginning) {
        (Some(entry), Beginning::Start | Beginning::Rescue) => Err(SuperviseError::Unverifiable {
            service: service.name.to_string(),
            reason: format!(
                "{error}, and process {} is one of its own (a stop with --force ends it)",
                entry.pid
            ),
        }),
        (None, _) | (Some(_), Beginning::Stop) => {
            tracing::warn!(service = %service.name, "{error}; it is written anew");
            Ok(None)
        }
    }
}

/// The main process that lives without us, if it is the one that the record means: a child of
/// ours from before an exec, or one that a dead supervisor left.
fn surviving_main(
    service: &Service,
    earlier: Option<&Record>,
    layout: &Layout,
    me: &ProcessIdentity,
) -> Result<Option<Main>, SuperviseError> {
    let Some(earlier) = earlier else { return Ok(None) };
    let host = &me.host;
    if let Some(unrecorded) = unrecorded_main(service, earlier, me) {
        return Ok(Some(unrecorded));
    }
    let Some(record) = earlier.main.clone() else { return Ok(None) };
    let name = || service.name.to_string();
    let pid = record.identity.pid;
    let is_child = table::entry(pid)
        .is_some_and(|entry| entry.parent == me.pid.get() && entry.start == record.identity.start);
    if is_child {
        // A zombie too: it ended during the exec, and is told to the machine like any other.
        let pinned = Verified::pin_child(&record.identity)
            .map_err(|source| SuperviseError::System { activity: "watch the service", source })?;
        return Ok(pinned.map(|verified| Main { verified, record, is_child, ended: None }));
    }
    match Verified::pin(&record.identity, host) {
        Ok(Some(verified)) => {
            let adopted = Main { verified, record, is_child, ended: None };
            // What this very process adopted before an exec was proved then, whatever it shows by now.
            if earlier.supervisor.as_ref() == Some(me) {
                return Ok(Some(adopted));
            }
            match ownership::membership(layout, service, &adopted.record.identity, host) {
                Membership::Proved => Ok(Some(adopted)),
                Membership::Ended => Ok(None),
                Membership::Doubtful(reason) => Err(SuperviseError::Unverifiable { service: name(), reason }),
            }
        }
        Ok(None) => Ok(None),
        // A container that ended took its processes along.
        Err(Liveness::Elsewhere(Elsewhere::Container)) if !capture::is_held(layout, &service.name) => {
            Ok(None)
        }
        Err(Liveness::Elsewhere(place)) => {
            Err(SuperviseError::Elsewhere { service: name(), place: place.to_string() })
        }
        Err(Liveness::Unverifiable(reason)) => Err(SuperviseError::Unverifiable { service: name(), reason }),
        Err(Liveness::Alive | Liveness::Gone) => Ok(None),
    }
}

/// The main process that its supervisor had just started when it was killed.
fn unrecorded_main(service: &Service, earlier: &Record, me: &ProcessIdentity) -> Option<Main> {
    let host = &me.host;
    let run = earlier.next_run.clone().filter(|_| was_torn(earlier, me, host))?;
    let found = service.unrecorded_main(&run)?;
    let identity = ProcessIdentity { pid: found.pid, start: found.start, host: host.clone() };
    let verified = Verified::pin(&identity, host).ok().flatten()?;
    let record = MainProcess { identity, run, started_at: Timestamp::now() };
    Some(Main { verified, record, is_child: false, ended: None })
}
