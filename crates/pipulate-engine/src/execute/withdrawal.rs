//! The events that keep a start from beginning further services.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use pipulate_process::poll::{self, Interest};
use pipulate_store::pending::PendingStart;

use super::{LaunchError, Run};

/// Keeps a start from beginning further services.
#[derive(Debug, Clone, Copy, Default)]
pub struct Withdrawal<'a> {
    /// The file in which stops withdraw services from it.
    pub pending: Option<&'a PendingStart>,
    /// Becomes readable, and stays so, on an interrupt.
    pub interrupt: Option<BorrowedFd<'a>>,
}

impl<'a> Run<'a> {
    /// Leaves the announcement in place, for supervisors that have not checked for a withdrawal yet.
    pub(super) fn leave_announced(&self) {
        self.executor.withdrawal.pending.inspect(|pending| pending.leave());
    }

    /// Returns true if nothing more is to be begun.
    pub(super) fn is_cancelled(&mut self) -> Result<bool, LaunchError> {
        if let Some(interrupt) = self.interrupt() {
            let ready = poll::wait(&[(interrupt, Interest::Read)], Some(Duration::ZERO))?;
            self.is_cancelled = ready.iter().any(|ready| ready.ready);
        }
        Ok(self.is_cancelled)
    }

    /// Returns the descriptor that becomes readable on an interrupt, unless there was one.
    pub(super) fn interrupt(&self) -> Option<BorrowedFd<'a>> {
        self.executor.withdrawal.interrupt.filter(|_| !self.is_cancelled)
    }
}
