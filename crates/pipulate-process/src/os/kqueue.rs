//! macOS: kqueue(2), for events of processes and files.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use pipulate_core::identity::Pid;
use rustix::buffer::spare_capacity;
pub(crate) use rustix::event::kqueue::VnodeEvents;
use rustix::event::kqueue::{
    self, Event, EventFilter, EventFlags, ProcessEvents, UserDefinedFlags, UserFlags,
};

/// A queue of events. The kernel closes it at an exec, and a fork does not inherit it.
#[derive(Debug)]
pub(crate) struct Queue(OwnedFd);

/// An event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happened {
    Forked,
    /// A process ended; its status in the form of wait(2), if it was requested.
    Ended {
        status: Option<u32>,
    },
    /// The file of this descriptor changed.
    Changed {
        file: RawFd,
        how: VnodeEvents,
    },
    Other,
}

/// `NOTE_EXITSTATUS` of sys/event.h.
const EXIT_STATUS: ProcessEvents = ProcessEvents::from_bits_retain(0x0400_0000);

impl Queue {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(kqueue::kqueue()?))
    }

    /// A descriptor that is readable while there are events to take.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Reports the end of a process, and how it ended if we have permission.
    ///
    /// # Errors
    /// ESRCH if no running process has this number.
    pub(crate) fn watch_end(&self, pid: Pid) -> io::Result<()> {
        let first = self.watch_process(pid, ProcessEvents::EXIT | EXIT_STATUS);
        match first {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.watch_process(pid, ProcessEvents::EXIT)
            }
            told => told,
        }
    }

    /// Reports each fork of a process.
    ///
    /// # Errors
    /// ESRCH if no running process has this number.
    pub(crate) fn watch_forks(&self, pid: Pid) -> io::Result<()> {
        self.watch_process(pid, ProcessEvents::FORK)
    }

    fn watch_process(&self, pid: Pid, flags: ProcessEvents) -> io::Result<()> {
        let Some(pid) = rustix::process::Pid::from_raw(pid.get()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        self.add(EventFilter::Proc { pid, flags }, EventFlags::CLEAR)
    }

    /// Reports changes of a file until `file` is closed.
    pub(crate) fn watch_file(&self, file: BorrowedFd<'_>, flags: VnodeEvents) -> io::Result<()> {
        use std::os::fd::AsRawFd as _;
        self.add(EventFilter::Vnode { vnode: file.as_raw_fd(), flags }, EventFlags::CLEAR)
    }

    /// Makes the queue permanently readable.
    pub(crate) fn stay_readable(&self) -> io::Result<()> {
        let trigger = |flags| EventFilter::User { ident: 0, flags, user_flags: UserDefinedFlags::new(0) };
        self.add(trigger(UserFlags::NOINPUT), EventFlags::empty())?;
        self.add(trigger(UserFlags::TRIGGER), EventFlags::empty())
    }

    fn add(&self, filter: EventFilter, flags: EventFlags) -> io::Result<()> {
        let event = Event::new(filter, EventFlags::ADD | flags, ptr::null_mut());
        let mut none: [Event; 0] = [];
        #[expect(unsafe_code, reason = "an event names its file by a bare number")]
        // SAFETY: the file is open now, and the kernel removes the event when it is closed.
        unsafe { kqueue::kevent(&self.0, &[event], &mut none[..], Some(Duration::ZERO)) }?;
        Ok(())
    }

    /// Waits for an event, or for `timeout`, and takes all events.
    pub(crate) fn take(&self, timeout: Option<Duration>) -> io::Result<Vec<Happened>> {
        let mut events = Vec::with_capacity(64);
        let taken = rustix::io::retry_on_intr(|| {
            #[expect(unsafe_code, reason = "an event names its file by a bare number")]
            // SAFETY: no event is added.
            unsafe {
                kqueue::kevent(&self.0, &[], spare_capacity(&mut events), timeout)
            }
        });
        taken?;
        Ok(events.iter().map(happened).collect())
    }
}

fn happened(event: &Event) -> Happened {
    match event.filter() {
        EventFilter::Proc { flags, .. } if flags.contains(ProcessEvents::EXIT) => {
            let status = u32::try_from(event.data()).ok();
            Happened::Ended { status: status.filter(|_| flags.contains(EXIT_STATUS)) }
        }
        EventFilter::Proc { flags, .. } if flags.contains(ProcessEvents::FORK) => Happened::Forked,
        EventFilter::Vnode { vnode, flags } => Happened::Changed { file: vnode, how: flags },
        _ => Happened::Other,
    }
}
