//! Waiting until there may be more to read.
//!
//! The kernel says so where it can, and only about what is followed: the index of a log, or the log
//! of another service, wakes nobody. Where it can't, there is a look now and then.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::os::Notifier;

/// How often to look although the kernel reported nothing, where it does not hear everything.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How often to look where the kernel reports nothing at all.
const INTERVAL: Duration = Duration::from_millis(100);

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// There may be more to read.
    Lines,
    /// There may be more to read, and the records of services may have changed.
    Records,
    /// The time is over.
    TimedOut,
    /// `stop` became readable.
    Stopped,
    /// Nobody holds the other end of `output` any more.
    OutputClosed,
}

/// Watches the logs of some services of one home.
#[derive(Debug)]
pub struct Watch {
    notifier: Option<Notifier>,
}

impl Watch {
    /// Watches logs whose folder need not exist yet. Whatever is written after this returned ends
    /// the next [`Watch::wait`].
    pub fn new(layout: &Layout, services: &[ServiceName]) -> Self {
        Self { notifier: Notifier::new(layout, services).ok() }
    }

    /// The same without the kernel's help.
    #[cfg(test)]
    fn polling() -> Self {
        Self { notifier: None }
    }

    /// Whether the kernel does not help: it can't, or it has no watches left.
    pub fn is_polling(&self) -> bool {
        self.notifier.is_none()
    }

    /// Waits until there may be more to read, until `stop` is readable (a signal handler's pipe),
    /// until the reader of `output` is gone (`| head` has seen enough), or for so long.
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
            // Errors and hang-ups are reported unasked.
            (output, PollFlags::empty(), Wake::OutputClosed),
            (self.notifier.as_ref().map(Notifier::as_fd), PollFlags::IN, Wake::Lines),
        ];
        let watched =
            sources.into_iter().filter_map(|(descriptor, flags, wake)| Some((descriptor?, flags, wake)));
        let (mut descriptors, wakes): (Vec<_>, Vec<_>) = watched
            .map(|(descriptor, flags, wake)| (PollFd::from_borrowed_fd(descriptor, flags), wake))
            .unzip();
        let woken = match poll(&mut descriptors, timeout.as_ref()) {
            // A signal came; whoever handles it makes `stop` readable.
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

    /// Readable when something happened; `None` where the kernel does not tell. Whoever waits for it
    /// otherwise calls [`Watch::rearm`] then.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.notifier.as_ref().map(Notifier::as_fd)
    }

    /// Forgets what has happened so far, and says what it was. A kernel that can't go on reporting
    /// is as good as none that does.
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
