//! Linux: sending a signal with a mark through a pidfd.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::signals::MARK;

/// The beginning of a siginfo_t of a queued signal: `_rt` in the kernel's siginfo.h; its pointer is aligned
/// after the three numbers.
#[repr(C)]
struct Queued {
    signal: libc::c_int,
    error: libc::c_int,
    code: libc::c_int,
    from: From,
}

#[repr(C)]
struct From {
    pid: libc::pid_t,
    user: libc::uid_t,
    value: usize,
}

/// Sends a marked signal to a pinned process. A process that has ended is no error.
#[expect(unsafe_code, reason = "pidfd_send_signal has no safe form with an info")]
pub(crate) fn send_marked(process: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    let from = From {
        pid: rustix::process::getpid().as_raw_pid(),
        user: rustix::process::getuid().as_raw(),
        value: MARK,
    };
    // SAFETY: siginfo_t is plain data, larger than its beginning and aligned alike; the descriptor is open.
    let result = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        (&raw mut info).cast::<Queued>().write(Queued {
            signal: number,
            error: 0,
            code: libc::SI_QUEUE,
            from,
        });
        libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), number, &raw const info, 0)
    };
    match result {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            error => Err(error),
        },
    }
}
