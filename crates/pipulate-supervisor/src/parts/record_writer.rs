//! Record writer: reports the state of the service on disk and to the waiting command.
//!
//! The record is authoritative; the notify pipe only says that there is a new one.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pipulate_core::identity::ProcessIdentity;
use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::reason::Reason;
use pipulate_core::service::{Readiness, ServiceSpec};
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_core::status::LastExit;
use pipulate_process::command::End;
use pipulate_process::poll::{self, Interest};
use pipulate_store::error::StoreError;
use pipulate_store::files;
use pipulate_store::own_log::{ENDED, STARTED};
use pipulate_store::record::{self, MainProcess, Record};

mod snapshot;

use super::disk_reserve::Loss;
use crate::particulars::{Description, Finding, Words};
pub(crate) use snapshot::Snapshot;

/// A service that ends this fast is not recorded as stopping: most do, and a record costs as much as the rest
/// of a stop.
const SHORTLY: Duration = Duration::from_millis(50);

/// The current record, and the last written one.
pub(crate) struct RecordWriter {
    me: ProcessIdentity,
    record: Record,
    written: Option<Record>,
    /// The pipe to the command that waits for the service.
    notify: Option<File>,
    /// The error of the last write.
    unwritten: Option<StoreError>,
    /// When to write that the service is stopping.
    postponed: Option<Instant>,
    /// The run of the next start.
    next_run: RunId,
    /// A first record was written, or the service ran already: it goes on without a record.
    has_begun: bool,
    words: Words,
}

/// Permission to start one instance.
///
/// The record on disk names its run, so that it is found even if this supervisor is killed before it can
/// record the process; or the record can't be written, and the service has run before.
#[derive(Debug)]
#[must_use]
pub(crate) struct WrittenAhead {
    run: RunId,
}

impl WrittenAhead {
    /// Returns the run of the instance to start.
    pub(crate) fn into_run(self) -> RunId {
        self.run
    }
}

impl RecordWriter {
    /// Continues the `earlier` record of the service, of which `main` runs. Requests to restart refer to
    /// `generation`: see [`Record::generation`].
    pub(crate) fn new(
        layout: &Layout,
        spec: &ServiceSpec,
        (me, program): (ProcessIdentity, &Path),
        earlier: Option<&Record>,
        main: Option<MainProcess>,
        (notify, words): (Option<OwnedFd>, Words),
        (next_run, generation): (RunId, RunId),
    ) -> Self {
        // Findings about a start hold as long as its main process runs.
        let same = earlier.filter(|_| main.is_some());
        let record = Record {
            supervisor: Some(me.clone()),
            program: Some(program.to_owned()),
            main,
            next_run: Some(next_run.clone()),
            generation: Some(generation),
            last_exit: earlier.and_then(|record| record.last_exit),
            port: earlier.and_then(|record| record.port),
            exposed: earlier.is_some_and(|record| record.exposed),
            address: earlier.and_then(|record| record.address),
            scheme: earlier.map(|record| record.scheme).unwrap_or_default(),
            page: same.and_then(|record| record.page.clone()).or_else(|| spec.page.clone()),
            readiness: spec.ready.clone(),
            configured: same.map_or_else(|| spec.configured.clone(), |record| record.configured.clone()),
            notes: same.map_or_else(Vec::new, |record| record.notes.clone()),
            log_start: earlier.map_or(0, |record| record.log_start),
            ..Record::new(layout.born().clone(), spec.name.clone())
        };
        let notify = notify.map(File::from).filter(is_pipe);
        let (written, unwritten, postponed, has_begun) = (None, None, None, false);
        Self { me, record, written, notify, unwritten, postponed, next_run, has_begun, words }
    }

    /// Completes all requests for the present run and generation by replacing both.
    pub(crate) fn plan_anew(&mut self, next_run: RunId, generation: RunId) {
        self.record.generation = Some(generation);
        self.record.next_run = Some(next_run.clone());
        self.next_run = next_run;
    }

    pub(crate) fn next_run(&self) -> &RunId {
        &self.next_run
    }

    pub(crate) fn generation(&self) -> Option<&RunId> {
        self.record.generation.as_ref()
    }

    pub(crate) fn supervisor(&self) -> &ProcessIdentity {
        &self.me
    }

    /// Writes the first record. `is_new`: nothing of the service runs yet, and it is not started without a
    /// record; the disk-full reserve is not used for this one.
    ///
    /// # Errors
    /// The record of a new service can't be written.
    pub(crate) fn begin(&mut self, layout: &Layout, is_new: bool, may_write: bool) -> Result<(), StoreError> {
        if may_write {
            self.write_by(layout, if is_new { record::write_first } else { record::write });
        }
        match self.unwritten.take_if(|_| is_new) {
            Some(error) => Err(error),
            None => {
                self.has_begun = true;
                Ok(())
            }
        }
    }

    /// Makes sure that the record names the next run, and permits its start; `next` is the run after it.
    ///
    /// # Errors
    /// There is no record, and the service has not run before.
    pub(crate) fn write_ahead(
        &mut self,
        layout: &Layout,
        next: RunId,
        may_write: bool,
    ) -> Result<WrittenAhead, StoreError> {
        let is_on_disk = self.written.as_ref().is_some_and(|it| it.next_run == self.record.next_run);
        if !is_on_disk && may_write {
            self.write_by(layout, record::write);
        }
        match self.unwritten.take_if(|_| !self.has_begun) {
            Some(error) => Err(error),
            None => {
                // Written to disk together with the new process.
                self.record.next_run = Some(next.clone());
                Ok(WrittenAhead { run: std::mem::replace(&mut self.next_run, next) })
            }
        }
    }

    /// Updates the record at the end of a round.
    pub(crate) fn update(&mut self, snapshot: Snapshot<'_>) {
        let record = &mut self.record;
        (record.state, record.reasons) = (snapshot.state, snapshot.reasons);
        (record.wanted, record.adopted, record.saved) =
            (snapshot.wanted, snapshot.is_adopted, snapshot.saved);
        (record.restarts, record.unexpected_ends) = (snapshot.restarts, snapshot.unexpected_ends);
        if record.main.as_ref() != snapshot.main {
            record.main = snapshot.main.cloned();
        }
        (record.exposed, record.address) = (snapshot.is_exposed, snapshot.address);
        if let Some(address) = snapshot.address {
            (record.port, record.scheme) = (Some(address.port()), snapshot.scheme);
        }
        if let Some(receipt) = snapshot.receipt {
            record.receipt = Some(receipt);
        }
        if snapshot.is_over {
            (record.supervisor, record.program, record.main) = (None, None, None);
        }
    }

    /// Writes the record if it has changed, and notifies the waiting command. The beginning of a stop is
    /// written a little later.
    pub(crate) fn write(&mut self, layout: &Layout, now: Instant) {
        let is_stop =
            |record: &Record| (record.state, record.wanted) == (ServiceState::Stopping, Wanted::Stopped);
        let is_new =
            is_stop(&self.record) && !self.written.as_ref().is_some_and(is_stop) && self.is_written();
        self.postponed = is_new.then(|| self.postponed.unwrap_or(now + SHORTLY));
        if self.postponed.is_some_and(|at| now < at) {
            return;
        }
        self.postponed = None;
        let is_last = self.record.supervisor.is_none();
        self.write_by(layout, if is_last { record::write_last } else { record::write });
    }

    fn write_by(&mut self, layout: &Layout, write: impl FnOnce(&Layout, &Record) -> Result<(), StoreError>) {
        if self.written.as_ref() == Some(&self.record) {
            return;
        }
        let before = self.written.as_ref().map(|before| (before.shown_state(), before.reasons.clone()));
        self.write_pid_file(layout);
        match write(layout, &self.record) {
            Ok(()) => self.unwritten = None,
            // Retried in every round; reported once.
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
        self.notify();
        self.written = Some(self.record.clone());
    }

    /// Notes that an instance was started, whose output begins at `log_start`.
    pub(crate) fn started(&mut self, main: &MainProcess, port: Option<u16>, log_start: u64) {
        tracing::info!(service = %self.record.service, pid = main.identity.pid.get(), "{STARTED}");
        (self.record.port, self.record.log_start) = (port, log_start);
    }

    /// Notes how the main process ended. `is_asked`: in a stop, whose state is not written if it takes no time.
    pub(crate) fn main_ended(&mut self, end: End, is_asked: bool) {
        let (code, signal) = match end {
            End::Code(code) => (Some(code), None),
            End::Signal(signal) => (None, Some(signal)),
            End::TimedOut | End::Unknown => (None, None),
        };
        let asked = is_asked.then_some(true);
        tracing::info!(service = %self.record.service, code, signal, asked, "{ENDED}");
        self.record.last_exit = Some(LastExit { code, signal, at: Timestamp::now() });
    }

    /// Returns how the main process ended last.
    pub(crate) fn last_exit(&self) -> Option<LastExit> {
        self.record.last_exit
    }

    /// Notes the service's description of itself.
    pub(crate) fn describe(&mut self, description: Description) {
        self.record.page = Some(description.page);
        if let Readiness::Http { path, any_status: true, .. } = &mut self.record.readiness {
            *path = description.api;
        }
        for finding in description.findings {
            self.find(finding);
        }
    }

    /// Adds or removes a note about this start.
    pub(crate) fn find(&mut self, finding: Finding) {
        match finding {
            Finding::IsSo(reason) => self.note(reason),
            Finding::IsNotSo(reason) => self.record.notes.retain(|note| *note != reason),
        }
    }

    /// Notes that no instance was started: the log has only output of earlier ones.
    pub(crate) fn nothing_printed(&mut self, log_end: u64) {
        self.record.log_start = log_end;
    }

    /// Notes that the start is in an older file: the whole current log is later.
    pub(crate) fn log_was_rotated(&mut self) {
        self.record.log_start = 0;
    }

    /// Adds a note about this start for the user.
    pub(crate) fn note(&mut self, note: Reason) {
        if !self.record.notes.contains(&note) {
            let said = self.said(std::slice::from_ref(&note)).unwrap_or_default();
            tracing::info!(service = %self.record.service, "{said}");
            self.record.notes.push(note);
        }
    }

    fn said(&self, reasons: &[Reason]) -> Option<String> {
        (self.words)(reasons, &self.record.service)
    }

    fn complain_of(&self, result: Result<(), StoreError>) {
        if let Err(error) = result {
            self.complain(&error.to_string());
        }
    }

    fn complain(&self, what: &str) {
        tracing::warn!(service = %self.record.service, "{what}");
    }

    /// A descriptor that hangs up when the waiting command has ended.
    pub(crate) fn waiter(&self) -> Option<BorrowedFd<'_>> {
        self.notify.as_ref().map(|notify| notify.as_fd())
    }

    /// Returns true if a command waits for the service, and so watches this supervisor.
    pub(crate) fn has_waiter(&mut self) -> bool {
        let ready = self.waiter().map(|end| poll::wait(&[(end, Interest::Read)], Some(Duration::ZERO)));
        if let Some(Ok(ready)) = ready
            && ready.iter().any(|end| end.hung_up)
        {
            self.notify = None;
        }
        self.notify.is_some()
    }

    /// Returns, once, why the record is not on disk.
    pub(crate) fn take_unwritten(&mut self) -> Option<StoreError> {
        self.unwritten.take()
    }

    /// Returns true if the record is on disk.
    pub(crate) fn is_written(&self) -> bool {
        self.unwritten.is_none()
    }

    /// Returns when to write postponed changes; an overdue write happens with the next event.
    pub(crate) fn next_write(&self, now: Instant) -> Option<Instant> {
        self.postponed.filter(|at| now < *at)
    }

    /// Returns true if the service is changing its state, so that a command may be waiting for it.
    pub(crate) fn is_transient(&self) -> bool {
        self.record.state.is_transient()
    }

    /// Notes the log's losses.
    pub(crate) fn lost(&mut self, loss: Loss) {
        (self.record.log_dropped, self.record.log_trouble) = (loss.dropped, loss.trouble);
    }

    fn write_pid_file(&self, layout: &Layout) {
        let pid = |record: &Record| record.main.as_ref().map(|main| main.identity.pid);
        let (now, before) = (pid(&self.record), self.written.as_ref().and_then(pid));
        let path = layout.pid_file(&self.record.service);
        match now {
            Some(pid) if now != before => {
                self.complain_of(files::write_private(&path, format!("{pid}\n").as_bytes()));
            }
            Some(_) => {}
            // Checked before removing, which waits for all processes that create files in the folder.
            None if before.is_some() || path.exists() => self.complain_of(files::remove(&path)),
            None => {}
        }
    }

    /// Notifies the waiting command of a new record, until the state is final.
    fn notify(&mut self) {
        if let Some(notify) = &mut self.notify {
            // One write of a short line is never mixed with another one's (PIPE_BUF).
            let heard = notify.write_all(format!("!{}\n", self.record.service).as_bytes()).is_ok();
            if !heard || !self.record.state.is_transient() {
                self.notify = None;
            }
        }
    }
}

/// False for /dev/null, which replaces a notify pipe without a reader.
fn is_pipe(notify: &File) -> bool {
    notify.metadata().is_ok_and(|meta| meta.file_type().is_fifo())
}

/// Converts a recorded exit.
pub(crate) fn end_of(exit: LastExit) -> End {
    match (exit.code, exit.signal) {
        (Some(code), _) => End::Code(code),
        (None, Some(signal)) => End::Signal(signal),
        (None, None) => End::Unknown,
    }
}

#[cfg(test)]
mod tests;
