//! Waiting for events: poll(2) without its types.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};

/// The event to wait for on a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    Read,
    Write,
    /// Only that the other side closes.
    HangUp,
}

/// The events of a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// It can be read or written, as requested.
    pub ready: bool,
    /// The other side has closed.
    pub hung_up: bool,
}

/// Sleeps until one of `watched` is ready, or for `timeout`. The result is in the order of `watched`.
///
/// # Errors
/// poll(2) failed; an interruption by a signal is no failure.
pub fn wait(watched: &[(BorrowedFd<'_>, Interest)], timeout: Option<Duration>) -> io::Result<Vec<Ready>> {
    let mut set: Vec<PollFd<'_>> = watched
        .iter()
        .map(|(fd, interest)| {
            let flags = match interest {
                Interest::Read => PollFlags::IN,
                Interest::Write => PollFlags::OUT,
                // POLLHUP is always reported.
                Interest::HangUp => PollFlags::empty(),
            };
            PollFd::from_borrowed_fd(*fd, flags)
        })
        .collect();
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    match rustix::event::poll(&mut set, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let ready = |entry: &PollFd<'_>| {
        let flags = entry.revents();
        Ready {
            ready: flags.intersects(PollFlags::IN | PollFlags::OUT),
            hung_up: flags.intersects(PollFlags::HUP | PollFlags::ERR),
        }
    };
    Ok(set.iter().map(ready).collect())
}
