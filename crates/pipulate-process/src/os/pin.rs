//! macOS: pinning a process.
//!
//! No descriptor identifies a process here. kqueue(2) reports its end, and a signal goes to a pid and a
//! version that the kernel compares (macOS 14.2 and later; before, both are checked immediately before the
//! signal).

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;
use std::time::Duration;

use pipulate_core::identity::{Pid, ProcessIdentity};

use super::darwin;
use super::facts::{ids_if_it_runs, process};
use super::kqueue::{Happened, Queue};
use super::libproc;
use crate::command::End;

/// How many successive execs of a process may delay a signal.
const MOST_EXECS: usize = 100;

/// A process whose pid can't be mistaken for another one's while this is held.
#[derive(Debug)]
pub(crate) struct Pin {
    /// Permanently readable once the process has ended.
    queue: Queue,
    pid: Pid,
    number: u64,
    /// How it ended, cached after the first call.
    end: OnceLock<Option<End>>,
}

impl Pin {
    /// Pins the process that has this pid now; `None` if there is none.
    pub(crate) fn open(pid: Pid) -> io::Result<Option<Self>> {
        let queue = Queue::new()?;
        let watched = queue.watch_end(pid);
        // Looked up after watching: if it ended in between, the queue says so, even if its pid was reused.
        let Some(found) = process(pid) else { return Ok(None) };
        let end = OnceLock::new();
        match watched {
            Ok(()) => {}
            // A zombie, or nearly one: its pid is not reused until it is reaped.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) && found.is_ending() => {
                queue.stay_readable()?;
                let _was_empty = end.set(found.end());
            }
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(Some(Self { queue, pid, number: found.ids.own, end }))
    }

    /// Sends a signal by number. A pinned process that has ended is no error.
    pub(crate) fn signal(&self, number: i32) -> io::Result<()> {
        for _ in 0..MOST_EXECS {
            let Some(ids) = ids_if_it_runs(self.pid).filter(|ids| ids.own == self.number) else {
                return Ok(());
            };
            match libproc::signal(self.pid, ids.version, number) {
                // It executed another program since it was looked up, or ended.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                told => return told,
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Sends a plain signal: there is no sigqueue(3) here.
    pub(crate) fn signal_marked(&self, number: i32) -> io::Result<()> {
        self.signal(number)
    }

    /// Always fails: the kernel has no such call for a process that is not a child.
    pub(crate) fn signal_group(&self, _number: i32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Returns how the process ended, if we have permission.
    pub(crate) fn exit(&self, _process: &ProcessIdentity) -> Option<End> {
        if let Some(end) = self.end.get() {
            return *end;
        }
        let ended =
            self.queue.take(Some(Duration::ZERO)).ok()?.into_iter().find_map(|event| match event {
                Happened::Ended { status } => Some(status.map(darwin::end)),
                Happened::Forked | Happened::Changed { .. } | Happened::Other => None,
            })?;
        // The taken event no longer makes the queue readable, but the process has ended for good.
        let _stays_ended = self.queue.stay_readable();
        *self.end.get_or_init(|| ended)
    }

    /// A descriptor that becomes readable when the process ends.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.queue.descriptor())
    }
}
