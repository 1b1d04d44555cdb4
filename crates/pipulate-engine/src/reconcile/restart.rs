//! Restarting: requested from the service's supervisor, which finishes it even if this process ends.
//!
//! A supervisor may be killed at any moment. Its replacement continues work in progress; a request that it
//! did not see is repeated, and a service without a supervisor gets a new one.

use std::time::Instant;

use pipulate_core::identity::Pid;
use pipulate_core::marker::RunId;
use pipulate_core::reason::Reason;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_store::record::Record;
use pipulate_supervisor::ownership::Ownership;

use super::start::has_failed;
use super::{
    Ask, Awaited, Fact, Goal, Launch, Observed, Step, is_written_by, refuse, run_of, unreadable,
    without_supervisor,
};
use crate::report::Outcome;

pub(super) fn step(goal: &Goal, seen: &Observed, now: Instant) -> Step {
    if let Some(problem) = &seen.unreadable {
        return refuse(unreadable(problem));
    }
    if let Some(outcome) = seen.record.as_ref().and_then(|record| outcome(goal, seen, record)) {
        return Step::End(outcome);
    }
    if goal.is_over(now) {
        return Step::End(Outcome::TimedOut);
    }
    match &seen.owner {
        Ownership::Unknown(why) => refuse(why.clone()),
        Ownership::Gone => Step::BecomeStart,
        Ownership::Unsupervised => adopt(goal, seen),
        Ownership::Supervised(pid) => of_supervisor(goal, seen, *pid),
    }
}

fn of_supervisor(goal: &Goal, seen: &Observed, pid: Pid) -> Step {
    if let Some(step) = without_supervisor(goal, seen) {
        return step;
    }
    let record = seen.record.as_ref();
    let is_written = record.is_none_or(|record| is_written_by(record, pid));
    let is_pending = is_new(goal, record) || !is_written;
    if !is_pending && record.is_some_and(|record| record.state.has_ended_by_itself()) {
        return Step::BecomeStart;
    }
    let is_asked = goal.memory.asked_of == Some(pid) && !goal.memory.has_vanished;
    match (is_pending, is_asked, seen.awaited) {
        // It continues a restart in progress, or has not written its first record yet.
        (true, _, Awaited::Child(None) | Awaited::Other { lives: true }) | (false, true, _) => Step::Wait,
        (true, _, _) | (false, false, _) if goal.memory.attempts == 0 => refuse(Reason::SupervisorsKilled),
        (true, _, _) => Step::Join(pid),
        (false, false, _) => {
            let own = record.filter(|record| is_written_by(record, pid));
            let generation = own.and_then(|record| record.generation.clone());
            Step::Ask(Ask::Restart { supervisor: pid, generation })
        }
    }
}

/// It reads the configuration on the restart request.
fn adopt(goal: &Goal, seen: &Observed) -> Step {
    match (seen.awaited.is_living_child(), has_failed(seen.awaited.end()), &seen.why_failed) {
        (true, _, _) => Step::Wait,
        (false, true, None) => Step::Look(Fact::WhyFailed),
        (false, true, Some(why)) => refuse(why.clone()),
        (false, false, _) if goal.memory.launches == 0 => refuse(Reason::SupervisorsKilled),
        (false, false, _) => Step::Launch(Launch::Adopt),
    }
}

/// Returns true if the record has another generation than the one before. A crash, a save or a killed
/// supervisor keeps the generation: that is no restart.
fn is_new(goal: &Goal, record: Option<&Record>) -> bool {
    let before = goal.memory.before.as_ref();
    let generation = |record: &Record| record.generation.clone();
    let decided: Option<RunId> = goal.decided_on.clone().or_else(|| before.and_then(generation));
    match (record.and_then(generation), decided) {
        (Some(now), Some(before)) => now != before,
        // Written by a supervisor too old for requests: any other run counts.
        _ => {
            record.and_then(run_of) != before.and_then(run_of)
                || record.and_then(|record| record.last_exit) != before.and_then(|before| before.last_exit)
        }
    }
}

/// Returns the outcome of a restart; `None` while it is in progress.
fn outcome(goal: &Goal, seen: &Observed, record: &Record) -> Option<Outcome> {
    // A stop wins.
    let was_wanted = goal.memory.before.as_ref().is_some_and(|before| before.wanted == Wanted::Run);
    if record.state == ServiceState::Stopped && seen.owner == Ownership::Gone && was_wanted {
        return Some(Outcome::Failed { record: Box::new(record.clone()) });
    }
    if !is_new(goal, Some(record)) {
        return None;
    }
    let boxed = || Box::new(record.clone());
    match (record.shown_state(), &seen.owner) {
        // It has just ended, and its supervisor has not recorded that yet.
        (ServiceState::Ready | ServiceState::Running | ServiceState::Unstable, _) if !seen.main_lives => None,
        (ServiceState::Unstable, _) if record.state == ServiceState::Starting => None,
        (ServiceState::Ready | ServiceState::Running, Ownership::Supervised(_))
        | (ServiceState::Exited, _) => Some(Outcome::Up { record: boxed(), fresh: true }),
        (ServiceState::Crashed | ServiceState::Degraded | ServiceState::Unstable, _) => {
            Some(Outcome::Failed { record: boxed() })
        }
        (
            ServiceState::Starting
            | ServiceState::Backoff
            | ServiceState::Stopping
            | ServiceState::Stopped
            | ServiceState::Ready
            | ServiceState::Running
            | ServiceState::Unsupervised
            | ServiceState::Unknown,
            _,
        ) => None,
    }
}
