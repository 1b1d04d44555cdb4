//! What to do next for one service, decided without looking or acting: a function of what is desired, what
//! was observed, and the time.
//!
//! [`Goal`] is one service's part of a request with what was done for it so far; [`Observed`] is one look at
//! the service. The executor carries out each [`Step`] and tells the goal of it.

mod restart;
mod start;
mod stop;

use std::time::{Duration, Instant, SystemTime};

use pipulate_core::identity::Pid;
use pipulate_core::marker::RunId;
use pipulate_process::command::End;
use pipulate_store::record::Record;
use pipulate_supervisor::ownership::Ownership;

use crate::report::{Outcome, Refusal};
use crate::request::{Desired, StopOptions};

/// Supervisors that are launched for a start after the first one: each may give way or be killed.
const LAUNCHES: u32 = 11;
/// How often a stop or restart asks again, because a supervisor ended or came meanwhile.
const ATTEMPTS: u32 = 5;
/// How long a new supervisor may take to take its service over.
const TAKES_OVER: Duration = Duration::from_secs(5);
/// How soon a supervisor that should hurry is told again.
const INSIST: Duration = Duration::from_millis(50);

/// What is desired of one service, and what was done for that.
#[derive(Debug, Clone, PartialEq)]
pub struct Goal {
    pub desired: Desired,
    /// Whether it is enough that the service has begun.
    pub begins_only: bool,
    pub deadline: Option<Instant>,
    pub stop: StopOptions,
    /// The generation that the request was decided on.
    pub decided_on: Option<RunId>,
    /// This stop has withdrawn the service from a start that is under way.
    pub withdrew: bool,
    /// The start was interrupted: nothing more is begun, and what was begun is only seen to begin.
    is_cancelled: bool,
    memory: Memory,
}

/// What a goal remembers.
#[derive(Debug, Clone, PartialEq, Default)]
struct Memory {
    /// The record before anything was done, or before the last launch.
    before: Option<Record>,
    /// What ran before.
    run: Option<RunId>,
    has_looked: bool,
    was_supervised: bool,
    /// Whether anything of it lived, or may have lived.
    was_alive: bool,
    launches: u32,
    attempts: u32,
    asked: Option<Ask>,
    asked_of: Option<Pid>,
    hurry_at: Option<Instant>,
    /// The supervisor to be asked was gone, or is none.
    has_vanished: bool,
    /// Nothing has to end first: the restart is a start.
    is_start: bool,
}

/// One look at a service.
#[derive(Debug, Clone)]
pub struct Observed {
    pub record: Option<Record>,
    /// Why the record can't be read.
    pub unreadable: Option<String>,
    pub owner: Ownership,
    /// The supervisor that was launched, or asked, for this goal.
    pub awaited: Awaited,
    /// A stop of it came after the request to start or restart it.
    pub is_withdrawn: bool,
    /// Whether the record's main process lives.
    pub main_lives: bool,
    /// When the record was written; only where its supervisor knows no requests.
    pub written: Option<SystemTime>,
    /// What was looked for because a step asked for it.
    pub lost: Option<Option<Pid>>,
    pub holder: Option<Holder>,
    pub answer: Option<Result<(), Box<Record>>>,
    pub words: Option<Option<String>>,
    /// Whether this process may write down that nothing of it lives: nothing has to be cleaned up.
    pub is_plain: bool,
}

/// A supervisor that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    None,
    /// Launched by this process.
    Child(Option<End>),
    /// Asked, and another process's child.
    Other {
        lives: bool,
    },
}

/// Who holds a service's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    Supervisor,
    /// A process that never supervised the service.
    Other(Pid),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing until there is news, or until the goal's next deadline.
    Wait,
    /// Look at more, and decide again.
    Look(Fact),
    Ask(Ask),
    /// Wait for this supervisor, which does already what is desired.
    Join(Pid),
    /// Tell the supervisor that is waited for to stop at once.
    Hurry,
    Launch(Launch),
    /// Write down that nothing of it lives.
    RecordStopped,
    /// Nothing has to end first: go on as a start.
    BecomeStart,
    End(Outcome),
}

/// A fact that costs more than one look at a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// Whether it runs although its records were deleted.
    Lost,
    /// Who holds its lock.
    Holder,
    /// Whether it answers.
    Answer,
    /// What its supervisor said before it ended.
    Words,
}

/// What is asked of a supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// To begin again, as it has nothing to do. It would give the next start this run; `None`: it knows no
    /// requests, and wrote its record at this time.
    Begin {
        supervisor: Pid,
        next_run: Option<RunId>,
        written: Option<SystemTime>,
    },
    /// To restart what has this generation; `None`: it knows no requests.
    Restart {
        supervisor: Pid,
        generation: Option<RunId>,
    },
    Stop {
        supervisor: Pid,
        knows_requests: bool,
    },
    /// To stop, of a supervisor whose lock was deleted.
    StopLost {
        supervisor: Pid,
    },
}

/// What a supervisor is launched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    /// To start the service, or to take it over.
    Start,
    /// To take it over as it is, and then be asked.
    Adopt,
    /// To end what is left of it.
    Stop,
}

/// Decides what to do next for a service.
pub fn reconcile(goal: &Goal, seen: &Observed, now: Instant) -> Step {
    let step = match goal.desired {
        Desired::Stopped => return stop::step(goal, seen, now),
        Desired::Running => start::step(goal, seen, now),
        Desired::Restarted if goal.memory.is_start => start::step(goal, seen, now),
        Desired::Restarted => restart::step(goal, seen, now),
    };
    // A stop wins over what was asked for before it.
    let is_withdrawn = seen.is_withdrawn || goal.is_cancelled;
    let has_nothing_to_wait_for = step == Step::Wait && goal.is_cancelled && !seen.awaited.is_living_child();
    match (is_withdrawn && step.begins_something()) || has_nothing_to_wait_for {
        true => Step::End(Outcome::StartWithdrawn),
        false => step,
    }
}

impl Goal {
    /// Returns a goal for which nothing was done yet.
    pub fn new(desired: Desired) -> Self {
        Self {
            desired,
            begins_only: false,
            deadline: None,
            stop: StopOptions::default(),
            decided_on: None,
            withdrew: false,
            is_cancelled: false,
            memory: Memory { launches: LAUNCHES, attempts: ATTEMPTS, ..Memory::default() },
        }
    }

    /// Remembers the first look.
    pub fn looked(&mut self, seen: &Observed) {
        if self.memory.has_looked {
            return;
        }
        self.memory.has_looked = true;
        self.remember(seen);
    }

    fn remember(&mut self, seen: &Observed) {
        self.memory.before = seen.record.clone();
        self.memory.run = seen.record.as_ref().and_then(run_of);
        self.memory.was_supervised = matches!(seen.owner, Ownership::Supervised(_));
        self.memory.was_alive = seen.owner != Ownership::Gone;
    }

    /// Remembers that a step was carried out.
    pub fn did(&mut self, step: &Step, seen: &Observed, now: Instant) {
        let memory = &mut self.memory;
        match step {
            Step::Ask(ask) => {
                memory.asked_of = Some(ask.supervisor());
                memory.asked = Some(ask.clone());
                memory.has_vanished = false;
                match ask {
                    Ask::Begin { .. } => {}
                    Ask::Restart { .. } => memory.attempts = memory.attempts.saturating_sub(1),
                    Ask::Stop { .. } | Ask::StopLost { .. } => self.stop_was_asked(seen, now),
                }
            }
            Step::Join(_) => {
                memory.has_vanished = false;
                match self.desired {
                    Desired::Stopped => self.stop_was_asked(seen, now),
                    Desired::Running | Desired::Restarted => {
                        memory.attempts = memory.attempts.saturating_sub(1)
                    }
                }
            }
            Step::Launch(Launch::Start) => {
                memory.launches = memory.launches.saturating_sub(1);
                if memory.launches + 1 < LAUNCHES || memory.was_supervised {
                    memory.before = seen.record.clone();
                }
                memory.asked = None;
            }
            Step::Launch(Launch::Adopt) => memory.launches = memory.launches.saturating_sub(1),
            Step::Launch(Launch::Stop) => self.stop_was_asked(seen, now),
            Step::Hurry => memory.hurry_at = now.checked_add(INSIST),
            Step::BecomeStart => {
                memory.is_start = true;
                memory.asked = None;
                memory.launches = LAUNCHES;
                self.remember(seen);
            }
            Step::Wait | Step::Look(_) | Step::RecordStopped | Step::End(_) => {}
        }
    }

    fn stop_was_asked(&mut self, seen: &Observed, now: Instant) {
        let memory = &mut self.memory;
        memory.attempts = memory.attempts.saturating_sub(1);
        let patience = if self.stop.force { Some(INSIST) } else { self.stop.timeout };
        memory.hurry_at = patience.and_then(|patience| now.checked_add(patience));
        // A restart that is under way gives it another generation.
        let settled = seen.record.as_ref().filter(|record| !stop::is_restarting(record));
        let generation = settled.and_then(|record| record.generation.clone());
        self.decided_on = generation.or(self.decided_on.take());
    }

    /// Remembers that the supervisor to be asked had ended.
    pub fn vanished(&mut self) {
        self.memory.has_vanished = true;
        self.memory.attempts = self.memory.attempts.saturating_sub(1);
    }

    /// Begins nothing more for it, and waits only until what was launched has taken the service over.
    pub fn cancel(&mut self, now: Instant) {
        if !self.is_cancelled && self.desired != Desired::Stopped {
            (self.is_cancelled, self.begins_only) = (true, true);
            self.deadline = now.checked_add(TAKES_OVER);
        }
    }

    /// Whether this request began what runs now, or is about to: not what it took over.
    pub fn began(&self, seen: &Observed) -> bool {
        let run = seen.record.as_ref().and_then(run_of);
        let is_other_run = run.is_some() && run != self.memory.run;
        seen.awaited.is_living_child() && (!self.memory.was_alive || is_other_run)
    }

    /// When to decide again although nothing is new.
    pub fn wakes_at(&self) -> Option<Instant> {
        match self.desired {
            Desired::Stopped => self.memory.hurry_at,
            Desired::Running | Desired::Restarted => self.deadline,
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

impl Step {
    /// Whether a supervisor carries it out.
    pub(crate) fn involves_supervisor(&self) -> bool {
        match self {
            Self::Ask(_) | Self::Join(_) | Self::Hurry | Self::Launch(_) => true,
            Self::Wait | Self::Look(_) | Self::RecordStopped | Self::BecomeStart | Self::End(_) => false,
        }
    }

    /// Whether something is started, taken over or restarted by it.
    fn begins_something(&self) -> bool {
        match self {
            Self::Ask(Ask::Begin { .. } | Ask::Restart { .. })
            | Self::Launch(Launch::Start | Launch::Adopt)
            | Self::BecomeStart => true,
            Self::Ask(Ask::Stop { .. } | Ask::StopLost { .. })
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
    /// The supervisor that is asked.
    pub fn supervisor(&self) -> Pid {
        match self {
            Self::Begin { supervisor, .. }
            | Self::Restart { supervisor, .. }
            | Self::Stop { supervisor, .. }
            | Self::StopLost { supervisor } => *supervisor,
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

/// The run of the main process that a record names.
pub(crate) fn run_of(record: &Record) -> Option<RunId> {
    record.main.as_ref().map(|main| main.run.clone())
}

/// Whether this supervisor wrote the record. One that has just begun has not.
fn is_written_by(record: &Record, supervisor: Pid) -> bool {
    record.supervisor.as_ref().is_some_and(|named| named.pid == supervisor)
}

fn refuse(refusal: Refusal) -> Step {
    Step::End(Outcome::Refused(refusal))
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
