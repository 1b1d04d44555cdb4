//! The next step for one service, decided without looking or acting: a function of the desired state, the
//! observed one, and the time.
//!
//! [`Goal`] is one service's part of a request with the steps taken so far; [`Observed`] is one look at the
//! service. The executor carries out each [`Step`] and records it in the goal.

mod goal;
mod restart;
mod start;
mod stop;
mod upgrade;

use std::time::{Instant, SystemTime};

use pipulate_core::fault::Fault;
use pipulate_core::identity::Pid;
use pipulate_core::marker::RunId;
use pipulate_core::reason::Reason;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_process::command::End;
use pipulate_store::record::Record;
use pipulate_supervisor::ownership::Ownership;

pub use self::goal::{Aim, Goal};
use crate::report::Outcome;

/// One look at a service.
#[derive(Debug, Clone)]
pub struct Observed {
    pub record: Option<Record>,
    /// Why the record can't be read.
    pub unreadable: Option<Fault>,
    pub owner: Ownership,
    /// The supervisor that was launched, or signaled, for this goal.
    pub awaited: Awaited,
    /// A stop of it came after the request to start or restart it.
    pub is_withdrawn: bool,
    /// True if the record's main process is alive; not checked for a stop.
    pub main_lives: bool,
    /// When the record was written; only if its supervisor is too old for requests.
    pub written: Option<SystemTime>,
    /// The result of [`Fact::Lost`], if a step asked for it.
    pub lost: Option<Option<Pid>>,
    pub holder: Option<Holder>,
    pub answer: Option<Result<(), Box<Record>>>,
    pub why_failed: Option<Reason>,
    pub is_outdated: Option<bool>,
    /// True if this process may record that no process of it is alive: nothing has to be cleaned up.
    pub is_plain: bool,
}

/// A supervisor that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    None,
    /// Launched by this process.
    Child(Option<End>),
    /// Signaled, and another process's child.
    Other {
        lives: bool,
    },
}

/// The holder of a service's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    Supervisor,
    /// A process that never supervised the service.
    Other(Pid),
}

/// The next step.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing until there is news, or until the goal's next deadline.
    Wait,
    /// Look up one more fact, and decide again.
    Look(Fact),
    Ask(Ask),
    /// Wait for this supervisor, which already does what is desired.
    Join(Pid),
    /// Make the awaited supervisor stop at once.
    Hurry,
    Launch(Launch),
    /// Record that no process of it is alive.
    RecordStopped,
    /// Nothing has to end first: continue as a start.
    BecomeStart,
    End(Outcome),
}

/// A fact that costs more than one look at a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The supervisor of a service whose records were deleted, if it runs.
    Lost,
    /// The holder of its lock.
    Holder,
    /// Its answer to a probe.
    Answer,
    /// The last message of its supervisor.
    WhyFailed,
    /// Whether its supervisor runs another program than the home's.
    Outdated,
}

/// A request to a supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// To start again, as it is idle. It would give the next start this run; `None`: it is too old for
    /// requests, and wrote its record at this time.
    Begin {
        supervisor: Pid,
        next_run: Option<RunId>,
        written: Option<SystemTime>,
    },
    /// To restart the instance of this generation; `None`: it is too old for requests.
    Restart {
        supervisor: Pid,
        generation: Option<RunId>,
    },
    Stop {
        supervisor: Pid,
    },
    /// To stop, although its lock was deleted.
    StopLost {
        supervisor: Pid,
    },
    /// To execute the home's program.
    Upgrade {
        supervisor: Pid,
    },
}

/// The purpose of a new supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    /// To start the service, or to take it over.
    Start,
    /// To take it over as it is, and then receive a request.
    Adopt,
    /// To end the rest of it.
    Stop,
}

/// Decides what to do next for a service.
pub fn reconcile(goal: &Goal, seen: &Observed, now: Instant) -> Step {
    let step = match goal.aim {
        Aim::Stop => return stop::step(goal, seen, now),
        Aim::Upgrade => return upgrade::step(goal, seen, now),
        Aim::Start => start::step(goal, seen, now),
        Aim::Restart if goal.memory.is_start => start::step(goal, seen, now),
        Aim::Restart => restart::step(goal, seen, now),
    };
    // A later stop wins over this request.
    let is_withdrawn = seen.is_withdrawn || goal.is_cancelled;
    let has_nothing_to_wait_for = step == Step::Wait && goal.is_cancelled && !seen.awaited.is_living_child();
    match (is_withdrawn && step.begins_something()) || has_nothing_to_wait_for {
        true => Step::End(Outcome::StartWithdrawn),
        false => step,
    }
}

impl Step {
    /// True if a supervisor carries it out.
    pub(crate) fn involves_supervisor(&self) -> bool {
        match self {
            Self::Ask(_) | Self::Join(_) | Self::Hurry | Self::Launch(_) => true,
            Self::Wait | Self::Look(_) | Self::RecordStopped | Self::BecomeStart | Self::End(_) => false,
        }
    }

    /// True if it starts, takes over or restarts something.
    fn begins_something(&self) -> bool {
        match self {
            Self::Ask(Ask::Begin { .. } | Ask::Restart { .. })
            | Self::Launch(Launch::Start | Launch::Adopt)
            | Self::BecomeStart => true,
            Self::Ask(Ask::Stop { .. } | Ask::StopLost { .. } | Ask::Upgrade { .. })
            | Self::Launch(Launch::Stop)
            | Self::Join(_)
            | Self::Wait
            | Self::Look(_)
            | Self::Hurry
            | Self::RecordStopped
            | Self::End(_) => false,
        }
    }
}

impl Ask {
    /// Returns the supervisor to signal.
    pub fn supervisor(&self) -> Pid {
        match self {
            Self::Begin { supervisor, .. }
            | Self::Restart { supervisor, .. }
            | Self::Stop { supervisor, .. }
            | Self::StopLost { supervisor }
            | Self::Upgrade { supervisor } => *supervisor,
        }
    }
}

impl Awaited {
    fn is_child(self) -> bool {
        matches!(self, Self::Child(_))
    }

    fn is_living_child(self) -> bool {
        self == Self::Child(None)
    }

    fn end(self) -> Option<End> {
        match self {
            Self::Child(end) => end,
            Self::None | Self::Other { .. } => None,
        }
    }
}

/// Returns the run of the main process that a record names.
pub(crate) fn run_of(record: &Record) -> Option<RunId> {
    record.main.as_ref().map(|main| main.run.clone())
}

/// True if this supervisor wrote the record. A new one has not yet.
fn is_written_by(record: &Record, supervisor: Pid) -> bool {
    record.supervisor.as_ref().is_some_and(|named| named.pid == supervisor)
}

/// True during a restart.
fn is_restarting(record: &Record) -> bool {
    record.state == ServiceState::Stopping && record.wanted == Wanted::Run
}

/// Returns the step for a supervisor that vanished: it is asked for once more, and another holder of its lock
/// is refused. `None` if the supervisor is there.
fn without_supervisor(goal: &Goal, seen: &Observed) -> Option<Step> {
    match seen.holder {
        _ if !goal.memory.has_vanished => None,
        None => Some(Step::Look(Fact::Holder)),
        Some(Holder::Other(pid)) => Some(refuse(Reason::LockHeld { pid })),
        Some(Holder::Supervisor) => None,
    }
}

fn refuse(why: Reason) -> Step {
    Step::End(Outcome::Refused(Box::new(why)))
}

/// Returns why a service with an unreadable record is left alone: processes are ended by marker only with
/// `--force`.
fn unreadable(problem: &Fault) -> Reason {
    Reason::RecordUnreadable { problem: problem.clone(), pid: None }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
