//! The main process of a service: whether it runs, how it ended, and the rest of its group.

use std::io;
use std::os::fd::BorrowedFd;

use pipulate_core::identity::{Pid, ProcessIdentity};
use pipulate_process::command::End;
use pipulate_process::identity::{SignalError, Verified};
use pipulate_process::reaper;
use pipulate_process::signals::Signal;
use pipulate_store::record;

/// The main process of the running instance, or the rest of an ended one.
#[derive(Debug, Default)]
pub(crate) enum MainProcess<P: Process = Handle> {
    #[default]
    None,
    Running(Main<P>),
    Ended(EndedLeader<P>),
    /// It ended without a supervisor: its pid may have been reused, and only the group's members themselves
    /// show that they belong to it.
    LostGroup(Pid),
}

/// A main process and its record.
#[derive(Debug)]
pub(crate) struct Main<P: Process = Handle> {
    pub(crate) process: P,
    pub(crate) record: record::MainProcess,
}

/// An ended main process whose group may still have members.
///
/// A child of ours stays a zombie until this is dropped: its pid, which is also the group's id, can't be
/// reused before.
#[derive(Debug)]
pub(crate) struct EndedLeader<P: Process = Handle>(Main<P>);

/// A verified process that the supervisor may signal.
pub(crate) trait Process {
    /// Returns how it ended; `None` while it runs. A child stays a zombie.
    fn end(&self) -> Option<End>;

    /// True for a child of ours, which only we can reap.
    fn is_child(&self) -> bool;

    /// Sends a signal to it and to no other process.
    ///
    /// # Errors
    /// It belongs to another user.
    fn signal(&self, signal: Signal) -> Result<(), SignalError>;

    /// Sends a signal to its whole group.
    ///
    /// # Errors
    /// The system can't do that for a process that is not our child.
    fn signal_group(&self, signal: Signal) -> io::Result<()>;

    /// Reaps a child that has ended: its pid may be reused from now on.
    fn reap(&self);
}

/// A process of this system.
#[derive(Debug)]
pub(crate) enum Handle {
    Child(Verified),
    /// Another supervisor's child.
    Adopted(Verified),
}

impl<P: Process> MainProcess<P> {
    /// Returns the main process, running or ended.
    pub(crate) fn main(&self) -> Option<&Main<P>> {
        match self {
            Self::Running(main) | Self::Ended(EndedLeader(main)) => Some(main),
            Self::None | Self::LostGroup(_) => None,
        }
    }

    /// Returns the main process if it has not ended.
    pub(crate) fn running(&self) -> Option<&Main<P>> {
        match self {
            Self::Running(main) => Some(main),
            Self::Ended(_) | Self::None | Self::LostGroup(_) => None,
        }
    }

    /// Returns its pid, running or ended.
    pub(crate) fn pid(&self) -> Option<Pid> {
        self.main().map(Main::pid)
    }

    /// Returns the child that nothing else may reap.
    pub(crate) fn kept(&self) -> Option<Pid> {
        self.main().filter(|main| main.process.is_child()).map(Main::pid)
    }

    /// Returns the number of its group: its own.
    pub(crate) fn group(&self) -> Option<Pid> {
        match self {
            Self::Running(main) | Self::Ended(EndedLeader(main)) => Some(main.pid()),
            Self::LostGroup(leader) => Some(*leader),
            Self::None => None,
        }
    }

    /// Checks whether it ended; returns that once, and keeps it as the leader of its group.
    pub(crate) fn look(&mut self) -> Option<End> {
        let Self::Running(main) = self else { return None };
        let end = main.process.end()?;
        if let Self::Running(main) = std::mem::take(self) {
            *self = Self::Ended(EndedLeader(main));
        }
        Some(end)
    }

    /// Forgets it: its group is empty.
    pub(crate) fn forget(&mut self) {
        *self = Self::None;
    }
}

impl<P: Process> Main<P> {
    pub(crate) fn pid(&self) -> Pid {
        self.record.identity.pid
    }

    /// Returns its pid and start token.
    pub(crate) fn key(&self) -> (Pid, u64) {
        let ProcessIdentity { pid, start, .. } = self.record.identity;
        (pid, start)
    }
}

impl<P: Process> EndedLeader<P> {
    /// Sends a signal to the rest of the group.
    ///
    /// # Errors
    /// The system can't do that for a process that was not our child.
    pub(crate) fn signal_group(&self, signal: Signal) -> io::Result<()> {
        self.0.process.signal_group(signal)
    }
}

impl<P: Process> Drop for EndedLeader<P> {
    fn drop(&mut self) {
        self.0.process.reap();
    }
}

impl Main {
    /// A descriptor that is readable once it has ended.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.process.verified().descriptor()
    }
}

impl Handle {
    pub(crate) fn verified(&self) -> &Verified {
        match self {
            Self::Child(verified) | Self::Adopted(verified) => verified,
        }
    }
}

impl Process for Handle {
    fn end(&self) -> Option<End> {
        match self {
            Self::Child(child) => reaper::peek(child.identity().pid),
            // An unknown exit code counts as a failure.
            Self::Adopted(other) => (!other.lives()).then(|| other.exit().unwrap_or(End::Unknown)),
        }
    }

    fn is_child(&self) -> bool {
        matches!(self, Self::Child(_))
    }

    fn signal(&self, signal: Signal) -> Result<(), SignalError> {
        self.verified().signal(signal)
    }

    fn signal_group(&self, signal: Signal) -> io::Result<()> {
        match self {
            Self::Child(child) => {
                reaper::signal_group_of_child(child.identity().pid, signal);
                Ok(())
            }
            Self::Adopted(other) => other.signal_group(signal),
        }
    }

    fn reap(&self) {
        if let Self::Child(child) = self {
            reaper::reap(child.identity().pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    use jiff::Timestamp;
    use pipulate_core::marker::RunId;
    use pipulate_process::identity;

    use super::*;

    /// The state of a process that exists in the test only.
    #[derive(Debug, Default)]
    struct Story {
        end: Cell<Option<End>>,
        group_signals: RefCell<Vec<Signal>>,
        is_reaped: Cell<bool>,
    }

    #[derive(Debug)]
    struct Fake(Rc<Story>);

    impl Process for Fake {
        fn end(&self) -> Option<End> {
            self.0.end.get()
        }

        fn is_child(&self) -> bool {
            true
        }

        fn signal(&self, _: Signal) -> Result<(), SignalError> {
            Ok(())
        }

        fn signal_group(&self, signal: Signal) -> io::Result<()> {
            assert!(!self.0.is_reaped.get(), "the number may be another process's");
            self.0.group_signals.borrow_mut().push(signal);
            Ok(())
        }

        fn reap(&self) {
            self.0.is_reaped.set(true);
        }
    }

    fn running() -> (MainProcess<Fake>, Rc<Story>) {
        let story = Rc::new(Story::default());
        let identity = identity::own(&identity::host()).unwrap();
        let record =
            record::MainProcess { identity, run: RunId::from_random(1), started_at: Timestamp::now() };
        (MainProcess::Running(Main { process: Fake(story.clone()), record }), story)
    }

    #[test]
    fn an_end_is_reported_once_and_its_number_is_kept_until_its_group_is_empty() {
        let (mut main, story) = running();
        assert_eq!(main.look(), None);
        assert!(main.running().is_some() && main.kept().is_some());
        story.end.set(Some(End::Code(1)));
        let group = main.group();
        assert_eq!(main.look(), Some(End::Code(1)));
        assert_eq!(main.look(), None, "once");
        assert!(main.running().is_none() && main.kept() == group && !story.is_reaped.get());
        let MainProcess::Ended(leader) = &main else { panic!("{main:?}") };
        leader.signal_group(Signal::TERM).unwrap();
        assert_eq!(*story.group_signals.borrow(), [Signal::TERM]);
        main.forget();
        assert!(story.is_reaped.get() && main.group().is_none());
    }

    #[test]
    fn one_that_runs_is_not_reaped_when_it_is_forgotten() {
        let (mut main, story) = running();
        main.forget();
        assert!(!story.is_reaped.get());
    }

    #[test]
    fn of_one_that_ended_without_a_supervisor_only_the_group_is_known() {
        let own = identity::own_pid().unwrap();
        let mut main: MainProcess<Fake> = MainProcess::LostGroup(own);
        assert_eq!((main.group(), main.pid(), main.kept()), (Some(own), None, None));
        assert_eq!(main.look(), None);
    }
}
