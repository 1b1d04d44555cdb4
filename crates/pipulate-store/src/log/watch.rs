//! Waiting until there may be more to read.
//!
//! The kernel says so where it can. Not every file system tells it everything, so there is a look
//! now and then in any case; a wake-up for nothing costs its reader one look.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use pipulate_core::layout::Layout;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

#[cfg_attr(target_os = "linux", path = "watch/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "watch/portable.rs")]
mod notifier;

use notifier::Notifier;

/// How often to look although the kernel reported nothing.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How often to look where the kernel reports nothing at all.
const INTERVAL: Duration = Duration::from_millis(100);

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// There may be more to read.
    Look,
    /// `stop` became readable.
    Stopped,
    /// Nobody holds the other end of `output` any more.
    OutputClosed,
}

/// Watches the logs of one home.
#[derive(Debug)]
pub struct Watch {
    notifier: Option<Notifier>,
}

impl Watch {
    /// Watches the logs' folder, which need not exist yet. Whatever is written after this
    /// returned ends the next [`Watch::wait`].
    pub fn new(layout: &Layout) -> Self {
        Self { notifier: Notifier::new(&layout.logs()).ok() }
    }

    /// The same without the kernel's help.
    pub fn polling() -> Self {
        Self { notifier: None }
    }

    /// Waits until there may be more to read, until `stop` is readable (a signal handler's pipe),
    /// or until the reader of `output` is gone (`| head` has seen enough).
    ///
    /// # Errors
    /// The system could not wait.
    pub fn wait(&mut self, stop: Option<BorrowedFd>, output: Option<BorrowedFd>) -> io::Result<Wake> {
        let timeout = if self.notifier.is_some() { HEARTBEAT } else { INTERVAL };
        let mut descriptors = Vec::with_capacity(3);
        let sources = [
            (stop, PollFlags::IN, Wake::Stopped),
            // Errors and hang-ups are reported unasked.
            (output, PollFlags::empty(), Wake::OutputClosed),
            (self.notifier.as_ref().map(Notifier::as_fd), PollFlags::IN, Wake::Look),
        ];
        let mut wakes = Vec::with_capacity(3);
        for (descriptor, flags, wake) in sources {
            if let Some(descriptor) = descriptor {
                descriptors.push(PollFd::from_borrowed_fd(descriptor, flags));
                wakes.push(wake);
            }
        }
        let woken = match poll(&mut descriptors, Some(&timespec(timeout))) {
            // A signal came; whoever handles it makes `stop` readable.
            Ok(_) | Err(Errno::INTR) => {
                descriptors.iter().position(|descriptor| !descriptor.revents().is_empty())
            }
            Err(error) => return Err(error.into()),
        };
        drop(descriptors);
        if let Some(notifier) = &mut self.notifier {
            notifier.rearm()?;
        }
        Ok(woken.map_or(Wake::Look, |place| wakes[place]))
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
