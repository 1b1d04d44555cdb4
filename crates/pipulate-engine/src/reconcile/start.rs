//! Starting: a supervisor for a service without one, and the outcome by its record.

use std::time::Instant;

use pipulate_core::identity::Pid;
use pipulate_core::reason::Reason;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_process::command::End;
use pipulate_store::record::Record;
use pipulate_supervisor::ownership::Ownership;
use pipulate_supervisor::program::GAVE_WAY;

use super::goal::LAUNCHES;
use super::{Ask, Fact, Goal, Launch, Observed, Step, is_written_by, refuse, run_of};
use crate::report::Outcome;

pub(super) fn step(goal: &Goal, seen: &Observed, now: Instant) -> Step {
    let has_begun_nothing = goal.memory.asked.is_none() && goal.memory.launches == LAUNCHES;
    match &seen.owner {
        Ownership::Unknown(why) if has_begun_nothing && !goal.memory.was_supervised => {
            return refuse(why.clone());
        }
        Ownership::Gone | Ownership::Unsupervised if has_begun_nothing && !goal.memory.was_supervised => {
            return first_launch(seen);
        }
        Ownership::Supervised(pid) if has_begun_nothing && !goal.memory.has_vanished => {
            if let Some(ask) = wake(seen, *pid) {
                return Step::Ask(ask);
            }
        }
        Ownership::Supervised(_) | Ownership::Gone | Ownership::Unsupervised | Ownership::Unknown(_) => {}
    }
    match outcome(goal, seen) {
        Step::Wait => {}
        Step::End(Outcome::Failed { record }) if goal.begins_only && has_begun(goal, seen, &record) => {
            return Step::End(Outcome::Begun);
        }
        step => return step,
    }
    if goal.begins_only && is_told_of(goal, seen) {
        return Step::End(Outcome::Begun);
    }
    if goal.is_over(now) {
        return Step::End(Outcome::TimedOut);
    }
    replacement(goal, seen)
}

/// Returns the first step. Without a record, the process table decides: a second instance must not start.
fn first_launch(seen: &Observed) -> Step {
    match (&seen.record, seen.lost) {
        (None, None) => Step::Look(Fact::Lost),
        (None, Some(Some(supervisor))) => refuse(Reason::RunsUnrecorded { supervisor }),
        (None, Some(None)) | (Some(_), _) => Step::Launch(Launch::Start),
    }
}

/// Returns the request to a supervisor whose service has ended by itself: it stays for leftover processes, or
/// for the next save, so a new start ends nothing. `None`: it is busy.
fn wake(seen: &Observed, supervisor: Pid) -> Option<Ask> {
    let record = seen.record.as_ref().filter(|record| is_written_by(record, supervisor))?;
    let next_run = record.generation.as_ref().and(record.next_run.clone());
    record.state.has_ended_by_itself().then_some(Ask::Begin { supervisor, next_run, written: seen.written })
}

/// Returns the step for a service that another request was stopping or starting when this start began: it is
/// started after that, and one whose supervisor was killed gets a new one.
fn replacement(goal: &Goal, seen: &Observed) -> Step {
    let is_alone = matches!(seen.owner, Ownership::Gone | Ownership::Unsupervised);
    match is_alone && goal.memory.launches > 0 && !seen.awaited.is_living_child() {
        true => Step::Launch(Launch::Start),
        false => Step::Wait,
    }
}

fn outcome(goal: &Goal, seen: &Observed) -> Step {
    if is_unanswered(goal, seen) {
        return Step::Wait;
    }
    let ended = seen.awaited.end();
    let is_lost = matches!(seen.owner, Ownership::Gone | Ownership::Unsupervised);
    // A supervisor that ends in order removes itself from the record.
    let is_told =
        |record: &&Record| is_current(goal, seen, record) && !(is_lost && record.supervisor.is_some());
    let Some(record) = seen.record.as_ref().filter(is_told) else {
        return match (has_failed(ended), &seen.why_failed) {
            (true, None) => Step::Look(Fact::WhyFailed),
            (true, Some(why)) => refuse(why.clone()),
            (false, _) if goal.memory.launches == 0 && ended.is_some() => refuse(Reason::SupervisorsKilled),
            (false, _) => Step::Wait,
        };
    };
    let fresh = goal.memory.run != run_of(record);
    let boxed = || Box::new(record.clone());
    match record.shown_state() {
        // It has just ended, and its supervisor has not recorded that yet.
        ServiceState::Ready | ServiceState::Running | ServiceState::Unstable
            if !fresh && !seen.main_lives =>
        {
            Step::Wait
        }
        // It was not probed since it was started.
        ServiceState::Ready if !fresh => match &seen.answer {
            None => Step::Look(Fact::Answer),
            Some(Ok(())) => Step::End(Outcome::Up { record: boxed(), fresh }),
            Some(Err(record)) => Step::End(Outcome::Failed { record: record.clone() }),
        },
        ServiceState::Unstable if record.state == ServiceState::Starting => Step::Wait,
        ServiceState::Ready | ServiceState::Running | ServiceState::Exited => {
            Step::End(Outcome::Up { record: boxed(), fresh })
        }
        // It was being stopped when this start began.
        ServiceState::Stopped if !seen.awaited.is_child() && was_ending(goal) => Step::Wait,
        ServiceState::Crashed | ServiceState::Degraded | ServiceState::Unstable | ServiceState::Stopped => {
            Step::End(Outcome::Failed { record: boxed() })
        }
        ServiceState::Starting
        | ServiceState::Backoff
        | ServiceState::Stopping
        | ServiceState::Unsupervised
        | ServiceState::Unknown => Step::Wait,
    }
}

/// True if the record is still about the earlier start.
fn is_unanswered(goal: &Goal, seen: &Observed) -> bool {
    match &goal.memory.asked {
        Some(Ask::Begin { next_run: None, written, .. }) => *written == seen.written,
        Some(Ask::Begin { next_run, .. }) => {
            seen.record.as_ref().is_some_and(|record| record.next_run == *next_run)
        }
        Some(Ask::Restart { .. } | Ask::Stop { .. } | Ask::StopLost { .. } | Ask::Upgrade { .. }) | None => {
            false
        }
    }
}

/// True if the record is about this start, and not about an earlier one.
fn is_current(goal: &Goal, seen: &Observed, record: &Record) -> bool {
    let before = goal.memory.before.as_ref();
    match seen.owner {
        Ownership::Supervised(pid) => is_written_by(record, pid),
        Ownership::Unsupervised | Ownership::Gone | Ownership::Unknown(_) => {
            let ended = seen.awaited.end();
            // An orderly end includes the last record, even if its content did not change.
            let is_told = ended.is_some_and(End::success) || before != Some(record);
            // If the service had ended when its supervisor got the request, nothing was begun.
            let has_begun = before.and_then(|before| before.next_run.as_ref()) != record.next_run.as_ref();
            let had_one = !seen.awaited.is_child() && (goal.memory.asked.is_none() || has_begun);
            had_one || (ended.is_some() && !gave_way(ended) && is_told)
        }
    }
}

/// True if this start wrote the record, even if it reports a failure.
fn is_told_of(goal: &Goal, seen: &Observed) -> bool {
    !is_unanswered(goal, seen) && seen.record.as_ref().is_some_and(|record| is_current(goal, seen, record))
}

/// True if the record has an instance that this start began, and not one that it found.
fn has_begun(goal: &Goal, seen: &Observed, record: &Record) -> bool {
    let run = run_of(record);
    let asked = seen.awaited.is_child() || goal.memory.asked.is_some();
    let has_ended_since = run.is_none() && asked && !record.is_in_background();
    goal.memory.run != run || has_ended_since
}

/// True if it was being stopped when this start began. A later stop applies to this start, too.
fn was_ending(goal: &Goal) -> bool {
    goal.memory.before.as_ref().is_none_or(|record| record.wanted == Wanted::Stopped)
}

/// True if a supervisor exited at once, because another one was running.
fn gave_way(ended: Option<End>) -> bool {
    ended == Some(End::Code(GAVE_WAY.into()))
}

/// True if a supervisor gave up by itself, for any reason. A killed one does not count.
pub(super) fn has_failed(ended: Option<End>) -> bool {
    matches!(ended, Some(End::Code(_))) && !gave_way(ended)
}
