//! Starting the service: its port, its token, its marker, and the exec.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::time::Instant;

use jiff::Timestamp;
use pipulate_core::identity::Pid;
use pipulate_core::marker::{self, Marker, Part, RunId};
use pipulate_core::reason::{Attempt, PortHolder, Reason};
use pipulate_core::service::{PortWish, ServiceName};
use pipulate_process::identity::Verified;
use pipulate_process::ports::{self, Listeners};
use pipulate_process::signals::Signal;
use pipulate_process::table::Entry;
use pipulate_process::{reaper, spawn};
use pipulate_store::error::StoreError;
use pipulate_store::log::time_index::Mark;
use pipulate_store::record::MainProcess;
use pipulate_store::token;

use super::background::listed;
use super::{Driver, Main, REST};
use crate::machine::{Event, Phase};
use crate::port_owner::port_owners;
use crate::startable::explain;

/// Why there is no new instance.
struct SpawnFailure {
    why: Reason,
    /// It may be over in a moment.
    passes: bool,
}

impl SpawnFailure {
    fn of(attempt: Attempt, error: &io::Error) -> Self {
        let why = Reason::SystemError { attempt, error: error.to_string() };
        Self { why, passes: spawn::is_passing(error) }
    }

    fn of_files(error: StoreError) -> Self {
        let passes = error.system().is_some_and(spawn::is_passing);
        Self { why: Reason::FileProblem { error: error.to_string() }, passes }
    }
}

impl From<Reason> for SpawnFailure {
    fn from(why: Reason) -> Self {
        Self { why, passes: false }
    }
}

impl Driver {
    pub(super) fn spawn(&mut self) {
        if let Some(why) = self.in_the_way() {
            return self.tell(Event::SpawnFailed { why });
        }
        if let Some(old) = self.main.take().filter(|main| main.is_child) {
            reaper::reap(old.pid());
        }
        self.begin_anew();
        // What the one before printed comes before this one's start.
        self.drain();
        if self.is_specification_stale() {
            return self.renew();
        }
        self.log.capture.mark(Mark::Start);
        let tried = self.try_to_spawn();
        self.journal.will_run(self.next_run.clone());
        match tried {
            Ok(main) => {
                self.shortage = None;
                self.journal.started(main.record.clone(), self.port, self.log.capture.end());
                self.main = Some(main);
                self.log.expect_output();
                self.readying.begin(&self.log.capture, Instant::now());
                self.tell(Event::Spawned);
                if let Phase::Up { .. } = self.machine.phase() {
                    self.log.capture.mark(Mark::Ready);
                }
            }
            Err(SpawnFailure { why, passes }) => {
                self.shortage = passes.then(|| why.clone());
                self.journal.nothing_printed(self.log.capture.end());
                self.tell(if passes { Event::SpawnHindered { why } } else { Event::SpawnFailed { why } });
            }
        }
    }

    /// What was noted about the instance before, and about its end, is not about this one.
    fn begin_anew(&mut self) {
        self.files.begin(&self.layout, Instant::now());
        self.forget_the_stop();
    }

    /// Nothing is being ended any more.
    pub(super) fn forget_the_stop(&mut self) {
        if self.stopwatch.take().is_some() {
            self.attached.clear();
            self.peers.look_again();
            self.rest_at = Some(Instant::now() + REST);
        }
    }

    fn try_to_spawn(&mut self) -> Result<Main, SpawnFailure> {
        if self.spec.command.is_empty() {
            return Err(Reason::NothingToStart.into());
        }
        self.renew_exposed_keys().map_err(SpawnFailure::of_files)?;
        self.port = self.choose_port()?;
        if let Some(path) = &self.spec.token {
            token::ensure(path).map_err(SpawnFailure::of_files)?;
        }
        if self.spec.name.as_str() == ServiceName::JUPYTER {
            token::ensure(&self.layout.jupyter_cookie_secret()).map_err(SpawnFailure::of_files)?;
        }
        self.prepare_kernels();
        let next = RunId::from_random(getrandom::u64().map_err(|error| {
            SpawnFailure::of(Attempt::GetRandomNumbers, &io::Error::other(error.to_string()))
        })?);
        let run = std::mem::replace(&mut self.next_run, next);
        let marker = |part| {
            Marker { project: self.service.project.clone(), service: self.spec.name.clone(), part }
                .to_string()
        };
        let terminal = marker(Part::Terminal(run.clone()));
        let mut command: Vec<OsString> =
            self.spec.command.iter().map(|word| word.resolve(self.port, &terminal)).collect();
        // The app is this very program, whose file may be gone by now.
        if let Some(program) = command.first_mut().filter(|program| **program == *self.program.path) {
            *program = self.program.image().into();
        }
        let env = self.environment(marker(Part::Run(run.clone())));
        let stdout = self.log.capture.writer().map_err(SpawnFailure::of_files)?;
        let stderr = stdout.try_clone().map_err(|error| SpawnFailure::of(Attempt::OpenOutput, &error))?;
        let pid = spawn::spawn(spawn::Start {
            command: &command,
            directory: &self.spec.directory,
            env: &env,
            env_removed: &self.spec.env_removed,
            stdin: None,
            stdout,
            stderr,
        })
        .map_err(|error| SpawnFailure {
            why: explain(&command, &self.spec.directory, &error),
            passes: spawn::is_passing(&error),
        })?;
        let verified = Verified::pin_new_child(pid, &self.host).map_err(|error| {
            // Nobody would notice its end: it must not run.
            reaper::signal_group_of_child(pid, Signal::KILL);
            SpawnFailure { passes: true, ..SpawnFailure::of(Attempt::WatchProcess, &error) }
        })?;
        let record = MainProcess { identity: verified.identity().clone(), run, started_at: Timestamp::now() };
        Ok(Main { verified, record, is_child: true, ended: None })
    }

    fn environment(&self, marker: String) -> BTreeMap<String, OsString> {
        let mut env = self.spec.env.clone();
        env.insert("PYTHONUNBUFFERED".to_owned(), "1".into());
        env.insert(marker::VARIABLE.to_owned(), marker.into());
        if let Some(port) = self.port {
            env.insert("PORT".to_owned(), port.to_string().into());
        }
        env
    }

    /// The pinned port, or the one that it had before, or the next free one above the usual.
    fn choose_port(&mut self) -> Result<Option<u16>, Reason> {
        let Some(PortWish { port: wish, pinned }) = self.spec.port else { return Ok(None) };
        if pinned {
            return match ports::is_free(wish) {
                true => Ok(Some(wish)),
                false => Err(Reason::PortHeld { port: wish, holder: self.holder_to_name(wish) }),
            };
        }
        let remembered = self.port.filter(|&port| ports::is_free(port));
        let chosen =
            remembered.or_else(|| (wish..=wish.saturating_add(200)).find(|&port| ports::is_free(port)));
        let Some(chosen) = chosen else {
            return Err(Reason::NoFreePort { from: wish });
        };
        let aside = self.port.unwrap_or(wish);
        if chosen != aside {
            let holder = self.holder_to_name(aside);
            self.journal.note(Reason::PortMoved { wanted: aside, holder, using: chosen });
        }
        Ok(Some(chosen))
    }

    /// Who holds a port; the service's own processes before others.
    fn holder_to_name(&self, port: u16) -> PortHolder {
        self.own_holder(port).unwrap_or_else(|| self.holder(port))
    }

    /// The service's own processes that hold a port.
    fn own_holder(&self, port: u16) -> Option<PortHolder> {
        let holds = |entry: &Entry| {
            Listeners::of([entry.pid]).is_ok_and(|listeners| listeners.own().any(|own| own.port == port))
        };
        let holders: Vec<Entry> = self.family().ours.into_iter().filter(holds).collect();
        (!holders.is_empty()).then(|| PortHolder::Own { processes: listed(&holders) })
    }

    /// Whether a process of the service's own listens there: one that it left behind when it ended.
    pub(super) fn holds_port(&self, port: u16) -> bool {
        let pids = self.family().ours.into_iter().map(|entry| entry.pid);
        Listeners::of(pids).is_ok_and(|listeners| listeners.own().any(|own| own.port == port))
    }

    /// Who listens on a port: somebody else, unless it is only the service itself.
    pub(super) fn holder(&self, port: u16) -> PortHolder {
        let own: Vec<Pid> = self.family().ours.into_iter().map(|entry| entry.pid).collect();
        let own_process = |holder: &PortHolder| match holder {
            PortHolder::Process { pid, command, .. } if own.contains(pid) => {
                Some(PortHolder::LeftBehind { pid: *pid, command: command.clone() })
            }
            PortHolder::Process { .. }
            | PortHolder::Hidden
            | PortHolder::LeftBehind { .. }
            | PortHolder::Own { .. }
            | PortHolder::Unseen => None,
        };
        let holders = port_owners(port);
        let other = holders.iter().find(|holder| own_process(holder).is_none()).cloned();
        other.or_else(|| holders.first().and_then(own_process)).unwrap_or(PortHolder::Unseen)
    }

    /// Why a service is given up that lost its port again and again.
    pub(super) fn why_robbed(&self) -> Reason {
        Reason::PortLost { port: self.port.unwrap_or_default() }
    }

    /// Whether the service died while starting because its port, free a moment ago, was taken.
    pub(super) fn was_robbed_of_its_port(&mut self) -> bool {
        self.look_at_the_port();
        let Phase::Starting { .. } = self.machine.phase() else { return false };
        let (Some(port), Some(wish)) = (self.port, self.spec.port) else { return false };
        if ports::is_free(port) || self.holds_port(port) {
            return false;
        }
        if wish.pinned {
            self.journal.note(Reason::PortHeld { port, holder: self.holder(port) });
        }
        !wish.pinned
    }
}
