//! The one loop of a supervisor: it sleeps until something happens, tells the machine, and does
//! what the machine answers. It decides nothing.
//!
//! One thread, no polling while the service is up. The FIFO is drained before anything else in
//! every round: a service that cannot write does not even hear a TERM.

mod background;
mod beginning;
mod check;
mod ending;
mod exposure;
mod folder;
mod journal;
mod jupyter;
mod line;
mod needs;
mod readiness;
mod requests;
mod room;
mod siblings;
mod spawning;
mod state;
mod succession;
mod tree;
mod trial;
mod watching;

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use pipulate_core::identity::{Host, Pid};
use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::service::ServiceSpec;
use pipulate_process::command::End;
use pipulate_process::identity::Verified;
use pipulate_process::poll::{self, Interest, Ready};
use pipulate_process::signals::{Inbox, Notice};
use pipulate_process::{memory, reaper};
use pipulate_store::capture::{Capture, Drained};
use pipulate_store::error::StoreError;
use pipulate_store::lock::Lock;
use pipulate_store::record::{MainProcess, Named};

use crate::machine::{Action, Event, Machine, Outcome, Phase};
use crate::process_tree::{Attached, Service};
use crate::program::Program;
use background::Background;
use ending::Stopwatch;
use journal::Journal;
use needs::Needs;
use readiness::Readying;
use room::Room;
use siblings::Siblings;
use succession::Upgrade;
use watching::Watching;

/// How often a tree that is being ended is looked at, besides when a child ends.
const RECHECK: Duration = Duration::from_millis(10);
/// More than it takes to empty a pipe into the smallest of logs: what else holds it open may go on writing.
const MOST_LAST_DRAINS: u32 = 1024;
/// So long after it began, a supervisor gives back what it took to get there: by then those beside
/// it have begun, too, and want the processor no more.
const REST: Duration = Duration::from_millis(300);

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
    /// Whoever ordered this start takes what the service needs to be up, or on its way.
    pub is_ordered: bool,
}

/// What a supervisor begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// Start the service, or take over one that lives.
    Start,
    /// Take over one whose supervisor was killed, or makes way; if it ended by then, its policy decides.
    Rescue,
    /// End what is left of a service whose supervisor is gone.
    Stop,
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
    capture: Capture,
    /// Whether somebody may still write: a FIFO without writers is always "readable".
    capturing: bool,
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
    shortage: Option<String>,
    readying: Readying,
    attached: Attached,
    stopwatch: Option<Stopwatch>,
    journal: Journal,
    /// Written down before the start that will have it.
    next_run: RunId,
    /// The main process that JupyterLab's page and token were last read for.
    learned_from: Option<Pid>,
    siblings: Siblings,
    watching: Watching,
    upgrade: Upgrade,
    /// When there is something to give back.
    rest_at: Option<Instant>,
    empty_looks: u32,
    /// Those that an earlier stop could not end.
    earlier_survivors: Vec<Named>,
    room: Room,
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
            self.look_after_siblings();
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
        let before = self.capture.rotations();
        let is_read = self.waits_for_a_line();
        self.capture.keep_full_log(is_read);
        let drained = self.capture.drain();
        match drained {
            Ok(Drained::Empty) => {}
            Ok(Drained::More) => self.rest_at = Some(Instant::now() + REST),
            Ok(Drained::NoWriters) => self.capturing = false,
            Err(ref error) => self.journal.complain(&error.to_string()),
        }
        if is_read {
            self.look_for_a_line(false);
        }
        self.look_after_the_log();
        if self.capture.rotations() != before {
            self.journal.log_was_rotated();
        }
        matches!(drained, Ok(Drained::More))
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

    fn is_over(&self) -> bool {
        match self.machine.phase() {
            Phase::Settled(Outcome::Stopped) => true,
            // As long as something of it lives, its output is captured and it is found; and the next
            // save may bring it back.
            Phase::Settled(Outcome::Exited | Outcome::Crashed { .. }) => {
                !self.watching.is_possible() && self.family().ours.is_empty()
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
            let before = (self.capture.rotations(), self.room.was_told());
            // A log is turned over by its name, and the folder may have another one by now.
            self.follow_the_folder();
            self.drain();
            if !self.capturing || before != (self.capture.rotations(), self.room.was_told()) {
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
            self.watching.next_look(),
            self.upgrade.next_look(),
            self.background.next_look(self.machine.phase(), now),
            self.siblings.next_look(),
            self.next_look_at_the_port(now),
            self.rest_at.filter(|_| !self.journal.is_unsettled()),
            recheck,
            self.next_look_for_room(),
        ]
        .into_iter()
        .flatten()
        .min();
        let output = self.capturing.then(|| (self.capture.descriptor(), Interest::Read));
        let mut watched: Vec<_> = output.into_iter().collect();
        watched.extend(self.inbox.descriptors().map(|fd| (fd, Interest::Read)));
        if let Some(fd) =
            self.main.as_ref().filter(|main| main.ended.is_none()).and_then(|main| main.verified.descriptor())
        {
            watched.push((fd, Interest::Read));
        }
        watched.extend(self.readying.descriptor());
        watched.extend(self.watching.descriptors());
        let ends = [
            self.upgrade.descriptor(),
            self.background.descriptor(),
            self.siblings.descriptor(),
            self.journal.audience(),
        ];
        watched.extend(ends.into_iter().flatten().map(|fd| (fd, Interest::Read)));
        let timeout = wake.map(|wake| wake.saturating_duration_since(now));
        let ready = poll::wait(&watched, timeout)
            .map_err(|source| SuperviseError::System { activity: "wait", source })?;
        let is_late = wake.is_some_and(|wake| wake <= Instant::now());
        let mut others = ready.iter().skip(usize::from(self.capturing));
        Ok(match self.capturing && !is_late && others.all(|other| *other == Ready::default()) {
            true => Woken::ByOutput,
            false => Woken::ByMore,
        })
    }

    fn settle_down(&mut self) {
        self.set_room_aside();
        let rests = self.rest_at.is_some_and(|at| at <= Instant::now());
        if rests && !self.journal.is_unsettled() {
            self.rest_at = None;
            self.capture.rest();
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
