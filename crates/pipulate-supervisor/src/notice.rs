//! The signals of a supervisor and their meanings.

use std::io;
use std::os::fd::BorrowedFd;

use pipulate_process::signals::{self, Arrivals, Receiver, Signal};

/// A request of another process, or a report of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// TERM or INT: stop the service and end; the second time, at once.
    Stop,
    /// A marked TERM: the service should not run. Repetitions change nothing.
    StopWanted,
    /// USR1: execute a newer program in place.
    Upgrade,
    /// USR2: restart the service.
    Restart,
    /// WINCH: look for requests.
    Requested,
    /// URG: there is a new supervisor.
    LookAround,
    /// CHLD.
    ChildEnded,
}

/// In the order of handling. Replacing this program comes last: nothing after it would be handled.
const MEANINGS: [(Signal, Notice); 7] = [
    (Signal::TERM, Notice::Stop),
    (Signal::INT, Notice::Stop),
    (Signal::USR2, Notice::Restart),
    (Signal::WINCH, Notice::Requested),
    (Signal::URG, Notice::LookAround),
    (Signal::CHLD, Notice::ChildEnded),
    (Signal::USR1, Notice::Upgrade),
];

fn all() -> [Signal; 7] {
    MEANINGS.map(|(signal, _)| signal)
}

/// Receives a supervisor's signals.
#[derive(Debug)]
pub(crate) struct Inbox(Receiver);

impl Inbox {
    /// Opens the inbox, and unblocks the signals that [`hold_back`] blocked before an exec.
    ///
    /// SIGHUP is ignored from now on: a supervisor outlives its terminal and its login.
    ///
    /// # Errors
    /// The system has no descriptors left.
    pub(crate) fn open() -> io::Result<Self> {
        signals::ignore(Signal::HUP)?;
        // Exceeding the file size limit (RLIMIT_FSIZE) must be an error, not our end.
        signals::ignore(Signal::XFSZ)?;
        Receiver::open(&all()).map(Self)
    }

    /// A descriptor that is readable when a signal has arrived.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.descriptor()
    }

    /// Returns the arrived notices, each kind once however often it came; Stop as often as it came.
    pub(crate) fn take(&mut self) -> Vec<Notice> {
        let notices = self.0.take().into_iter().flat_map(|(signal, Arrivals { plain, marked })| {
            let meaning = MEANINGS.into_iter().find(|(each, _)| *each == signal).map(|(_, notice)| notice);
            let (count, wanted) = match meaning {
                Some(Notice::Stop) => (plain, marked.min(1)),
                _ => (1, 0),
            };
            let notices = meaning.into_iter().cycle().take(count);
            notices.chain(std::iter::repeat_n(Notice::StopWanted, wanted))
        });
        notices.collect()
    }
}

/// Blocks a supervisor's signals until the next [`Inbox::open`], over an exec too: between the exec and the
/// new program's handlers, TERM would end the supervisor and leave its service running.
///
/// # Errors
/// None that a correct call can meet.
pub fn hold_back() -> io::Result<()> {
    signals::hold_back(&all())
}

/// Unblocks the signals, if no other program took over.
///
/// # Errors
/// None that a correct call can meet.
pub(crate) fn let_in() -> io::Result<()> {
    signals::let_in(&all())
}
