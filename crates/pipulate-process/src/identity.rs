//! Process identities: taken once, verified before every signal.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use pipulate_core::identity::{Elsewhere, Host, Liveness, Pid, ProcessIdentity};

use crate::command::End;
use crate::os;
use crate::poll::{self, Interest};
use crate::signals::Signal;
use crate::table::{self, Entry};

/// Returns the boot, pid namespace and machine that our pids belong to.
pub fn host() -> Host {
    os::host()
}

/// Returns the identity of the process that has this pid now; `None` if there is none, or a zombie.
pub fn identify(pid: Pid, host: &Host) -> Option<ProcessIdentity> {
    let entry = os::entry(pid).filter(Entry::lives)?;
    Some(ProcessIdentity { pid, start: entry.start, host: host.clone() })
}

/// Returns our own pid.
pub fn own_pid() -> Option<Pid> {
    Pid::new(rustix::process::getpid().as_raw_nonzero().get())
}

/// Returns our own identity.
pub fn own(host: &Host) -> Option<ProcessIdentity> {
    own_pid().and_then(|pid| identify(pid, host))
}

/// Returns whether the process with this identity is still alive.
pub fn liveness(identity: &ProcessIdentity, here: &Host) -> Liveness {
    let there = &identity.host;
    if there.machine != here.machine && !there.machine.is_empty() && !here.machine.is_empty() {
        return Liveness::Elsewhere(Elsewhere::Machine);
    }
    if there.boot != here.boot {
        return Liveness::Gone;
    }
    if there.pid_namespace != here.pid_namespace {
        return Liveness::Elsewhere(Elsewhere::Container);
    }
    match os::entry(identity.pid) {
        Some(entry) if entry.lives() && entry.start == identity.start => Liveness::Alive,
        Some(_) => Liveness::Gone,
        None if exists(identity.pid) => Liveness::Unverifiable { error: None },
        None => Liveness::Gone,
    }
}

/// EPERM also means that a process exists.
fn exists(pid: Pid) -> bool {
    let Some(pid) = rustix::process::Pid::from_raw(pid.get()) else { return false };
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

/// A verified process; its pid can't be reused while this is held.
#[derive(Debug)]
pub struct Verified {
    identity: ProcessIdentity,
    pin: os::Pin,
}

/// Why a process was not signaled.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    #[error("process {pid} belongs to another user")]
    Forbidden { pid: Pid },
    #[error("could not signal process {pid}: {source}")]
    Failed { pid: Pid, source: io::Error },
}

impl Verified {
    /// Pins the process with this identity. `Ok(None)` if it has ended.
    ///
    /// # Errors
    /// The reason: it may live elsewhere, or can't be verified.
    pub fn pin(identity: &ProcessIdentity, here: &Host) -> Result<Option<Self>, Liveness> {
        let pin = os::Pin::open(identity.pid)
            .map_err(|error| Liveness::Unverifiable { error: Some(error.to_string()) })?;
        // Verified after pinning: a pinned process can't be replaced.
        match liveness(identity, here) {
            Liveness::Alive => Ok(pin.map(|pin| Self { identity: identity.clone(), pin })),
            Liveness::Gone => Ok(None),
            other @ (Liveness::Elsewhere(_) | Liveness::Unverifiable { .. }) => Err(other),
        }
    }

    /// Pins the process that has this pid now; `None` if there is none, or a zombie.
    pub fn pin_as_found(pid: Pid, here: &Host) -> Option<Self> {
        let pin = os::Pin::open(pid).ok()??;
        let identity = identify(pid, here)?;
        // If it still lives, its pid was not reused when the identity was taken.
        Some(Self { identity, pin }).filter(Self::lives)
    }

    /// Pins a child of ours that we have not reaped: until then its pid is not reused, even if it has ended.
    /// `Ok(None)` if it is not such a child.
    ///
    /// # Errors
    /// The system has no descriptors left.
    pub fn pin_child(identity: &ProcessIdentity) -> io::Result<Option<Self>> {
        let pin = os::Pin::open(identity.pid)?;
        let same = os::entry(identity.pid).is_some_and(|entry| entry.start == identity.start);
        Ok(pin.filter(|_| same).map(|pin| Self { identity: identity.clone(), pin }))
    }

    /// Pins a child that was just started. It may be a zombie already, which keeps its pid until we reap it.
    ///
    /// # Errors
    /// The system has no descriptors left, or it is no child of ours.
    pub fn pin_new_child(pid: Pid, here: &Host) -> io::Result<Self> {
        let vanished = || io::Error::new(io::ErrorKind::NotFound, format!("the new process {pid} vanished"));
        let start = os::entry(pid).ok_or_else(vanished)?.start;
        Self::pin_child(&ProcessIdentity { pid, start, host: here.clone() })?.ok_or_else(vanished)
    }

    /// Returns the identity of the process.
    pub fn identity(&self) -> &ProcessIdentity {
        &self.identity
    }

    /// Sends a signal to this process only. A process that has ended is no error. A stopped process (Ctrl-Z,
    /// `kill -STOP`) is continued: it would not handle the signal otherwise.
    ///
    /// # Errors
    /// It belongs to another user.
    pub fn signal(&self, signal: Signal) -> Result<(), SignalError> {
        self.sent(self.pin.signal(signal.number()))
    }

    /// Sends a signal with a mark that a [`Receiver`](crate::signals::Receiver) recognizes; for other
    /// programs it is a plain signal.
    ///
    /// # Errors
    /// As [`Verified::signal`].
    pub fn signal_marked(&self, signal: Signal) -> Result<(), SignalError> {
        self.sent(self.pin.signal_marked(signal.number()))
    }

    fn sent(&self, sent: io::Result<()>) -> Result<(), SignalError> {
        let pid = self.identity.pid;
        sent.and_then(|()| self.pin.signal(Signal::CONT.number())).map_err(|source| match source.kind() {
            io::ErrorKind::PermissionDenied => SignalError::Forbidden { pid },
            _ => SignalError::Failed { pid, source },
        })
    }

    /// Sends a signal atomically to every process of the group that this process leads or led: a fork
    /// meanwhile can't escape it. Stopped processes are continued.
    ///
    /// # Errors
    /// The system can't do that for a process that is not a child, or all of them belong to another user.
    pub fn signal_group(&self, signal: Signal) -> io::Result<()> {
        self.pin.signal_group(signal.number()).and_then(|()| self.pin.signal_group(Signal::CONT.number()))
    }

    /// A descriptor that is readable once the process has ended; `None` if the system has none.
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.pin.descriptor()
    }

    /// Returns how it ended, if it has and the system tells processes other than its parent.
    pub fn exit(&self) -> Option<End> {
        self.pin.exit(&self.identity)
    }

    /// True if it is still alive.
    pub fn lives(&self) -> bool {
        match self.descriptor() {
            // Needs no further descriptor, so that the answer is right even if none is left.
            Some(pin) => poll::wait(&[(pin, Interest::Read)], Some(Duration::ZERO))
                .is_ok_and(|ready| ready.iter().all(|pin| !pin.ready && !pin.hung_up)),
            None => table::entry(self.identity.pid)
                .is_some_and(|entry| entry.lives() && entry.start == self.identity.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> (std::process::Child, ProcessIdentity) {
        #[expect(clippy::disallowed_methods, reason = "a child to look at")]
        let child = std::process::Command::new("sleep").arg("300").spawn().unwrap();
        let pid = Pid::new(i32::try_from(child.id()).unwrap()).unwrap();
        (child, identify(pid, &host()).unwrap())
    }

    #[test]
    fn a_zombie_counts_as_gone() {
        let here = host();
        let (mut child, identity) = sleeper();
        assert_eq!(liveness(&identity, &here), Liveness::Alive);
        let verified = Verified::pin(&identity, &here).unwrap().unwrap();
        verified.signal(Signal::KILL).unwrap();
        let descriptor = verified.descriptor().unwrap();
        crate::poll::wait(&[(descriptor, crate::poll::Interest::Read)], None).unwrap();
        assert_eq!(liveness(&identity, &here), Liveness::Gone, "not reaped yet, and gone");
        child.wait().unwrap();
        assert!(Verified::pin(&identity, &here).unwrap().is_none());
    }

    #[test]
    fn what_is_pinned_as_found_is_known_by_the_identity_that_it_has() {
        let here = host();
        let (mut child, identity) = sleeper();
        let pinned = Verified::pin_as_found(identity.pid, &here).unwrap();
        assert_eq!(pinned.identity(), &identity);
        pinned.signal(Signal::KILL).unwrap();
        crate::poll::wait(&[(pinned.descriptor().unwrap(), crate::poll::Interest::Read)], None).unwrap();
        assert!(Verified::pin_as_found(identity.pid, &here).is_none(), "not reaped yet, and gone");
        child.wait().unwrap();
        assert!(Verified::pin_as_found(identity.pid, &here).is_none());
    }

    #[test]
    fn a_stopped_process_hears_what_it_is_told() {
        let (mut child, identity) = sleeper();
        let verified = Verified::pin(&identity, &host()).unwrap().unwrap();
        verified.pin.signal(rustix::process::Signal::STOP.as_raw()).unwrap();
        verified.signal(Signal::TERM).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(Signal::TERM.number()));
    }

    #[test]
    fn a_recycled_pid_is_never_pinned() {
        let here = host();
        let (mut child, identity) = sleeper();
        let earlier = ProcessIdentity { start: identity.start - 1, ..identity.clone() };
        assert!(Verified::pin(&earlier, &here).unwrap().is_none());
        let rebooted =
            ProcessIdentity { host: Host { boot: "other".to_owned(), ..here.clone() }, ..identity.clone() };
        assert!(Verified::pin(&rebooted, &here).unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_of_another_container_or_machine_is_refused() {
        let here = host();
        let (mut child, identity) = sleeper();
        let container = Host { pid_namespace: here.pid_namespace + 1, ..here.clone() };
        let there = ProcessIdentity { host: container, ..identity.clone() };
        assert_eq!(Verified::pin(&there, &here).unwrap_err(), Liveness::Elsewhere(Elsewhere::Container));
        let machine = Host { machine: "a".repeat(32), ..here.clone() };
        let there = ProcessIdentity { host: machine, ..identity };
        let here = Host { machine: "b".repeat(32), ..here };
        assert_eq!(Verified::pin(&there, &here).unwrap_err(), Liveness::Elsewhere(Elsewhere::Machine));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
