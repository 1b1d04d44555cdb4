//! The one loop of a supervisor: it sleeps until something happens, tells the machine, and does
//! what the machine answers. It decides nothing.
//!
//! One thread, no polling while the service is up. The FIFO is drained before anything else in
//! every round: a service that cannot write does not even hear a TERM.

mod background;
mod beginning;
mod ending;
mod exposure;
mod folder;
mod journal;
mod jupyter;
mod line;
mod needs;
mod readiness;
mod requests;
mod spawning;
mod state;
mod tree;

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use pipulate_core::identity::{Host, Pid};
use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::reason::Reason;
use pipulate_core::service::{ServiceName, ServiceSpec};
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_process::command::End;
use pipulate_process::identity::Verified;
use pipulate_process::poll::{self, Interest, Ready};
use pipulate_process::{memory, reaper};
use pipulate_store::error::StoreError;
use pipulate_store::lock::Lock;
use pipulate_store::record::{MainProcess, Named};

use crate::machine::{Action, Event, Machine, Outcome, Phase};
use crate::notice::{Inbox, Notice};
use crate::parts::disk_reserve::DiskReserve;
use crate::parts::file_watch::{FileWatch, PythonChecks, Running};
use crate::parts::log_pump::LogPump;
use crate::parts::peer_watch::{Neighborhood, PeerWatch};
use crate::parts::re_exec::{self, Successor, Upgrade};
use crate::parts::trial::Trial;
use crate::process_tree::{Attached, Service};
pub use crate::program::Beginning;
use crate::program::Program;
use background::Background;
use ending::Stopwatch;
use journal::{Journal, is_settled};
use needs::Needs;
use readiness::Readying;

/// How often a tree that is being ended is looked at, besides when a child ends.
const RECHECK: Duration = Duration::from_millis(10);
/// More than it takes to empty a pipe into the smallest of logs: what else holds it open may go on writing.
const MOST_LAST_DRAINS: u32 = 1024;
/// So long after it began, a supervisor gives back what it took to get there: by then those beside
/// it have begun, too, and want the processor no more.
const REST: Duration = Duration::from_millis(300);

/// Says reasons of a service, for supervisor.log: a supervisor has no words of its own.
pub type Words = fn(&[Reason], &ServiceName) -> Option<String>;

/// What a supervisor is given.
#[derive(Debug)]
pub struct Task {
    pub layout: Layout,
    pub spec: ServiceSpec,
    /// Held for as long as this supervises.
    pub lock: Lock,
    /// The FIFO's reading end of the program that this one succeeds.
    pub fifo: Option<OwnedFd>,
    /// Told of every change until the service has settled; see [`crate::launch`].
    pub doorbell: Option<OwnedFd>,
    /// What supervises after this one, or beside it.
    pub program: Program,
    pub beginning: Beginning,
    pub words: Words,
    /// Whoever ordered this start takes what the service needs to be up, or on its way.
    pub is_ordered: bool,
}

/// Why a supervisor could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("could not {activity}: {source}")]
    System { activity: &'static str, source: std::io::Error },
    #[error("{service} lives {place}; stop it there")]
    Elsewhere { service: String, place: String },
    #[error("nothing was started: could not tell whether {service} is running: {reason}")]
    Unverifiable { service: String, reason: String },
}

/// Supervises a service until it has settled and nothing of it is left.
///
/// # Errors
/// The home's files can't be used, or the service lives where it can't be seen from here.
pub fn supervise(task: Task) -> Result<(), SuperviseError> {
    let beginning = task.beginning;
    Driver::new(task)?.run(beginning)
}

struct Driver {
    layout: Layout,
    spec: ServiceSpec,
    host: Host,
    service: Service,
    me: Pid,
    lock: Lock,
    program: Program,
    inbox: Inbox,
    log: LogPump,
    machine: Machine,
    main: Option<Main>,
    /// The group of a main process that ended while nobody supervised it.
    lost_group: Option<Pid>,
    /// The tree was torn by a supervisor's death: look everywhere, not only below us.
    torn: bool,
    background: Background,
    port: Option<u16>,
    port_lost: bool,
    needs: Needs,
    /// Why the last spawn failed, if it is tried again.
    shortage: Option<Reason>,
    readying: Readying,
    attached: Attached,
    stopwatch: Option<Stopwatch>,
    journal: Journal,
    /// Written down before the start that will have it.
    next_run: RunId,
    /// The main process that JupyterLab's page and token were last read for.
    learned_from: Option<Pid>,
    peers: PeerWatch,
    files: FileWatch,
    upgrade: Upgrade,
    /// When there is something to give back.
    rest_at: Option<Instant>,
    empty_looks: u32,
    /// Those that an earlier stop could not end.
    earlier_survivors: Vec<Named>,
    reserve: DiskReserve,
}

/// The main process of the running instance.
struct Main {
    verified: Verified,
    record: MainProcess,
    /// A child of ours; otherwise adopted.
    is_child: bool,
    ended: Option<End>,
}

/// What ended a sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// Nothing but the service's output.
    ByOutput,
    ByMore,
}

impl Driver {
    fn run(mut self, beginning: Beginning) -> Result<(), SuperviseError> {
        // Before anything is started: whoever finds this record after our death knows to look.
        self.begin_the_record(beginning)?;
        // Made of a supervisor that was killed, or while this process changed its program.
        self.look_at_requests();
        loop {
            self.follow_the_folder();
            self.drain();
            for notice in self.inbox.take() {
                self.on_notice(notice);
            }
            self.look_after_main();
            self.look_for_an_answer();
            self.look_at_the_tree();
            self.look_at_saves();
            self.look_after_the_keys();
            self.look_at_upgrade();
            self.tick();
            self.learn_from_jupyter();
            self.save();
            if self.is_over() {
                self.drain();
                return self.journal.take_unwritten().map_or(Ok(()), |error| Err(error.into()));
            }
            self.look_after_peers();
            self.settle_down();
            self.sleep()?;
        }
    }

    /// Tells the machine what happened and does what follows.
    fn tell(&mut self, event: Event) {
        match self.machine.on_event(event, Instant::now()) {
            Action::Nothing => {}
            Action::Spawn => self.spawn(),
            Action::AskMain => self.ask_main(),
            Action::KillMain => self.kill_main(),
            Action::EndGroup { force } => self.end_group(force),
            Action::EndTree { force } => self.end_tree(force),
            Action::Renew => self.renew(),
        }
    }

    fn on_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Stop => self.tell(Event::StopRequested),
            Notice::Restart => self.tell(Event::RestartRequested),
            Notice::Requested => self.look_at_requests(),
            Notice::Upgrade => self.upgrade.ask(),
            Notice::LookAround => {
                self.look_around();
                self.rest_at = Some(Instant::now() + REST);
            }
            Notice::ChildEnded => {}
        }
    }

    /// Moves what was printed to the log; whether there may be more at once.
    fn drain(&mut self) -> bool {
        let is_read = self.waits_for_a_line();
        let pumped = self.log.drain(is_read);
        if pumped.more {
            self.rest_at = Some(Instant::now() + REST);
        }
        if let Some(error) = pumped.error {
            self.journal.complain(&error.to_string());
        }
        if is_read {
            self.look_for_a_line(false);
        }
        let is_last = matches!(self.machine.phase(), Phase::Sweeping { .. } | Phase::Settled(_));
        let loss = self.reserve.look(&mut self.log.capture, &self.spec.name, is_last, Instant::now());
        if let Some(loss) = loss {
            self.journal.lost(loss);
        }
        if pumped.was_rotated {
            self.journal.log_was_rotated();
        }
        pumped.more
    }

    /// Learns that the main process ended, and keeps it a zombie: its number pins its group.
    fn look_after_main(&mut self) {
        let kept = self.main.as_ref().filter(|main| main.is_child).map(Main::pid);
        reaper::reap_others(&kept.into_iter().chain(self.upgrade.child()).collect::<Vec<_>>());
        let Some(main) = self.main.as_mut().filter(|main| main.ended.is_none()) else { return };
        let end = match main.is_child {
            true => reaper::peek(main.pid()),
            // What nobody can tell counts as a failure.
            false => (!main.verified.lives()).then(|| main.verified.exit().unwrap_or(End::Unknown)),
        };
        let Some(end) = end else { return };
        main.ended = Some(end);
        // Its last words may be the very line that it was to be ready by.
        for _ in 0..MOST_LAST_DRAINS {
            if !self.drain() {
                break;
            }
        }
        self.look_for_an_answer();
        self.journal.main_ended(end);
        self.port_lost = self.was_robbed_of_its_port();
        self.readying.forget();
        self.tell(Event::MainEnded(end));
    }

    /// Writes the first record: without one, what is started now could not be found.
    fn begin_the_record(&mut self, beginning: Beginning) -> Result<(), SuperviseError> {
        let is_new = beginning != Beginning::Stop && self.main.is_none();
        if is_new {
            self.journal.write_only_with_room();
        }
        self.save();
        match self.journal.take_unwritten() {
            Some(error) if is_new => Err(error.into()),
            Some(_) | None => Ok(()),
        }
    }

    fn look_at_saves(&mut self) {
        let Some(watch) = &self.spec.watch else { return };
        let running = match self.machine.phase().wanted() {
            Wanted::Stopped => Running::Unwanted,
            Wanted::Run if self.main.as_ref().is_some_and(|main| main.ended.is_none()) => Running::Yes,
            Wanted::Run => Running::No,
        };
        let checks = PythonChecks { watch, spec: &self.spec, host: &self.host };
        let is_saved = self.files.look(&self.layout, &self.spec.name, &checks, running, Instant::now());
        if let Some(trouble) = self.files.trouble() {
            self.journal.note(trouble.clone());
        }
        if is_saved {
            self.tell(Event::Saved);
        }
    }

    fn look_after_peers(&mut self) {
        let (service, is_stopping) = (&self.spec.name, self.stopwatch.is_some());
        let neighborhood =
            Neighborhood { layout: &self.layout, service, host: &self.host, program: &self.program };
        let has_time = || !self.journal.is_unsettled() || !self.journal.has_audience();
        self.peers.look(&neighborhood, service, has_time, is_stopping, Instant::now());
    }

    fn look_around(&mut self) {
        let (service, is_stopping) = (&self.spec.name, self.stopwatch.is_some());
        let neighborhood =
            Neighborhood { layout: &self.layout, service, host: &self.host, program: &self.program };
        self.peers.look_around(&neighborhood, service, is_stopping, Instant::now());
    }

    /// Introduces this supervisor before the record says that the service has settled.
    fn be_known_before_settling(&mut self, next: ServiceState) {
        let is_time = is_settled(next) || !self.journal.has_audience();
        let service = &self.spec.name;
        let neighborhood =
            Neighborhood { layout: &self.layout, service, host: &self.host, program: &self.program };
        self.peers.introduce(&neighborhood, service, is_time);
    }

    fn look_at_upgrade(&mut self) {
        let begin = || {
            let newer = self.program.newer()?;
            Some(Trial::begin(newer, self.layout.root(), &self.host))
        };
        let (phase, is_stopping) = (self.machine.phase(), self.stopwatch.is_some());
        if self.upgrade.look(&self.spec.name, phase, is_stopping, Instant::now(), begin) {
            self.make_way();
        }
    }

    fn make_way(&mut self) {
        self.save();
        self.journal.note_in_log("makes way for a newer program");
        let image = self.program.path.clone();
        // A restart begins with the newer program anyway. What runs needs no configuration.
        let why = self.succeed(&image, Beginning::Rescue, &[Notice::Stop, Notice::Restart]);
        self.journal.complain(&format!("{why}; this one goes on"));
    }

    /// The old instance is gone: begins again, with the configuration as it is now. A newer program
    /// that can't be run is no reason to stay away: this one can.
    fn renew(&mut self) {
        let was_exposed = self.journal.is_exposed();
        self.look_at_the_port();
        if !was_exposed && self.journal.is_exposed() {
            // The next program knows what the record says.
            self.save();
        }
        let image = match self.program.newer().map(Path::to_owned) {
            None => self.program.image(),
            Some(newer) => {
                let (folder, host) = (self.layout.root().clone(), self.host.clone());
                let drain = || {
                    self.drain();
                };
                match re_exec::try_out(&newer, &folder, &host, drain) {
                    Ok(()) => newer,
                    Err(why) => {
                        self.journal.complain(&format!("{why}; the service is restarted by the old program"));
                        self.program.image()
                    }
                }
            }
        };
        let why = self.succeed(&image, Beginning::Start, &[Notice::Stop]);
        self.journal.complain(&why);
        self.tell(Event::SpawnFailed { why: Reason::ReloadFailed { error: why } });
        if matches!(self.machine.phase(), Phase::Settled(_)) {
            self.give_up_on_requests();
            self.forget_the_stop();
        }
    }

    /// Returns only if the program could not take over, or something more urgent came first.
    fn succeed(&mut self, image: &Path, beginning: Beginning, urgent: &[Notice]) -> String {
        let successor = Successor { image, layout: &self.layout, service: &self.spec.name, beginning };
        let stayed = re_exec::exec(&successor, &self.lock, &self.log.capture, &mut self.inbox, urgent);
        for notice in stayed.notices {
            self.on_notice(notice);
        }
        stayed.why
    }

    fn is_over(&self) -> bool {
        match self.machine.phase() {
            Phase::Settled(Outcome::Stopped) => true,
            // As long as something of it lives, its output is captured and it is found; and the next
            // save may bring it back.
            Phase::Settled(Outcome::Exited | Outcome::Crashed { .. }) => {
                !self.files.is_possible() && self.family().ours.is_empty()
            }
            Phase::Waiting { .. }
            | Phase::Starting { .. }
            | Phase::Up { .. }
            | Phase::Clearing { .. }
            | Phase::Background { .. }
            | Phase::Stopping { .. }
            | Phase::Sweeping { .. } => false,
        }
    }

    /// Sleeps until there is more to do than to move output: a flood of it is no reason to look at
    /// everything else each time.
    fn sleep(&mut self) -> Result<(), SuperviseError> {
        let is_steady = |phase: &Phase| matches!(phase, Phase::Up { .. } | Phase::Background { .. });
        while self.wait()? == Woken::ByOutput && is_steady(self.machine.phase()) {
            let seen = |log: &LogPump, reserve: &DiskReserve| (log.capture.rotations(), reserve.reported());
            let before = seen(&self.log, &self.reserve);
            // A log is turned over by its name, and the folder may have another one by now.
            self.follow_the_folder();
            self.drain();
            if !self.log.has_writers() || before != seen(&self.log, &self.reserve) {
                break;
            }
        }
        Ok(())
    }

    fn wait(&self) -> Result<Woken, SuperviseError> {
        let now = Instant::now();
        let recheck = self.is_ending().then(|| now + RECHECK);
        let wake = [
            self.next_tick(),
            self.readying.next_look(self.machine.phase(), now),
            self.files.next_look(),
            self.upgrade.next_look(),
            self.background.next_look(self.machine.phase(), now),
            self.peers.next_look(),
            self.next_look_at_the_port(now),
            self.rest_at.filter(|_| !self.journal.is_unsettled()),
            recheck,
            self.reserve.next_look(&self.log.capture, !self.journal.is_behind()),
        ]
        .into_iter()
        .flatten()
        .min();
        let output = self.log.descriptor().map(|fd| (fd, Interest::Read));
        let mut watched: Vec<_> = output.into_iter().collect();
        watched.extend(self.inbox.descriptors().map(|fd| (fd, Interest::Read)));
        if let Some(fd) =
            self.main.as_ref().filter(|main| main.ended.is_none()).and_then(|main| main.verified.descriptor())
        {
            watched.push((fd, Interest::Read));
        }
        watched.extend(self.readying.descriptor());
        watched.extend(self.files.descriptors());
        let ends = [
            self.upgrade.descriptor(),
            self.background.descriptor(),
            self.peers.descriptor(),
            self.journal.audience(),
        ];
        watched.extend(ends.into_iter().flatten().map(|fd| (fd, Interest::Read)));
        let timeout = wake.map(|wake| wake.saturating_duration_since(now));
        let ready = poll::wait(&watched, timeout)
            .map_err(|source| SuperviseError::System { activity: "wait", source })?;
        let is_late = wake.is_some_and(|wake| wake <= Instant::now());
        let mut others = ready.iter().skip(usize::from(self.log.has_writers()));
        Ok(match self.log.has_writers() && !is_late && others.all(|other| *other == Ready::default()) {
            true => Woken::ByOutput,
            false => Woken::ByMore,
        })
    }

    fn settle_down(&mut self) {
        // Once no command waits for the service any more.
        if !self.journal.is_unsettled() {
            self.reserve.set_aside(&self.layout, &self.spec.name);
        }
        let rests = self.rest_at.is_some_and(|at| at <= Instant::now());
        if rests && !self.journal.is_unsettled() {
            self.rest_at = None;
            self.log.capture.rest();
            memory::give_back();
        }
    }

    /// Whether the tree is being ended, and therefore looked at again and again.
    fn is_ending(&self) -> bool {
        match self.machine.phase() {
            Phase::Clearing { .. } | Phase::Sweeping { .. } => true,
            Phase::Stopping { .. }
            | Phase::Waiting { .. }
            | Phase::Starting { .. }
            | Phase::Up { .. }
            | Phase::Background { .. }
            | Phase::Settled(_) => false,
        }
    }
}

impl Main {
    fn pid(&self) -> Pid {
        self.record.identity.pid
    }
}

fn random() -> Result<u64, SuperviseError> {
    getrandom::u64().map_err(|error| SuperviseError::System {
        activity: "get random numbers",
        source: std::io::Error::other(error.to_string()),
    })
}
