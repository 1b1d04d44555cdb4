//! What keeps a start from beginning what it has not begun yet.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use pipulate_process::poll::{self, Interest};
use pipulate_store::pending::PendingStart;

use super::{LaunchError, Run};

/// What keeps a start from beginning what it has not begun yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Withdrawal<'a> {
    /// Where stops withdraw services from it.
    pub pending: Option<&'a PendingStart>,
    /// Becomes readable when it is interrupted, and stays so.
    pub interrupt: Option<BorrowedFd<'a>>,
}

impl<'a> Run<'a> {
    /// Leaves what was announced behind, for supervisors that have not looked for a withdrawal yet.
    pub(super) fn leave_announced(&self) {
        self.executor.withdrawal.pending.inspect(|pending| pending.leave());
    }

    /// Whether nothing more is to be begun.
    pub(super) fn is_cancelled(&mut self) -> Result<bool, LaunchError> {
        if let Some(interrupt) = self.interrupt() {
            let ready = poll::wait(&[(interrupt, Interest::Read)], Some(Duration::ZERO))?;
            self.is_cancelled = ready.iter().any(|ready| ready.ready);
        }
        Ok(self.is_cancelled)
    }

    /// What becomes readable when this is interrupted, unless it was.
    pub(super) fn interrupt(&self) -> Option<BorrowedFd<'a>> {
        self.executor.withdrawal.interrupt.filter(|_| !self.is_cancelled)
    }
}
