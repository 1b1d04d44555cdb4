//! Waiting for new log output.
//!
//! Uses the kernel's notifications where available, for the followed files only: an index, or another
//! service's log, wakes no follower. Elsewhere it polls.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::os::Notifier;

/// Poll interval where the kernel does not report every write.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Poll interval without notifications.
const INTERVAL: Duration = Duration::from_millis(100);

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// There may be more to read.
    Lines,
    /// There may be more to read, and the records of services may have changed.
    Records,
    /// The timeout has passed.
    TimedOut,
    /// `stop` became readable.
    Stopped,
    /// The reader of `output` is gone.
    OutputClosed,
}

/// Watches the logs of some services of one home.
#[derive(Debug)]
pub struct Watch {
    notifier: Option<Notifier>,
}

impl Watch {
    /// Watches logs whose folder need not exist yet. Any write after this returned ends the next
    /// [`Watch::wait`].
    pub fn new(layout: &Layout, services: &[ServiceName]) -> Self {
        Self { notifier: Notifier::new(layout, services).ok() }
    }

    /// Watches without notifications.
    #[cfg(test)]
    fn polling() -> Self {
        Self { notifier: None }
    }

    /// True without notifications: the kernel has none, or no watches are left.
    pub fn is_polling(&self) -> bool {
        self.notifier.is_none()
    }

    /// Waits for new output, until `stop` is readable (a signal handler's pipe), until the reader of `output`
    /// is gone (`| head` has seen enough), or until the timeout.
    ///
    /// # Errors
    /// The system could not wait.
    pub fn wait(
        &mut self,
        stop: Option<BorrowedFd>,
        output: Option<BorrowedFd>,
        most: Option<Duration>,
    ) -> io::Result<Wake> {
        let own = match &self.notifier {
            None => Some(INTERVAL),
            Some(notifier) => (!notifier.hears_everything()).then_some(HEARTBEAT),
        };
        let timeout = own.into_iter().chain(most).min().map(timespec);
        let sources = [
            (stop, PollFlags::IN, Wake::Stopped),
            // POLLERR and POLLHUP are always reported.
            (output, PollFlags::empty(), Wake::OutputClosed),
            (self.notifier.as_ref().map(Notifier::as_fd), PollFlags::IN, Wake::Lines),
        ];
        let watched =
            sources.into_iter().filter_map(|(descriptor, flags, wake)| Some((descriptor?, flags, wake)));
        let (mut descriptors, wakes): (Vec<_>, Vec<_>) = watched
            .map(|(descriptor, flags, wake)| (PollFd::from_borrowed_fd(descriptor, flags), wake))
            .unzip();
        let woken = match poll(&mut descriptors, timeout.as_ref()) {
            // A signal came; its handler makes `stop` readable.
            Ok(_) | Err(Errno::INTR) => {
                descriptors.iter().position(|descriptor| !descriptor.revents().is_empty())
            }
            Err(error) => return Err(error.into()),
        };
        drop(descriptors);
        match woken.map(|place| wakes[place]) {
            Some(end @ (Wake::Stopped | Wake::OutputClosed)) => Ok(end),
            Some(Wake::Lines | Wake::Records | Wake::TimedOut) => Ok(self.rearm()),
            None if own.is_some() => Ok(Wake::Records),
            None => Ok(Wake::TimedOut),
        }
    }

    /// A descriptor that is readable after an event; `None` without notifications. A caller that waits for it
    /// itself calls [`Watch::rearm`] then.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.notifier.as_ref().map(Notifier::as_fd)
    }

    /// Clears and returns the events so far. If the kernel can't continue reporting, switches to polling.
    pub fn rearm(&mut self) -> Wake {
        match self.notifier.as_mut().map(Notifier::rearm) {
            Some(Ok(true)) => Wake::Records,
            Some(Ok(false)) => Wake::Lines,
            Some(Err(_)) | None => {
                self.notifier = None;
                Wake::Records
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests;
