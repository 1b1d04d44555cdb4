//! Signals: sending, receiving on descriptors, blocking over an exec. Their meaning is up to the caller.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal as NixSignal, sigprocmask};
use pipulate_core::service::StopSignal;
use rustix::fs::Mode;
use rustix::net::{SendFlags, send};

/// A signal that may be sent and received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(NixSignal);

impl Signal {
    pub const TERM: Self = Self(NixSignal::SIGTERM);
    pub const INT: Self = Self(NixSignal::SIGINT);
    /// Sent to a terminal's processes when the terminal ends.
    pub const HUP: Self = Self(NixSignal::SIGHUP);
    pub const KILL: Self = Self(NixSignal::SIGKILL);
    /// Continues a stopped process; ignored by a running one.
    pub const CONT: Self = Self(NixSignal::SIGCONT);
    /// Ignored by a process that does not handle it.
    pub const URG: Self = Self(NixSignal::SIGURG);
    /// Ignored by a process that does not handle it.
    pub const WINCH: Self = Self(NixSignal::SIGWINCH);
    pub const USR1: Self = Self(NixSignal::SIGUSR1);
    pub const USR2: Self = Self(NixSignal::SIGUSR2);
    /// A child ended.
    pub const CHLD: Self = Self(NixSignal::SIGCHLD);
    /// A file would become larger than the limit allows.
    pub const XFSZ: Self = Self(NixSignal::SIGXFSZ);

    pub(crate) fn number(self) -> i32 {
        self.0 as i32
    }
}

impl From<StopSignal> for Signal {
    fn from(signal: StopSignal) -> Self {
        Self(match signal {
            StopSignal::Term => NixSignal::SIGTERM,
            StopSignal::Int => NixSignal::SIGINT,
            StopSignal::Quit => NixSignal::SIGQUIT,
            StopSignal::Hup => NixSignal::SIGHUP,
            StopSignal::Usr1 => NixSignal::SIGUSR1,
            StopSignal::Usr2 => NixSignal::SIGUSR2,
            StopSignal::Kill => NixSignal::SIGKILL,
        })
    }
}

/// Returns a signal's name, for display: `SIGKILL` for 9.
pub fn name(number: i32) -> String {
    NixSignal::try_from(number)
        .map_or_else(|_| format!("signal {number}"), |signal| signal.as_str().to_owned())
}

/// How often a signal has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arrivals {
    pub plain: usize,
    /// Sent by [`signal_marked`](crate::identity::Verified::signal_marked).
    pub marked: usize,
}

#[derive(Debug, Default)]
struct Counters {
    plain: AtomicUsize,
    marked: AtomicUsize,
}

/// Receives signals as counts and a byte on a descriptor, so that one poll waits for all events.
#[derive(Debug)]
pub struct Receiver {
    signals: Vec<(Signal, Arc<Counters>)>,
    arrivals: UnixStream,
}

impl Receiver {
    /// Receives these signals from now on, including those that [`hold_back`] blocked.
    ///
    /// # Errors
    /// The system has no descriptors left.
    #[expect(unsafe_code, reason = "a handler that counts has no safe form")]
    pub fn open(signals: &[Signal]) -> io::Result<Self> {
        let (arrivals, bell) = UnixStream::pair()?;
        arrivals.set_nonblocking(true)?;
        let bell = Arc::new(bell);
        let mut counted = Vec::new();
        for &signal in signals {
            let counters = Arc::new(Counters::default());
            let (counted_here, bell) = (Arc::clone(&counters), Arc::clone(&bell));
            let on_signal = move |info: &libc::siginfo_t| {
                let Counters { plain, marked } = &*counted_here;
                if is_marked(info) { marked } else { plain }.fetch_add(1, Ordering::SeqCst);
                // If its buffer is full, it is readable already.
                let _sent = send(&*bell, b"X", SendFlags::DONTWAIT);
            };
            // SAFETY: an atomic addition and a non-blocking send(2), without errno, are async-signal-safe.
            unsafe { signal_hook_registry::register_sigaction(signal.number(), on_signal) }?;
            counted.push((signal, counters));
        }
        let_in(signals)?;
        Ok(Self { signals: counted, arrivals })
    }

    /// A descriptor that is readable when a signal has arrived.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.arrivals.as_fd()
    }

    /// Returns the signals that have arrived and how often, in the order of [`Receiver::open`].
    pub fn take(&mut self) -> Vec<(Signal, Arrivals)> {
        // Emptied first: a later signal is counted now, with a spurious wake-up, or counted by the next call.
        while self.arrivals.read(&mut [0; 64]).is_ok_and(|count| count == 64) {}
        let count = |counter: &AtomicUsize| counter.swap(0, Ordering::SeqCst);
        let taken = self.signals.iter().map(|(signal, counters)| {
            (*signal, Arrivals { plain: count(&counters.plain), marked: count(&counters.marked) })
        });
        taken.filter(|(_, arrivals)| *arrivals != Arrivals::default()).collect()
    }
}

/// The sigqueue(3) value of a marked signal.
pub(crate) const MARK: usize = 0x7069_7075;

/// Linux's value (asm-generic/siginfo.h). Other systems have no such code, and no marked signals are sent
/// there.
const SI_QUEUE: i32 = -1;

#[expect(unsafe_code, reason = "the value is in a union")]
fn is_marked(info: &libc::siginfo_t) -> bool {
    // SAFETY: a queued signal has a value.
    info.si_code == SI_QUEUE && unsafe { info.si_value() }.sival_ptr.addr() == MARK
}

/// Blocks these signals until the next [`Receiver::open`], over an exec too.
///
/// # Errors
/// None that a correct call can meet.
pub fn hold_back(signals: &[Signal]) -> io::Result<()> {
    Ok(sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set_of(signals)), None)?)
}

/// Unblocks signals.
///
/// # Errors
/// None that a correct call can meet.
pub fn let_in(signals: &[Signal]) -> io::Result<()> {
    Ok(sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&set_of(signals)), None)?)
}

/// Ignores a signal from now on.
///
/// # Errors
/// None that a correct call can meet.
pub fn ignore(signal: Signal) -> io::Result<()> {
    set(signal.0, SigHandler::SigIgn)
}

/// Undoes inherited settings of the caller that no program expects.
///
/// If SIGCHLD is ignored, the kernel reports no exit statuses, and every program that we run seems lost. A
/// blocked signal never arrives, Ctrl-C among them; `keep_blocked` is for a program that was executed with
/// signals blocked on purpose (see [`hold_back`]). Other ignored signals are the caller's wish: `nohup`. A
/// umask that removes the user's own rights makes folders that can't be entered.
///
/// # Errors
/// None that a correct call can meet.
pub fn undo_inherited(keep_blocked: bool) -> io::Result<()> {
    set(NixSignal::SIGCHLD, SigHandler::SigDfl)?;
    let umask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::process::umask(umask & (Mode::RWXG | Mode::RWXO));
    if !keep_blocked {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    }
    Ok(())
}

fn set_of(signals: &[Signal]) -> SigSet {
    signals.iter().map(|signal| signal.0).collect()
}

/// Only for handlers that run no code of ours.
#[expect(unsafe_code, reason = "sigaction has no safe form")]
fn set(signal: NixSignal, handler: SigHandler) -> io::Result<()> {
    // SAFETY: neither SIG_IGN nor SIG_DFL runs code of ours.
    unsafe { nix::sys::signal::signal(signal, handler) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{self, Verified};
    use crate::poll::{self, Interest};

    #[test]
    fn each_signal_is_received_once_and_one_descriptor_tells_of_all() {
        let mut receiver = Receiver::open(&[Signal::URG, Signal::WINCH]).unwrap();
        let me = Verified::pin_as_found(identity::own_pid().unwrap(), &identity::host()).unwrap();
        let mut received = |signal: Signal, is_marked: bool| {
            if is_marked { me.signal_marked(signal) } else { me.signal(signal) }.unwrap();
            loop {
                poll::wait(&[(receiver.descriptor(), Interest::Read)], None).unwrap();
                let taken = receiver.take();
                if !taken.is_empty() {
                    return taken;
                }
            }
        };
        let (plain, marked) = (Arrivals { plain: 1, marked: 0 }, Arrivals { plain: 0, marked: 1 });
        assert_eq!(received(Signal::WINCH, false), [(Signal::WINCH, plain)]);
        assert_eq!(received(Signal::URG, false), [(Signal::URG, plain)]);
        assert_eq!(received(Signal::WINCH, true), [(Signal::WINCH, marked)]);
        assert_eq!(receiver.take(), []);
    }
}
