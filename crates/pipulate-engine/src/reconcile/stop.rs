//! Stopping: by the service's supervisor, or by one that is launched for the stop.

use std::time::Instant;

use pipulate_core::identity::Pid;
use pipulate_core::reason::Reason;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_process::command::End;
use pipulate_supervisor::ownership::Ownership;
use pipulate_supervisor::program::GAVE_WAY;

use super::{
    Ask, Awaited, Fact, Goal, Launch, Observed, Step, is_restarting, is_written_by, refuse, unreadable,
    without_supervisor,
};
use crate::report::Outcome;

pub(super) fn step(goal: &Goal, seen: &Observed, now: Instant) -> Step {
    match seen.awaited {
        Awaited::Child(None) | Awaited::Other { lives: true } => {
            return match goal.memory.hurry_at.is_some_and(|at| at <= now) {
                true => Step::Hurry,
                false => Step::Wait,
            };
        }
        Awaited::Child(Some(end)) => {
            if let Some(step) = after_child(seen, end) {
                return step;
            }
        }
        Awaited::Other { lives: false } => {
            if let Some(outcome) = outcome(seen) {
                return Step::End(outcome);
            }
        }
        Awaited::None => {}
    }
    if goal.memory.attempts == 0 {
        return refuse(Reason::SupervisorRestless);
    }
    decide(goal, seen)
}

/// Decides what to end, and how.
fn decide(goal: &Goal, seen: &Observed) -> Step {
    let record = seen.record.as_ref();
    let lasting = record.filter(|record| !is_restarting(record));
    let generation = lasting.and_then(|record| record.generation.as_ref());
    // Not an instance that was started after this request.
    if let (Some(decided), Some(now)) = (&goal.decided_on, generation)
        && decided != now
    {
        return refuse(Reason::StartedSince);
    }
    match (&seen.owner, &seen.unreadable, record) {
        // The lock's holder according to the kernel, not the record.
        (Ownership::Supervised(pid), _, _) => of_supervisor(goal, seen, *pid),
        (Ownership::Unknown(why), _, _) => refuse(why.clone()),
        // Its processes still have its marker; ending them by that alone requires `--force`.
        (Ownership::Gone | Ownership::Unsupervised, Some(_), _) if goal.stop.force => {
            Step::Launch(Launch::Stop)
        }
        (Ownership::Gone | Ownership::Unsupervised, Some(problem), _) => refuse(unreadable(problem)),
        (Ownership::Gone, None, None) => match seen.lost {
            None => Step::Look(Fact::Lost),
            Some(None) => nothing_runs(goal),
            Some(Some(supervisor)) => Step::Ask(Ask::StopLost { supervisor }),
        },
        (Ownership::Gone, None, Some(record)) if record.wanted == Wanted::Stopped => nothing_runs(goal),
        (Ownership::Gone, None, Some(_)) if seen.is_plain => Step::RecordStopped,
        (Ownership::Gone | Ownership::Unsupervised, None, _) => Step::Launch(Launch::Stop),
    }
}

fn nothing_runs(goal: &Goal) -> Step {
    Step::End(if goal.withdrew { Outcome::StartWithdrawn } else { Outcome::AlreadyStopped })
}

/// Stops by the supervisor. A second TERM would mean "at once": one that is stopping already is only awaited.
fn of_supervisor(goal: &Goal, seen: &Observed, pid: Pid) -> Step {
    if let Some(step) = without_supervisor(goal, seen) {
        return step;
    }
    let own = seen.record.as_ref().filter(|record| is_written_by(record, pid));
    // By its own record: an earlier supervisor may have been killed while it stopped.
    if own.is_some_and(|record| record.state == ServiceState::Stopping && record.wanted == Wanted::Stopped) {
        return Step::Join(pid);
    }
    Step::Ask(Ask::Stop { supervisor: pid })
}

/// Returns the step after a supervisor launched for the stop has ended; `None` if it did not do its work.
fn after_child(seen: &Observed, end: End) -> Option<Step> {
    match end {
        End::Code(0) => outcome(seen).map(Step::End),
        End::Code(code) if code != i32::from(GAVE_WAY) => Some(match (&seen.why_failed, &seen.owner) {
            (None, _) => Step::Look(Fact::WhyFailed),
            (Some(why), Ownership::Gone) if seen.unreadable.is_none() => {
                Step::End(Outcome::Unrecorded(Box::new(why.clone())))
            }
            (Some(why), _) => refuse(why.clone()),
        }),
        End::Code(_) | End::Signal(_) | End::TimedOut | End::Unknown => None,
    }
}

/// Returns the outcome in the supervisor's last record; `None` if it ended early.
fn outcome(seen: &Observed) -> Option<Outcome> {
    match (&seen.record, &seen.unreadable) {
        (_, Some(problem)) => Some(Outcome::Refused(Box::new(unreadable(problem)))),
        (Some(record), None) if record.wanted == Wanted::Stopped => {
            record.receipt.as_ref().map(|_| Outcome::Stopped { record: Box::new(record.clone()) })
        }
        (Some(_), None) => None,
        (None, None) => Some(Outcome::Unrecorded(Box::new(Reason::RecordsDeleted))),
    }
}
