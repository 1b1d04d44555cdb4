//! The writing side of a log: bytes move from a FIFO into the file.
//!
//! On Linux they move inside the kernel and are never in our memory alone, so a supervisor that is killed
//! loses none: unmoved bytes are still in the pipe, which the service itself holds open. The file holds
//! exactly what the service wrote, and is bounded: see `rotation`. Times of writing are kept beside it: see
//! [`crate::log::time_index`]. On a full disk the service goes on without a log: see `shortage`.

mod fifo;
mod rotation;
mod shortage;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use nix::errno::Errno;
use pipulate_core::layout::Layout;
use pipulate_core::service::{LogLimits, ServiceName};

use crate::error::StoreError;
use crate::log::time_index::{IndexWriter, Mark};
use crate::os::Mover;
use crate::{files, unwatched};
pub(crate) use fifo::is_open;
pub use fifo::{identity as fifo_identity, is_held, silent_input};
use rotation::Rotation;
pub use rotation::trim_unsupervised;
use shortage::{NextBytes, Shortage};

/// The most bytes that one [`Capture::drain`] moves, so that a flood does not keep the supervisor from its
/// other work.
const AT_ONCE: usize = 1 << 20;
/// How far past its bound a log may grow while the end of a line is searched for, in bytes.
const OVERSHOOT: u64 = 128 << 10;
/// How many bytes ahead the end of a line is searched for at once.
const AHEAD: usize = 64 << 10;

/// The open FIFO and log of one service.
#[derive(Debug)]
pub struct Capture {
    fifo: File,
    fifo_path: Box<Path>,
    mover: Mover,
    log: File,
    end: u64,
    /// The position in the service's whole output at which the current log begins.
    base: u64,
    index: IndexWriter,
    rotation: Rotation,
    rotations: u32,
    /// Keep each full log for [`Capture::take_full_log`].
    keeps_full_log: bool,
    full_log: Option<File>,
    shortage: Option<Box<Shortage>>,
    dropped: u64,
    /// Watchers of the logs' folder are not woken by writes.
    is_unwatched: bool,
}

/// The result of [`Capture::drain`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Everything was moved; writers remain.
    Empty,
    /// There may be more at once.
    More,
    /// Everything was moved, and no process has the FIFO open for writing.
    NoWriters,
}

impl Capture {
    /// Opens the FIFO for reading, making it if needed, and the log at its end.
    ///
    /// # Errors
    /// The folder is not writable, or something else has one of the two paths.
    pub fn open(layout: &Layout, service: &ServiceName, limits: LogLimits) -> Result<Self, StoreError> {
        let fifo_path = layout.fifo(service);
        fifo::make(&fifo_path)?;
        let fifo = files::guarded(OpenOptions::new().read(true))
            .open(&fifo_path)
            .map_err(StoreError::io("open the FIFO", &fifo_path))?;
        let rotation = Rotation::new(layout, service, limits);
        rotation.finish_interrupted()?;
        rotation.trim();
        let log = rotation.open_current()?;
        let meta = log.metadata().map_err(StoreError::io("examine", &layout.log(service)))?;
        let (index, base) = IndexWriter::open(layout, service, &meta, limits.keep);
        Ok(Self {
            fifo,
            fifo_path: fifo_path.to_path_buf().into_boxed_path(),
            mover: Mover::new(),
            log,
            end: meta.len(),
            base,
            index,
            rotation,
            rotations: 0,
            keeps_full_log: false,
            full_log: None,
            shortage: None,
            dropped: 0,
            is_unwatched: false,
        })
    }

    /// Returns an end for the service's stdout and stderr. It can read too, so that the pipe always has a
    /// reader, even after this process died.
    ///
    /// # Errors
    /// The system has no descriptors left, or the FIFO was removed.
    pub fn writer(&self) -> Result<OwnedFd, StoreError> {
        let open = OpenOptions::new().read(true).write(true).open(&self.fifo_path);
        open.map(OwnedFd::from).map_err(StoreError::io("open the FIFO", &self.fifo_path))
    }

    /// Keeps the reading end open over the next exec of this process.
    ///
    /// # Errors
    /// None that a correct call can meet.
    pub fn keep_over_exec(&self) -> Result<RawFd, StoreError> {
        rustix::io::fcntl_setfd(&self.fifo, rustix::io::FdFlags::empty())
            .map_err(|error| StoreError::io("keep", &self.fifo_path)(error.into()))?;
        Ok(self.fifo.as_raw_fd())
    }

    /// Takes [`Capture::keep_over_exec`] back.
    ///
    /// # Errors
    /// None that a correct call can meet.
    pub fn close_on_exec(&self) -> Result<(), StoreError> {
        rustix::io::fcntl_setfd(&self.fifo, rustix::io::FdFlags::CLOEXEC)
            .map_err(|error| StoreError::io("keep", &self.fifo_path)(error.into()))
    }

    /// Uses the new paths after the project's folder was moved; open files stay open.
    pub fn follow(&mut self, layout: &Layout) {
        self.rotation.follow(layout);
        self.index.follow(layout, self.rotation.service());
        self.fifo_path = layout.fifo(self.rotation.service()).to_path_buf().into_boxed_path();
    }

    /// A descriptor that is readable when the service has written, and hung up when no writer is left.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.fifo.as_fd()
    }

    /// Returns the length of the current log, in bytes.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Returns the number of rotations since this was opened.
    pub fn rotations(&self) -> u32 {
        self.rotations
    }

    /// The current log, up to [`Capture::end`].
    pub fn log(&self) -> &File {
        &self.log
    }

    /// Makes each [`Capture::drain`] end where a log does, for a caller that reads everything that is moved.
    pub fn keep_full_log(&mut self, keep: bool) {
        self.keeps_full_log = keep;
        self.full_log.take_if(|_| !keep);
    }

    /// Returns the log that became full in the last [`Capture::drain`], whether or not it still has a name.
    pub fn take_full_log(&mut self) -> Option<File> {
        self.full_log.take()
    }

    /// True if the log's index was damaged when this was opened and was replaced with a new one.
    pub fn index_was_damaged(&self) -> bool {
        self.index.was_damaged()
    }

    /// Records that everything moved so far came before this mark.
    pub fn mark(&mut self, mark: Mark) {
        self.index.mark(mark, self.base + self.end);
    }

    /// Returns the number of lines that were dropped for lack of room since this was opened.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Returns why the log can't be written at present.
    pub fn trouble(&self) -> Option<&str> {
        self.shortage.as_ref().and_then(|shortage| shortage.why())
    }

    /// Tries whether the log can be written again; there is no notification of free space.
    pub fn look_for_room(&mut self) {
        let before = self.base + self.end;
        let Some(shortage) = &mut self.shortage else { return };
        shortage.look_for_room(&self.log, self.end);
        if shortage.why().is_some() {
            return;
        }
        match shortage.catch_up(&self.log, &mut self.end) {
            Ok(()) if shortage.next() != NextBytes::RestOfDropped => self.shortage = None,
            Ok(()) => {}
            Err(error) => shortage.goes_on(&error),
        }
        if self.base + self.end != before {
            self.index.moved(self.base + self.end);
        }
    }

    /// Moves the contents of the FIFO to the log, without waiting. If the log can't be written, whole lines
    /// are dropped instead: see [`Capture::trouble`].
    ///
    /// # Errors
    /// The system can't notify the log's followers that it grew.
    pub fn drain(&mut self) -> Result<Drained, StoreError> {
        let before = self.base + self.end;
        let outcome = self.move_bytes();
        if self.base + self.end != before {
            // A service that never prints pays nothing for it.
            if !std::mem::replace(&mut self.is_unwatched, true) {
                if let Some(log) = unwatched::reopened(&self.log, self.rotation.current()) {
                    self.log = log;
                }
                self.index.unwatch();
            }
            self.index.moved(self.base + self.end);
            let announced = self.mover.announce(&self.log, self.end);
            announced.map_err(StoreError::io("write", self.rotation.current()))?;
        }
        if let Ok(Drained::More) = outcome {
            self.mover.expect_much(&self.fifo);
        }
        outcome
    }

    /// Handles a log that was emptied, deleted or appended to by others: new output goes to the real end of
    /// the file that has the log's name.
    fn look_at_the_log(&mut self) {
        let Ok(mut meta) = self.log.metadata() else { return };
        if meta.nlink() == 0 {
            // Until a new log can be made, writing to the deleted one does no harm.
            let Ok(log) = self.rotation.open_current() else { return };
            let Ok(new) = log.metadata() else { return };
            (self.log, meta, self.is_unwatched) = (log, new, false);
        } else if meta.len() >= self.end {
            self.end = meta.len();
            return;
        }
        self.base = self.index.take_over(&meta, self.base + self.end);
        self.end = meta.len();
        self.rotations = self.rotations.wrapping_add(1);
    }

    /// Gives back the extra pipe capacity of a flood. To be called when there is no flood.
    pub fn rest(&mut self) {
        self.mover.expect_little(&self.fifo);
    }

    fn move_bytes(&mut self) -> Result<Drained, StoreError> {
        let mut room = AT_ONCE;
        while room > 0 || self.mover.holds_some() {
            self.look_at_the_log();
            let was_short = self.shortage.is_some();
            let outcome = match self.shortage.take() {
                None => self.move_some(),
                Some(shortage) => self.get_by(shortage),
            };
            match outcome {
                Ok(0) => return Ok(Drained::NoWriters),
                Ok(_) if self.full_log.is_some() => return Ok(Drained::More),
                Ok(moved) => room = room.saturating_sub(moved),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(Drained::Empty),
                    io::ErrorKind::Interrupted => {}
                    // Bytes that can't be written are dropped by then, so this error is the FIFO's.
                    _ if was_short => return Err(StoreError::io("read", &self.fifo_path)(error)),
                    // A file size limit (RLIMIT_FSIZE) below our own bound.
                    io::ErrorKind::FileTooLarge if self.end > 0 && self.rotate().is_ok() && self.end == 0 => {
                    }
                    _ if files::is_full(&error) && self.rotation.sacrifice() => {}
                    // No room, a limit on file sizes, a broken disk: the service must not block on any of
                    // them.
                    _ => {
                        let ends_with_line = self.ends_with_line_break().unwrap_or(true);
                        self.shortage = Some(Box::new(Shortage::new(&error, ends_with_line)));
                    }
                },
            }
        }
        Ok(Drained::More)
    }

    /// Moves bytes, at most up to the bound, and returns their number.
    fn move_some(&mut self) -> io::Result<usize> {
        // The index counts towards the log's size: a line may be shorter than its entry.
        let until_bound = self.rotation.max_size().saturating_sub(self.end + self.index.weight());
        match usize::try_from(until_bound).unwrap_or(usize::MAX) {
            0 => self.pass_the_bound(),
            bound => self.transfer(AT_ONCE.min(bound)),
        }
    }

    /// Goes on if there is room by now, and drops the service's output if not. Returns as
    /// [`Capture::move_some`].
    fn get_by(&mut self, mut shortage: Box<Shortage>) -> io::Result<usize> {
        let attempt = match shortage.next() {
            NextBytes::RestOfDropped => None,
            NextBytes::Line | NextBytes::RestOfLine => {
                Some(shortage.catch_up(&self.log, &mut self.end).and_then(|()| self.move_some()))
            }
        };
        match attempt {
            Some(Ok(moved)) => return Ok(moved),
            Some(Err(error)) if is_harmless(&error) => {
                self.shortage = Some(shortage);
                return Err(error);
            }
            Some(Err(error)) => shortage.goes_on(&error),
            None => {}
        }
        let taken = self.mover.look_ahead(&self.fifo, AHEAD).and_then(|ahead| {
            let bytes = self.mover.take(&self.fifo, shortage.share_of(&ahead))?;
            self.dropped += shortage.absorb(&bytes);
            Ok(bytes.len())
        });
        self.shortage = Some(shortage);
        taken
    }

    fn transfer(&mut self, most: usize) -> io::Result<usize> {
        self.mover.transfer(&self.fifo, &self.log, &mut self.end, most)
    }

    /// At the bound: moves bytes up to the end of the line, then begins a new log. Returns the number of
    /// bytes moved, at least one unless there are no writers.
    fn pass_the_bound(&mut self) -> io::Result<usize> {
        if self.ends_with_line_break()? {
            self.rotate()?;
            // Move at least one byte, even if the index takes all of a small bound.
            let most = usize::try_from(self.rotation.max_size()).unwrap_or(AHEAD).clamp(1, AHEAD);
            return self.transfer(most);
        }
        let ahead = self.mover.look_ahead(&self.fifo, AHEAD)?;
        let (most, is_line_end) = match ahead.iter().position(|&byte| byte == b'\n') {
            Some(position) => (position + 1, true),
            None => (ahead.len(), false),
        };
        let moved = self.transfer(most)?;
        let size = self.end + self.index.weight();
        let is_too_long = size >= self.rotation.max_size() + OVERSHOOT - AHEAD as u64;
        if (is_line_end && moved == most) || is_too_long {
            self.rotate()?;
        }
        Ok(moved)
    }

    fn ends_with_line_break(&self) -> io::Result<bool> {
        let mut last = [0];
        let Some(position) = self.end.checked_sub(1) else { return Ok(true) };
        self.log.read_exact_at(&mut last, position)?;
        Ok(last == *b"\n")
    }

    fn rotate(&mut self) -> io::Result<()> {
        let position = self.base + self.end;
        // In the index before it has its name, so that a reader of the log finds its position.
        let new = match self.rotation.rotate(|log| self.index.begin_log(log, position)) {
            // The log may pass its bound rather than lose lines while no descriptor is left.
            Err(error) if lacks_descriptors(&error) && self.end < 2 * self.rotation.max_size() => {
                return Ok(());
            }
            begun => begun?,
        };
        let full = std::mem::replace(&mut self.log, new);
        self.full_log = self.keeps_full_log.then_some(full);
        (self.base, self.end) = (position, 0);
        self.is_unwatched = false;
        self.rotations = self.rotations.wrapping_add(1);
        Ok(())
    }
}

/// True if this process, or the system, can't open another file for now.
fn lacks_descriptors(error: &io::Error) -> bool {
    let lacks = [Errno::EMFILE, Errno::ENFILE].map(|errno| errno as i32);
    error.raw_os_error().is_some_and(|number| lacks.contains(&number))
}

/// True for errors that say nothing about the log: nothing to move now, or not yet.
fn is_harmless(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
pub(crate) mod tests;
