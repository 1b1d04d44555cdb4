//! The main loop of a supervisor: it sleeps until an event, calls each part, passes the events to the
//! machine, and carries out the machine's actions. It decides nothing.
//!
//! One thread, no polling while the service is up. The FIFO is drained before anything else in every round: a
//! service that is blocked on output does not even handle TERM.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use pipulate_core::fault::Fault;
use pipulate_core::identity::{Host, Pid, ProcessIdentity};
use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::reason::Reason;
use pipulate_core::receipt::Receipt;
use pipulate_core::service::ServiceSpec;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_process::command::End;
use pipulate_process::identity;
use pipulate_process::poll::{self, Interest, Ready};
use pipulate_process::signals::Signal;
use pipulate_process::table::{self, Entry};
use pipulate_process::{memory, ports, reaper};
use pipulate_store::capture::silent_input;
use pipulate_store::lock::Lock;
use pipulate_store::log::time_index::Mark;
use pipulate_store::port_claims::PortClaim;
use pipulate_store::record::Record;
use pipulate_store::request::Request;

pub use crate::error::SuperviseError;
use crate::machine::{Action, Event, Machine, Outcome, Phase, Pressure};
use crate::notice::{Inbox, Notice};
use crate::particulars::{Particulars, Words};
use crate::parts::background::Background;
use crate::parts::derive_state::Facts;
use crate::parts::disk_reserve::DiskReserve;
use crate::parts::file_watch::{FileWatch, PythonChecks, Running};
use crate::parts::home::Home;
use crate::parts::log_pump::LogPump;
use crate::parts::main_process::{Main, MainProcess};
use crate::parts::needs::{Need, Needs, Step};
use crate::parts::own_tree::{Look, OwnTree};
use crate::parts::peer_watch::{Neighborhood, PeerWatch};
use crate::parts::port::Port;
use crate::parts::re_exec::{self, Successor, Upgrade};
use crate::parts::readiness::{Listening as _, ReadinessCheck, Target};
use crate::parts::record_writer::{RecordWriter, Snapshot, end_of};
use crate::parts::reload_loop::ReloadLoop;
use crate::parts::rest::Rest;
use crate::parts::sockets::Sockets;
use crate::parts::spawner::{SpawnFailure, Spawner};
use crate::parts::stop::Stop;
use crate::parts::takeover::{Found, past_of, policy};
use crate::parts::trial::Trial;
use crate::process_tree::Service;
use crate::program::{Beginning, Program};
use crate::{ownership, random};

/// Poll interval while ending a tree, besides when a child ends.
const RECHECK: Duration = Duration::from_millis(10);
/// More than enough to empty a pipe into the smallest of logs: other holders of the pipe may go on writing.
const MOST_LAST_DRAINS: u32 = 1024;

/// The parameters of a supervisor.
#[derive(Debug)]
pub struct Task {
    pub layout: Layout,
    pub spec: ServiceSpec,
    /// Held while this supervises.
    pub lock: Lock,
    /// The FIFO's reading end, from the program that this one succeeds.
    pub fifo: Option<OwnedFd>,
    /// The notify pipe: written to at every change until the service's state lasts.
    pub notify: Option<OwnedFd>,
    /// The program for later and for other supervisors.
    pub program: Program,
    pub beginning: Beginning,
    pub words: Words,
    /// The specifics of this kind of service.
    pub particulars: Box<dyn Particulars>,
    /// The command that started this service also starts the services that it needs.
    pub is_ordered: bool,
}

/// Supervises a service until it has ended for good and none of its processes is left.
///
/// # Errors
/// The home's files can't be used, or the service runs where it is not visible from here.
pub fn supervise(task: Task) -> Result<(), SuperviseError> {
    let beginning = task.beginning;
    Driver::new(task)?.run(beginning)
}

struct Driver {
    spec: ServiceSpec,
    host: Host,
    program: Program,
    inbox: Inbox,
    machine: Machine,
    home: Home,
    record: RecordWriter,
    log: LogPump,
    reserve: DiskReserve,
    tree: OwnTree,
    background: Background,
    port: Port,
    port_claim: PortClaim,
    needs: Needs,
    readiness: ReadinessCheck,
    files: FileWatch,
    reload_loop: ReloadLoop,
    peers: PeerWatch,
    upgrade: Upgrade,
    rest: Rest,
    /// Why the last start failed, if it is tried again.
    hindrance: Option<Reason>,
    particulars: Box<dyn Particulars>,
    /// The main process that was last asked for its description.
    described: Option<Pid>,
}

/// The reason why a sleep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// Only by the service's output.
    ByOutput,
    ByMore,
}

impl Driver {
    fn new(task: Task) -> Result<Self, SuperviseError> {
        let Task { layout, spec, lock, fifo, notify, program, beginning, words, particulars, is_ordered } =
            task;
        let now = Instant::now();
        let host = identity::host();
        let (me, inbox) = become_supervisor(&host)?;
        let service = Service::of(&layout, &spec.name);
        let found = Found::look(&layout, &service, beginning, &me)?;
        let log = LogPump::open(&layout, &spec)?;
        drop(fifo); // It kept the FIFO's content; from here on our own end does.
        let machine = found.machine(&spec, beginning, now)?;
        let watch = spec.watch.as_ref().filter(|_| beginning != Beginning::Stop);
        let files = FileWatch::new(&layout, watch, found.unread_saves(), now);
        let runs = (RunId::from_random(random()?), found.generation(beginning)?);
        let earlier = found.earlier.as_ref();
        let known = found.main.as_ref().map(|main| main.record.clone());
        let record = RecordWriter::new(
            &layout,
            &spec,
            (me.clone(), &program.path),
            earlier,
            known,
            (notify, words),
            runs,
        );
        let (port, is_exposed) = earlier.map_or((None, false), |record| (record.port, record.exposed));
        let stop = Stop::new(found.survivors(&service, &layout));
        let reserve = DiskReserve::new(found.lost_lines(), now);
        let readiness = ReadinessCheck::new(&spec.ready, earlier);
        let port_claim = PortClaim::new(layout.user());
        let main = found.main.map_or(MainProcess::None, MainProcess::Running);
        let mut rest = Rest::default();
        rest.schedule(now);
        let mut driver = Self {
            home: Home::new(layout, lock, spec.name.clone(), me.pid),
            tree: OwnTree::new(service, &me, main, stop, found.is_orphaned),
            background: Background::default(),
            port: Port::new(port, is_exposed),
            port_claim,
            needs: Needs::new(is_ordered),
            peers: PeerWatch::new(beginning == Beginning::Stop),
            upgrade: Upgrade::None,
            hindrance: None,
            described: None,
            reload_loop: ReloadLoop::new(&spec),
            particulars,
            spec,
            host,
            program,
            inbox,
            machine,
            record,
            log,
            reserve,
            readiness,
            files,
            rest,
        };
        driver.take_the_first_step(beginning, found.earlier)?;
        Ok(driver)
    }

    fn run(mut self, beginning: Beginning) -> Result<(), SuperviseError> {
        // Before the first start: if we die, the record tells others to look for processes.
        self.begin_the_record(beginning)?;
        // Requests made to a supervisor that was killed, or while this process changed its program.
        self.look_at_requests();
        loop {
            self.follow_the_folder();
            self.drain();
            for notice in self.inbox.take() {
                self.on_notice(notice);
            }
            self.look_at_main();
            self.look_for_an_answer();
            self.look_at_the_tree();
            self.look_at_saves();
            self.look_at_reloads();
            self.look_at_the_port();
            self.look_at_upgrade();
            self.look_at_needs();
            self.look_at_description();
            self.save();
            if self.is_over() {
                self.drain();
                return self.record.take_unwritten().map_or(Ok(()), |error| Err(error.into()));
            }
            self.look_at_peers();
            self.settle_down();
            self.sleep()?;
        }
    }

    /// Passes an event to the machine and carries out its action.
    fn tell(&mut self, event: Event) {
        let now = Instant::now();
        match self.machine.on_event(event, now) {
            Action::Nothing => {}
            Action::Spawn => self.spawn(),
            Action::AskMain => {
                self.tree.begin_stop(self.home.layout(), now);
                self.signal_main(self.spec.stop.signal.into());
            }
            Action::KillMain => {
                self.tree.note_killed_main(self.spec.stop.timeout, now);
                self.signal_main(Signal::KILL);
            }
            Action::EndGroup { force } => self.tree.end_group(force, self.home.layout()),
            Action::EndTree { force } => self.tree.end_all(force, self.home.layout(), now),
            Action::Renew => self.reload(),
        }
    }

    fn on_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Stop => self.tell(Event::StopRequested),
            Notice::StopWanted => self.tell(Event::StopWanted),
            Notice::Restart => self.tell(Event::RestartRequested),
            Notice::Requested => self.look_at_requests(),
            Notice::Upgrade => self.upgrade.ask(),
            Notice::LookAround => {
                self.peers.ask_to_look_around();
                self.rest.schedule(Instant::now());
            }
            Notice::ChildEnded => {}
        }
    }

    fn signal_main(&mut self, signal: Signal) {
        if !self.tree.signal_main(signal) {
            self.tell(Event::MainEnded(End::Unknown));
        }
    }

    // The beginning of a supervisor.

    fn take_the_first_step(
        &mut self,
        beginning: Beginning,
        earlier: Option<Record>,
    ) -> Result<(), SuperviseError> {
        let is_stop = beginning == Beginning::Stop;
        if let Some(record) = earlier.as_ref().filter(|record| record.is_in_background() && !is_stop) {
            return self.take_over_background(beginning, record);
        }
        match earlier.filter(|_| self.tree.is_orphaned()) {
            _ if is_stop => self.tell(Event::StopRequested),
            Some(earlier) if self.tree.main.main().is_none() => {
                self.handle_unsupervised_exit(&earlier, beginning)?;
            }
            // It was asked to end, and is ending. It is wanted again: this was a restart, or a start during a
            // stop.
            Some(earlier) if earlier.state == ServiceState::Stopping => self.tell(Event::RestartRequested),
            Some(_) | None => {}
        }
        Ok(())
    }

    /// Takes over a service in the background. If nothing of it is left, a request restarts it; in a rescue
    /// its policy decides.
    fn take_over_background(&mut self, beginning: Beginning, record: &Record) -> Result<(), SuperviseError> {
        if beginning == Beginning::Rescue || !self.in_background().is_empty() {
            let policy = policy(&self.spec);
            self.machine = Machine::in_background(policy, random()?, past_of(record), Instant::now());
            // The first record about it already names its processes.
            self.look_at_the_background();
        }
        Ok(())
    }

    /// Handles a main process that ended without a supervisor. The rest of its group ends before the next
    /// instance; the policy decides whether there is an automatic one.
    fn handle_unsupervised_exit(
        &mut self,
        earlier: &Record,
        beginning: Beginning,
    ) -> Result<(), SuperviseError> {
        let Some(leader) = earlier.main.as_ref().map(|main| main.identity.pid) else { return Ok(()) };
        let is_wanted = beginning == Beginning::Start || earlier.state == ServiceState::Stopping;
        self.tree.main = MainProcess::LostGroup(leader);
        if is_wanted && self.tree.group(self.home.layout()).is_empty() {
            self.tree.main.forget();
            return Ok(());
        }
        // In back-off, the record already says how it ended.
        let seen = earlier.last_exit.filter(|_| earlier.state == ServiceState::Backoff);
        let was_up = earlier.state.is_well() || seen.is_some();
        let policy = policy(&self.spec);
        self.machine = Machine::adopted(policy, random()?, was_up, past_of(earlier), Instant::now());
        if seen.is_none() {
            self.record.main_ended(End::Unknown, false);
        }
        self.tell(Event::MainEnded(seen.map_or(End::Unknown, end_of)));
        if is_wanted {
            self.tell(Event::Saved);
        }
        Ok(())
    }

    fn begin_the_record(&mut self, beginning: Beginning) -> Result<(), SuperviseError> {
        let is_new = beginning != Beginning::Stop && self.tree.main.main().is_none();
        self.update_the_record();
        let may_write = self.home.is_ours();
        Ok(self.record.begin(self.home.layout(), is_new, may_write)?)
    }

    // The steps of each round.

    /// Follows the project's folder after it was moved.
    fn follow_the_folder(&mut self) {
        let me = self.record.supervisor().pid;
        if self.home.follow(|| table::working_directory(me)) {
            self.log.capture.follow(self.home.layout());
        }
    }

    /// Moves output to the log; returns true if there may be more at once.
    fn drain(&mut self) -> bool {
        let is_read = self.readiness.waits_for_a_line(self.machine.phase());
        let pumped = self.log.drain(is_read);
        if pumped.more {
            self.rest.schedule(Instant::now());
        }
        if let Some(error) = pumped.error {
            tracing::warn!(service = %self.spec.name, "{error}");
        }
        if is_read {
            self.readiness.look_for_a_line(&mut self.log.capture, false);
        }
        let is_last = matches!(self.machine.phase(), Phase::Sweeping { .. } | Phase::Ended(_));
        let loss = self.reserve.look(&mut self.log.capture, &self.spec.name, is_last, Instant::now());
        if let Some(loss) = loss {
            self.record.lost(loss);
        }
        if pumped.was_rotated {
            self.record.log_was_rotated();
        }
        pumped.more
    }

    fn look_at_main(&mut self) {
        let Some(end) = self.tree.main.look() else {
            let kept: Vec<Pid> = self.tree.main.kept().into_iter().chain(self.upgrade.child()).collect();
            reaper::reap_others(&kept);
            return;
        };
        // Its last output may contain its readiness line.
        for _ in 0..MOST_LAST_DRAINS {
            if !self.drain() {
                break;
            }
        }
        self.look_for_an_answer();
        self.record.main_ended(end, self.tree.stop.is_running());
        self.look_who_has_the_port();
        let sockets = Sockets { tree: &self.tree, layout: self.home.layout() };
        let is_taken = |port| !ports::is_free(port) && !sockets.hold(port);
        if let Some(port) = self.port.main_ended(self.machine.phase(), self.spec.port, is_taken) {
            self.record.note(Reason::PortHeld { port, holder: sockets.holder(port) });
        }
        self.readiness.forget();
        self.tell(Event::MainEnded(end));
    }

    fn look_for_an_answer(&mut self) {
        let has_ended = matches!(self.tree.main, MainProcess::Ended(_));
        let sockets = Sockets { tree: &self.tree, layout: self.home.layout() };
        let (phase, target, now) = (self.machine.phase(), self.target(), Instant::now());
        let capture = &mut self.log.capture;
        if !self.readiness.look(phase, has_ended, capture, target, &sockets, now) {
            return;
        }
        self.log.capture.mark(Mark::Ready);
        self.tell(Event::Answered);
        if self.readiness.used_memory() {
            self.rest.schedule(now);
        }
        let sockets = Sockets { tree: &self.tree, layout: self.home.layout() };
        if let Some(note) = self.readiness.public_listener(self.spec.python_file(), &sockets) {
            self.record.note(note);
        }
    }

    /// Checks whether the group or tree that is being ended is empty.
    fn look_at_the_tree(&mut self) {
        match *self.machine.phase() {
            Phase::Clearing { end, pressure, .. } => self.look_at_the_group(end, pressure),
            Phase::Background { .. } => self.look_at_the_background(),
            Phase::Sweeping { force, .. } => {
                let look =
                    self.tree.look(force, self.log.has_writers(), self.upgrade.child(), self.home.layout());
                if look == Look::Empty {
                    self.tell(Event::TreeEmpty);
                }
            }
            Phase::Waiting { .. }
            | Phase::Starting { .. }
            | Phase::Up { .. }
            | Phase::Stopping { .. }
            | Phase::Ended(_) => {}
        }
    }

    fn look_at_the_group(&mut self, end: End, pressure: Pressure) {
        if !self.tree.group(self.home.layout()).is_empty() {
            // Also kills members forked since the last check.
            if pressure == Pressure::Killed {
                self.tree.end_group(true, self.home.layout());
            }
            return;
        }
        self.tree.main.forget();
        let event = match self.port.take_loss() {
            true => Event::PortLost { why: Reason::PortLost { port: self.port.number.unwrap_or_default() } },
            false if end.success() && !self.in_background().is_empty() => Event::LeftOthers,
            false => Event::GroupEmpty,
        };
        self.tell(event);
        if let Phase::Background { .. } = self.machine.phase() {
            self.look_at_the_background();
        }
    }

    fn look_at_the_background(&mut self) {
        if !self.background.update(self.in_background(), &self.host) {
            self.tell(Event::GroupEmpty);
        }
    }

    fn look_at_saves(&mut self) {
        let Some(watch) = &self.spec.watch else { return };
        let running = match self.machine.phase().wanted() {
            Wanted::Stopped => Running::Unwanted,
            Wanted::Run if self.tree.main.running().is_some() => Running::Yes,
            Wanted::Run => Running::No,
        };
        let checks = PythonChecks { watch, spec: &self.spec, host: &self.host };
        let (layout, now) = (self.home.layout(), Instant::now());
        let is_saved = self.files.look(layout, &self.spec.name, &checks, running, now);
        if let Some(trouble) = self.files.trouble() {
            self.record.note(trouble.clone());
        }
        if is_saved {
            self.tell(Event::Saved);
        }
    }

    /// Checks whether the service's own reloader restarts it again and again.
    fn look_at_reloads(&mut self) {
        let now = Instant::now();
        let Some(main) = self.tree.main.pid().filter(|_| self.reload_loop.is_due(now)) else { return };
        let children = table::children(main).into_iter().filter_map(table::entry);
        let youngest = children.map(|child| (child.start, child.pid)).max().map(|(start, pid)| (pid, start));
        if let Some(note) = self.reload_loop.look(youngest, now) {
            self.record.note(note);
        }
    }

    /// Checks who has the port while the service does not, and reports exposed keys with which it came up.
    fn look_at_the_port(&mut self) {
        if self.port.next_look(self.machine.phase(), Instant::now()).is_some() {
            self.look_who_has_the_port();
        }
        if let (Phase::Up { .. }, true, Some(port)) =
            (self.machine.phase(), self.port.is_exposed(), self.port.number)
        {
            self.record.note(Reason::KeysExposed { port });
        }
    }

    fn look_who_has_the_port(&mut self) {
        self.port.look(|port| ports::is_another_users(port).unwrap_or(false));
    }

    fn look_at_upgrade(&mut self) {
        let begin = || {
            let newer = self.program.newer(self.home.layout())?;
            Some(Trial::begin(&newer, self.home.layout().root(), &self.host))
        };
        let (phase, is_stopping) = (self.machine.phase(), self.tree.stop.is_running());
        if !self.upgrade.look(&self.spec.name, phase, is_stopping, Instant::now(), begin) {
            return;
        }
        self.save();
        tracing::info!(service = %self.spec.name, "makes way for a newer program");
        let image = self.program.newer(self.home.layout()).unwrap_or_else(|| self.program.path.clone());
        // A restart begins with the newer program anyway. A running service needs no configuration.
        let urgent = [Notice::Stop, Notice::StopWanted, Notice::Restart];
        let service = self.spec.name.clone();
        match self.exec(&image, Beginning::Rescue, &urgent) {
            Some(problem) => tracing::warn!(%service, "{problem}; this one goes on"),
            None => tracing::info!(%service, "another request came first; this one goes on"),
        }
    }

    /// Lets the machine's time pass, unless the service waits for another one to be up.
    fn look_at_needs(&mut self) {
        let layout = self.home.layout();
        let look_up = |name: &_| Need::of(ownership::look_up(layout, name, &self.host));
        match self.needs.look(&self.machine, &self.spec.needs, look_up, Instant::now()) {
            Step::Tick => self.tell(Event::Tick),
            Step::Wait => {}
            Step::Fail(why) => self.tell(Event::SpawnFailed { why }),
        }
    }

    /// Carries out requests. Of several requests, a stop wins.
    fn look_at_requests(&mut self) {
        let is_asked = |request: Request| request.take(self.home.layout(), &self.spec.name);
        let has_ended = matches!(self.machine.phase(), Phase::Ended(_));
        let is_to_begin = is_asked(Request::Begin(self.record.next_run().clone())) && has_ended;
        let is_to_begin_anew = self.record.generation().cloned().map(Request::Restart).is_some_and(is_asked);
        if is_asked(Request::Stop(self.record.supervisor().clone())) {
            self.tell(Event::StopWanted);
        } else if is_to_begin || is_to_begin_anew {
            self.tell(Event::RestartRequested);
        }
    }

    /// Records the service's description of itself. Once for each main process.
    fn look_at_description(&mut self) {
        let main = self.tree.main.pid();
        let is_new = matches!(self.machine.phase(), Phase::Up { .. }) && self.described != main;
        let Some(address) = self.readiness.address.filter(|_| is_new) else { return };
        self.described = main;
        let layout = self.home.layout();
        let pids = || self.tree.pids(layout);
        if let Some(description) = self.particulars.describe(layout, address, &pids) {
            self.record.describe(description);
        }
    }

    fn look_at_peers(&mut self) {
        let has_time = || !self.record.is_transient() || !self.record.has_waiter();
        let neighborhood = neighborhood(&self.home, &self.spec, &self.host, &self.program);
        let is_stopping = self.tree.stop.is_running();
        self.peers.look(&neighborhood, &self.spec.name, has_time, is_stopping, Instant::now());
    }

    // Starting an instance, and starting over.

    fn spawn(&mut self) {
        if let Some(why) = self.tree.in_the_way(self.home.layout()) {
            return self.tell(Event::SpawnFailed { why });
        }
        self.tree.main.forget();
        self.files.begin(self.home.layout(), Instant::now());
        self.reload_loop = ReloadLoop::new(&self.spec);
        self.forget_the_stop();
        // The previous instance's output comes before this one's start.
        self.drain();
        // The folder was moved since the service was configured.
        if self.spec.directory != *self.home.layout().root() {
            return self.reload();
        }
        self.log.capture.mark(Mark::Start);
        match self.start_instance() {
            Ok(main) => {
                self.hindrance = None;
                self.record.started(&main.record, self.port.number, self.log.capture.end());
                self.tree.main = MainProcess::Running(main);
                self.log.expect_output();
                self.readiness.begin(&self.log.capture, Instant::now());
                self.tell(Event::Spawned);
                if let Phase::Up { .. } = self.machine.phase() {
                    self.log.capture.mark(Mark::Ready);
                }
            }
            Err(SpawnFailure { why, passes }) => {
                self.hindrance = passes.then(|| why.clone());
                self.record.nothing_printed(self.log.capture.end());
                self.tell(if passes { Event::SpawnHindered { why } } else { Event::SpawnFailed { why } });
            }
        }
    }

    fn start_instance(&mut self) -> Result<Main, SpawnFailure> {
        if self.spec.command.is_empty() {
            return Err(Reason::NothingToStart.into());
        }
        self.renew_exposed_keys()?;
        let sockets = Sockets { tree: &self.tree, layout: self.home.layout() };
        let (number, note) = sockets.choose(&self.port, self.spec.port, &mut self.port_claim)?;
        self.port.number = number;
        if let Some(note) = note {
            self.record.note(note);
        }
        for finding in self.particulars.prepare(self.home.layout())? {
            self.record.find(finding);
        }
        let next = RunId::from_random(random().map_err(SpawnFailure::of_random)?);
        let output = self.log.capture.writer()?;
        let has_input = self.spec.ends_with_its_input();
        let input = has_input.then(|| silent_input(self.home.layout(), &self.spec.name)).transpose()?;
        let may_write = self.home.is_ours();
        let ahead = self.record.write_ahead(self.home.layout(), next, may_write)?;
        let spawner = Spawner {
            spec: &self.spec,
            service: &self.tree.service,
            program: &self.program,
            port: self.port.number,
            host: &self.host,
        };
        spawner.spawn(ahead, input, output)
    }

    /// Replaces exposed keys before the service is started with them again, and names them.
    fn renew_exposed_keys(&mut self) -> Result<(), SpawnFailure> {
        self.look_who_has_the_port();
        if !self.port.is_exposed() {
            return Ok(());
        }
        let keys = self.particulars.renew_keys(self.home.layout())?;
        self.port.is_safe_again();
        if let (false, Some(port)) = (keys.is_empty(), self.port.number) {
            self.record.note(Reason::KeysRenewed { port, keys });
        }
        Ok(())
    }

    /// Starts over with the current configuration: the old instance is gone. If a newer program can't be run,
    /// this one continues.
    fn reload(&mut self) {
        self.look_who_has_the_port();
        // The next program reads the record.
        if self.port.is_exposed() {
            self.save();
        }
        let image = self.program.newer(self.home.layout()).and_then(|newer| {
            let (folder, host) = (self.home.layout().root().clone(), self.host.clone());
            let drain = || {
                self.drain();
            };
            match re_exec::try_out(&newer, &folder, &host, drain) {
                Ok(()) => Some(newer),
                Err(why) => {
                    let service = &self.spec.name;
                    tracing::warn!(%service, "{why}; the service is restarted by the old program");
                    None
                }
            }
        });
        let image = image.unwrap_or_else(|| self.program.image());
        let problem = self.exec(&image, Beginning::Start, &[Notice::Stop, Notice::StopWanted]);
        if let Some(problem) = &problem {
            tracing::warn!(service = %self.spec.name, "{problem}");
        }
        self.tell(Event::SpawnFailed { why: Reason::ReloadFailed { problem } });
        if matches!(self.machine.phase(), Phase::Ended(_)) {
            // The record says why; a command that requested this sees from the new names that it was
            // attempted.
            if let (Ok(run), Ok(generation)) = (random(), random()) {
                self.record.plan_anew(RunId::from_random(run), RunId::from_random(generation));
            }
            self.forget_the_stop();
        }
    }

    /// Returns only if the program could not take over, or a more urgent signal came first.
    fn exec(&mut self, image: &Path, beginning: Beginning, urgent: &[Notice]) -> Option<Fault> {
        let (layout, service) = (self.home.layout(), &self.spec.name);
        let successor = Successor { image, layout, service, beginning };
        let stayed = re_exec::exec(&successor, self.home.lock(), &self.log.capture, &mut self.inbox, urgent);
        for notice in stayed.notices {
            self.on_notice(notice);
        }
        stayed.problem
    }

    fn forget_the_stop(&mut self) {
        if self.tree.stop.forget() {
            self.peers.look_again();
            self.rest.schedule(Instant::now());
        }
    }

    // Reporting about the service.

    fn save(&mut self) {
        self.update_the_record();
        if self.home.is_ours() {
            self.record.write(self.home.layout(), Instant::now());
        }
    }

    fn update_the_record(&mut self) {
        let sockets = Sockets { tree: &self.tree, layout: self.home.layout() };
        self.readiness.diagnose(self.machine.phase(), self.target(), &sockets);
        let receipt = self.finish_stop();
        let is_over = self.is_over();
        let (state, reasons) = self.state();
        // Before the record's state becomes final.
        let has_waiter = self.record.has_waiter();
        let neighborhood = neighborhood(&self.home, &self.spec, &self.host, &self.program);
        self.peers.introduce(&neighborhood, &self.spec.name, !state.is_transient() || !has_waiter);
        self.record.update(Snapshot {
            state,
            reasons,
            wanted: self.machine.phase().wanted(),
            restarts: self.machine.restarts().unwrap_or(0),
            unexpected_ends: self.machine.unexpected_ends(),
            address: self.readiness.address,
            scheme: self.readiness.scheme,
            is_adopted: self.tree.is_orphaned(),
            main: self.tree.main.main().map(|main| &main.record),
            is_exposed: self.port.is_exposed(),
            saved: self.files.unread(),
            receipt,
            is_over,
        });
    }

    fn state(&self) -> (ServiceState, Vec<Reason>) {
        let facts = Facts {
            machine: &self.machine,
            awaited: self.needs.awaited(),
            hindrance: self.hindrance.as_ref(),
            last_exit: self.record.last_exit(),
            readiness: &self.readiness,
            background: &self.background,
            files: &self.files,
            ready_timeout: self.spec.ready.timeout(),
            in_the_way: &|| self.tree.in_the_way(self.home.layout()),
        };
        facts.state()
    }

    /// Returns the receipt of a stop, once it is over.
    fn finish_stop(&mut self) -> Option<Receipt> {
        let Phase::Ended(Outcome::Stopped) = self.machine.phase() else { return None };
        let receipt = self.tree.finish_stop(self.home.layout(), Instant::now())?;
        if receipt.survivors.is_empty() {
            self.particulars.clean_up(self.home.layout());
        }
        Some(receipt)
    }

    /// Returns the processes of the service in the background, without its kernels.
    fn in_background(&self) -> Vec<Entry> {
        match self.particulars.leaves_processes() {
            true => Vec::new(),
            false => self.tree.without_kernels(self.home.layout()),
        }
    }

    fn target(&self) -> Target {
        let is_pinned = self.spec.port.is_some_and(|wish| wish.pinned);
        Target { port: self.port.number, is_pinned }
    }

    // The end of a round, and of the supervisor.

    fn is_over(&self) -> bool {
        match self.machine.phase() {
            Phase::Ended(Outcome::Stopped) => true,
            // While any of its processes runs, its output is captured and it can be found; and the next save
            // may bring it back.
            Phase::Ended(Outcome::Exited | Outcome::Crashed { .. }) => {
                !self.files.is_possible() && self.tree.find(self.home.layout()).ours.is_empty()
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

    fn settle_down(&mut self) {
        let is_awaited = self.record.is_transient();
        if !is_awaited {
            self.reserve.set_aside(self.home.layout(), &self.spec.name);
        }
        if self.rest.is_due(is_awaited, Instant::now()) {
            self.log.capture.rest();
            memory::give_back();
        }
    }

    /// Sleeps until there is more to do than moving output: a flood of output is no reason for a full round
    /// each time.
    fn sleep(&mut self) -> Result<(), SuperviseError> {
        let is_steady = |phase: &Phase| matches!(phase, Phase::Up { .. } | Phase::Background { .. });
        while self.wait()? == Woken::ByOutput && is_steady(self.machine.phase()) {
            let seen = |log: &LogPump, reserve: &DiskReserve| (log.capture.rotations(), reserve.reported());
            let before = seen(&self.log, &self.reserve);
            // A log is rotated by name, and the folder may have moved.
            self.follow_the_folder();
            self.drain();
            let is_changed = before != seen(&self.log, &self.reserve);
            if !self.log.has_writers() || is_changed || self.reload_loop.is_due(Instant::now()) {
                break;
            }
        }
        Ok(())
    }

    fn wait(&self) -> Result<Woken, SuperviseError> {
        let (now, phase) = (Instant::now(), self.machine.phase());
        let is_ending = matches!(phase, Phase::Clearing { .. } | Phase::Sweeping { .. });
        let wake = [
            self.needs.next_look(&self.machine),
            self.readiness.next_look(phase, now),
            self.files.next_look(),
            self.upgrade.next_look(),
            self.background.next_look(phase, now),
            self.peers.next_look(),
            self.port.next_look(phase, now),
            self.rest.next(self.record.is_transient()),
            is_ending.then(|| now + RECHECK),
            self.record.next_write(now),
            self.reserve.next_look(&self.log.capture, self.record.is_written()),
        ]
        .into_iter()
        .flatten()
        .min();
        let read = |fd| (fd, Interest::Read);
        // The output first: its index identifies it.
        let mut watched: Vec<_> = self.log.descriptor().map(read).into_iter().collect();
        watched.push(read(self.inbox.descriptor()));
        watched.extend(self.tree.main.running().and_then(Main::descriptor).map(read));
        watched.extend(self.readiness.descriptor());
        watched.extend(self.files.descriptors());
        let ends = [
            self.upgrade.descriptor(),
            self.background.descriptor(),
            self.peers.descriptor(),
            self.record.waiter(),
        ];
        watched.extend(ends.into_iter().flatten().map(read));
        let (ready, is_late) = loop {
            let timeout = wake.map(|wake| wake.saturating_duration_since(Instant::now()));
            let ready = poll::wait(&watched, timeout)
                .map_err(|source| SuperviseError::System { activity: "wait", source })?;
            let is_late = wake.is_some_and(|wake| wake <= Instant::now());
            // Interrupted by a signal, which is in the inbox by now.
            if is_late || ready.iter().any(|one| *one != Ready::default()) {
                break (ready, is_late);
            }
        };
        let mut others = ready.iter().skip(usize::from(self.log.has_writers()));
        Ok(match self.log.has_writers() && !is_late && others.all(|other| *other == Ready::default()) {
            true => Woken::ByOutput,
            false => Woken::ByMore,
        })
    }
}

/// Prepares this process to supervise: it takes its identity, receives signals, and adopts orphans.
fn become_supervisor(host: &Host) -> Result<(ProcessIdentity, Inbox), SuperviseError> {
    let system = |activity| move |source| SuperviseError::System { activity, source };
    let me = identity::own(host).ok_or_else(|| system("see myself")(std::io::ErrorKind::NotFound.into()))?;
    let inbox = Inbox::open().map_err(system("receive signals"))?;
    reaper::become_subreaper().map_err(system("become the parent of orphans"))?;
    Ok((me, inbox))
}

fn neighborhood<'a>(
    home: &'a Home,
    spec: &'a ServiceSpec,
    host: &'a Host,
    program: &'a Program,
) -> Neighborhood<'a> {
    Neighborhood { layout: home.layout(), service: &spec.name, host, program }
}
