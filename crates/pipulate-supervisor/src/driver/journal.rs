//! What the supervisor says about itself: the record, the pid file, the doorbell, its own log.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::time::Duration;

use jiff::Timestamp;
use pipulate_core::identity::ProcessIdentity;
use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::reason::Reason;
use pipulate_core::service::{Readiness, ServiceSpec};
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_core::status::LastExit;
use pipulate_process::command::End;
use pipulate_process::poll::{self, Interest, Ready};
use pipulate_store::error::StoreError;
use pipulate_store::files;
use pipulate_store::record::{self, MainProcess, Record};

use super::{Driver, Words};
use crate::parts::disk_reserve::Loss;

/// The record as it is to be, and as it was last written.
pub(super) struct Journal {
    layout: Layout,
    me: ProcessIdentity,
    record: Record,
    written: Option<Record>,
    doorbell: Option<File>,
    is_disowned: bool,
    /// Why the record could not be written the last time.
    unwritten: Option<StoreError>,
    /// What is set aside for a full disk is not for the next record.
    wants_room: bool,
    words: Words,
}

impl Journal {
    pub(super) fn new(
        layout: &Layout,
        spec: &ServiceSpec,
        me: ProcessIdentity,
        earlier: Option<Record>,
        main: Option<MainProcess>,
        (doorbell, words): (Option<OwnedFd>, Words),
    ) -> Self {
        let earlier = earlier.as_ref();
        // What was found out about a start holds for as long as its main process lives.
        let same = earlier.filter(|_| main.is_some());
        let record = Record {
            root: layout.born().clone(),
            service: spec.name.clone(),
            wanted: Wanted::Run,
            supervisor: Some(me.clone()),
            state: ServiceState::Starting,
            reasons: Vec::new(),
            main,
            next_run: None,
            generation: None,
            restarts: 0,
            unexpected_ends: 0,
            last_exit: earlier.and_then(|record| record.last_exit),
            port: earlier.and_then(|record| record.port),
            exposed: earlier.is_some_and(|record| record.exposed),
            address: earlier.and_then(|record| record.address),
            scheme: earlier.map(|record| record.scheme).unwrap_or_default(),
            page: same.and_then(|record| record.page.clone()).or_else(|| spec.page.clone()),
            readiness: spec.ready.clone(),
            adopted: false,
            notes: same.map_or_else(Vec::new, |record| record.notes.clone()),
            log_start: earlier.map_or(0, |record| record.log_start),
            log_dropped: 0,
            log_trouble: None,
            saved: Vec::new(),
            receipt: None,
        };
        Self {
            layout: layout.clone(),
            me,
            record,
            written: None,
            doorbell: doorbell.map(File::from).filter(is_pipe),
            is_disowned: false,
            unwritten: None,
            wants_room: false,
            words,
        }
    }

    /// The run of the start that comes next.
    pub(super) fn will_run(&mut self, run: RunId) {
        self.record.next_run = Some(run);
    }

    /// What requests go by: see [`Record::generation`].
    pub(super) fn will_begin(&mut self, run: RunId, generation: RunId) {
        (self.record.next_run, self.record.generation) = (Some(run), Some(generation));
    }

    pub(super) fn generation(&self) -> Option<&RunId> {
        self.record.generation.as_ref()
    }

    pub(super) fn supervisor(&self) -> &ProcessIdentity {
        &self.me
    }

    pub(super) fn started(&mut self, main: MainProcess, port: Option<u16>, log_start: u64) {
        tracing::info!(service = %self.record.service, pid = main.identity.pid.get(), "started");
        self.record.main = Some(main);
        self.record.port = port;
        self.record.log_start = log_start;
    }

    pub(super) fn main_ended(&mut self, end: End) {
        let (code, signal) = match end {
            End::Code(code) => (Some(code), None),
            End::Signal(signal) => (None, Some(signal)),
            End::TimedOut | End::Unknown => (None, None),
        };
        tracing::info!(service = %self.record.service, code, signal, "its main process ended");
        self.record.last_exit = Some(LastExit { code, signal, at: Timestamp::now() });
    }

    pub(super) fn last_exit(&self) -> Option<LastExit> {
        self.record.last_exit
    }

    pub(super) fn main_forgotten(&mut self) {
        self.record.main = None;
    }

    /// JupyterLab says where its page and its API are.
    pub(super) fn found_page(&mut self, page: String, api: String) {
        self.record.page = Some(page);
        if let Readiness::Http { path, any_status: true, .. } = &mut self.record.readiness {
            *path = api;
        }
    }

    /// It could not be started: what the log holds is of earlier starts.
    pub(super) fn nothing_printed(&mut self, log_end: u64) {
        self.record.log_start = log_end;
    }

    /// The start is now in an older file: all of the current one is later.
    pub(super) fn log_was_rotated(&mut self) {
        self.record.log_start = 0;
    }

    /// Something that a person should know about this start.
    pub(super) fn note(&mut self, note: Reason) {
        if !self.record.notes.contains(&note) {
            let said = self.said(std::slice::from_ref(&note)).unwrap_or_default();
            tracing::info!(service = %self.record.service, "{said}");
            self.record.notes.push(note);
        }
    }

    /// Whether another user may know keys of this home.
    pub(super) fn is_exposed(&self) -> bool {
        self.record.exposed
    }

    pub(super) fn set_exposed(&mut self, exposed: bool) {
        self.record.exposed = exposed;
    }

    /// What was noted about the instance before is no longer so.
    pub(super) fn forget_note(&mut self, note: &Reason) {
        self.record.notes.retain(|other| other != note);
    }

    /// Something that went wrong and stops nothing.
    pub(super) fn complain(&self, what: &str) {
        tracing::warn!(service = %self.record.service, "{what}");
    }

    /// Something for supervisor.log alone.
    pub(super) fn note_in_log(&self, what: &str) {
        tracing::info!(service = %self.record.service, "{what}");
    }

    /// Whether somebody may be waiting for what happens next.
    pub(super) fn is_unsettled(&self) -> bool {
        !is_settled(self.record.state)
    }

    pub(super) fn complain_of(&self, result: Result<(), StoreError>) {
        if let Err(error) = result {
            self.complain(&error.to_string());
        }
    }

    /// The folder was moved.
    pub(super) fn follow(&mut self, layout: &Layout) {
        self.layout = layout.clone();
    }

    /// Whether the records are somebody else's from here on. Said once.
    pub(super) fn disown(&mut self) {
        if !std::mem::replace(&mut self.is_disowned, true) {
            self.complain("the folder of its records was deleted; a stop still ends it");
        }
    }

    fn write(&mut self) {
        if self.written.as_ref() == Some(&self.record) {
            return;
        }
        let before = self.written.as_ref().map(|before| (before.shown_state(), before.reasons.clone()));
        self.write_pid_file();
        let written = match std::mem::take(&mut self.wants_room) {
            true => record::write_first(&self.layout, &self.record),
            false => record::write(&self.layout, &self.record),
        };
        match written {
            Ok(()) => self.unwritten = None,
            // It is tried again whenever there is something to do; that much is said once.
            Err(error) => {
                if self.unwritten.is_none() {
                    self.complain(&error.to_string());
                }
                self.unwritten = Some(error);
                return;
            }
        }
        let state = self.record.shown_state();
        if before.is_none_or(|before| before != (state, self.record.reasons.clone())) {
            let reason = self.said(&self.record.reasons);
            tracing::info!(service = %self.record.service, state = state.word(), reason);
        }
        self.ring();
        self.written = Some(self.record.clone());
    }

    fn said(&self, reasons: &[Reason]) -> Option<String> {
        (self.words)(reasons, &self.record.service)
    }

    /// The next record is written only if the disk is not full.
    pub(super) fn write_only_with_room(&mut self) {
        self.wants_room = true;
    }

    /// The pipe to the command that waits for the service; it hangs up when that command has ended.
    pub(super) fn audience(&self) -> Option<BorrowedFd<'_>> {
        self.doorbell.as_ref().map(|doorbell| doorbell.as_fd())
    }

    /// Whether a command waits for the service, and meanwhile watches this supervisor.
    pub(super) fn has_audience(&mut self) -> bool {
        let ready = self.audience().map(|end| poll::wait(&[(end, Interest::Read)], Some(Duration::ZERO)));
        let has_left = |ready: &std::io::Result<Vec<Ready>>| {
            ready.as_ref().is_ok_and(|ready| ready.iter().any(|end| end.hung_up))
        };
        if ready.as_ref().is_some_and(has_left) {
            self.doorbell = None;
        }
        self.doorbell.is_some()
    }

    /// Why there is no record of what is true now.
    pub(super) fn take_unwritten(&mut self) -> Option<StoreError> {
        self.unwritten.take()
    }

    /// Whether there is one to be written yet.
    pub(super) fn is_behind(&self) -> bool {
        self.unwritten.is_some()
    }

    /// What the log lacks.
    pub(super) fn lost(&mut self, loss: Loss) {
        (self.record.log_dropped, self.record.log_trouble) = (loss.dropped, loss.trouble);
    }

    fn write_pid_file(&self) {
        let pid = |record: &Record| record.main.as_ref().map(|main| main.identity.pid);
        let (now, before) = (pid(&self.record), self.written.as_ref().and_then(pid));
        let path = self.layout.pid_file(&self.record.service);
        match now {
            Some(pid) if now != before => {
                self.complain_of(files::write_private(&path, format!("{pid}\n").as_bytes()))
            }
            Some(_) => {}
            // Only looked for: what removes from a folder waits for all who make something in it.
            None if path.exists() => self.complain_of(files::remove(&path)),
            None => {}
        }
    }

    /// Whoever waits at the other end reads the record; once it can't change soon, they may go.
    fn ring(&mut self) {
        if let Some(doorbell) = &mut self.doorbell {
            // One write of a short line is never mixed with another one's.
            let heard = doorbell.write_all(format!("!{}\n", self.record.service).as_bytes()).is_ok();
            let settled = is_settled(self.record.state);
            if !heard || settled {
                self.doorbell = None;
            }
        }
    }
}

/// Without a reader, the doorbell is /dev/null.
fn is_pipe(doorbell: &File) -> bool {
    doorbell.metadata().is_ok_and(|meta| meta.file_type().is_fifo())
}

/// Converts a recorded exit.
pub(super) fn end_of(exit: LastExit) -> End {
    match (exit.code, exit.signal) {
        (Some(code), _) => End::Code(code),
        (None, Some(signal)) => End::Signal(signal),
        (None, None) => End::Unknown,
    }
}

pub(super) fn is_settled(state: ServiceState) -> bool {
    match state {
        ServiceState::Starting | ServiceState::Stopping | ServiceState::Backoff => false,
        ServiceState::Stopped
        | ServiceState::Ready
        | ServiceState::Running
        | ServiceState::Degraded
        | ServiceState::Unstable
        | ServiceState::Crashed
        | ServiceState::Exited
        | ServiceState::Unsupervised
        | ServiceState::Unknown => true,
    }
}

impl Driver {
    /// Writes down what has changed.
    pub(super) fn save(&mut self) {
        self.look_for_a_hitch();
        let receipt = self.receipt();
        let over = self.is_over();
        let (state, reasons) = self.state();
        self.be_known_before_settling(state);
        let (address, restarts) = (self.address(), self.machine.restarts().unwrap_or(0));
        let adopted = self.torn;
        let saved = self.files.unread();
        let record = &mut self.journal.record;
        (record.adopted, record.saved) = (adopted, saved);
        (record.state, record.reasons) = (state, reasons);
        (record.address, record.restarts) = (address, restarts);
        record.unexpected_ends = self.machine.unexpected_ends();
        if let Some(address) = address {
            record.port = Some(address.port());
            record.scheme = self.readying.scheme;
        }
        if let Some(receipt) = receipt {
            record.receipt = Some(receipt);
        }
        if over {
            record.supervisor = None;
            record.main = None;
        }
        record.wanted = self.machine.phase().wanted();
        if self.has_its_folder() {
            self.journal.write();
        }
    }

    fn address(&self) -> Option<SocketAddr> {
        self.readying.address
    }
}
