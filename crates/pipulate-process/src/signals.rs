//! Signals: the ones that we send, and the ones that a supervisor is told by.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal as NixSignal, sigprocmask};
use pipulate_core::service::StopSignal;
use rustix::fs::Mode;

/// A signal that may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(NixSignal);

impl Signal {
    pub const TERM: Self = Self(NixSignal::SIGTERM);
    /// What a terminal's shell is told when its terminal ends.
    pub const HUP: Self = Self(NixSignal::SIGHUP);
    pub const KILL: Self = Self(NixSignal::SIGKILL);
    /// Lets one that was stopped go on; whoever is at work does not care.
    pub const CONT: Self = Self(NixSignal::SIGCONT);
    /// Tells a supervisor that there is a new one beside it; ignored by whoever does not listen.
    pub const URG: Self = Self(NixSignal::SIGURG);
    /// Asks a supervisor to replace its own program by a newer one.
    pub const USR1: Self = Self(NixSignal::SIGUSR1);
    /// Asks a supervisor to restart its service, whatever it does.
    pub const USR2: Self = Self(NixSignal::SIGUSR2);
    /// Tells a supervisor that there is a request; ignored by one that knows none.
    pub const WINCH: Self = Self(NixSignal::SIGWINCH);

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

/// A signal's name without `SIG`, for people: `KILL` for 9.
pub fn name(number: i32) -> String {
    NixSignal::try_from(number).map_or_else(
        |_| format!("signal {number}"),
        |signal| signal.as_str().trim_start_matches("SIG").to_owned(),
    )
}

/// What somebody told us, or what the kernel did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// TERM or INT.
    Stop,
    /// USR1.
    Upgrade,
    /// USR2.
    Restart,
    /// WINCH.
    Requested,
    /// URG.
    LookAround,
    /// CHLD.
    ChildEnded,
}

/// In the order in which they are told of. What takes this program's place comes last: nobody else hears
/// of what came with it.
const WATCHED: [(NixSignal, Notice); 7] = [
    (NixSignal::SIGTERM, Notice::Stop),
    (NixSignal::SIGINT, Notice::Stop),
    (NixSignal::SIGUSR2, Notice::Restart),
    (NixSignal::SIGWINCH, Notice::Requested),
    (NixSignal::SIGURG, Notice::LookAround),
    (NixSignal::SIGCHLD, Notice::ChildEnded),
    (NixSignal::SIGUSR1, Notice::Upgrade),
];

/// Receives a supervisor's signals as bytes on a descriptor, so that one poll waits for everything.
#[derive(Debug)]
pub struct Inbox {
    streams: Vec<(UnixStream, Notice)>,
}

impl Inbox {
    /// Opens the inbox, and lets in what was held back by [`hold_back`] before an exec.
    ///
    /// SIGHUP is ignored from here on: the end of a terminal or of a login is nothing to us.
    ///
    /// # Errors
    /// The system has no descriptors left.
    pub fn open() -> io::Result<Self> {
        let mut streams = Vec::new();
        for (signal, notice) in WATCHED {
            let (ours, theirs) = UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            signal_hook::low_level::pipe::register(signal as i32, theirs)?;
            streams.push((ours, notice));
        }
        ignore(NixSignal::SIGHUP)?;
        // A log past the limit on the size of files is an error to deal with, not an end.
        ignore(NixSignal::SIGXFSZ)?;
        let_in()?;
        Ok(Self { streams })
    }

    /// Readable when something has arrived.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.streams.iter().map(|(stream, _)| stream.as_fd())
    }

    /// What has arrived, each kind once however often it came; Stop as often as it came.
    pub fn take(&mut self) -> Vec<Notice> {
        let mut notices = Vec::new();
        for (stream, notice) in &mut self.streams {
            let mut buffer = [0; 64];
            let count = stream.read(&mut buffer).unwrap_or(0);
            let times = if *notice == Notice::Stop { count } else { count.min(1) };
            notices.extend(std::iter::repeat_n(*notice, times));
        }
        notices
    }
}

/// Holds a supervisor's signals back until the next [`Inbox::open`], over an exec too: between
/// the exec and the new program's handlers a TERM would end it, and nobody would stop the service.
///
/// # Errors
/// None that a correct call can meet.
pub fn hold_back() -> io::Result<()> {
    Ok(sigprocmask(SigmaskHow::SIG_BLOCK, Some(&watched_set()), None)?)
}

/// Lets in what was held back, for when no other program took over.
///
/// # Errors
/// None that a correct call can meet.
pub fn let_in() -> io::Result<()> {
    Ok(sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&watched_set()), None)?)
}

/// Undoes what a caller may have set before it executed this program, and what no program expects.
///
/// Where SIGCHLD is ignored, the kernel tells nobody how a child ended, and every program that we run
/// seems to be lost. A signal that is blocked never arrives, Ctrl-C among them; a supervisor's are held back on
/// purpose (see [`hold_back`]) and stay so. Ignored signals of any other kind are the caller's wish: `nohup`. A
/// umask that takes rights from the user's own files makes folders that can't be entered.
///
/// # Errors
/// None that a correct call can meet.
pub fn undo_inherited(is_supervisor: bool) -> io::Result<()> {
    set(NixSignal::SIGCHLD, SigHandler::SigDfl)?;
    let umask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::process::umask(umask & (Mode::RWXG | Mode::RWXO));
    if !is_supervisor {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    }
    Ok(())
}

fn watched_set() -> SigSet {
    WATCHED.iter().map(|(signal, _)| *signal).collect()
}

fn ignore(signal: NixSignal) -> io::Result<()> {
    set(signal, SigHandler::SigIgn)
}

/// Only for what runs no code of ours.
#[expect(unsafe_code, reason = "sigaction has no safe form")]
fn set(signal: NixSignal, handler: SigHandler) -> io::Result<()> {
    // SAFETY: neither ignoring a signal nor leaving it to the system runs code of ours.
    unsafe { nix::sys::signal::signal(signal, handler) }?;
    Ok(())
}
