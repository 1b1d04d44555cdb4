//! Upgrading: a supervisor that runs another program than the home's executes that one. Its service is not
//! touched.

use std::time::Instant;

use pipulate_supervisor::ownership::Ownership;

use super::{Ask, Fact, Goal, Observed, Step};
use crate::report::Outcome;

pub(super) fn step(goal: &Goal, seen: &Observed, now: Instant) -> Step {
    let supervisor = match seen.owner {
        Ownership::Supervised(supervisor) if !goal.memory.has_vanished => supervisor,
        Ownership::Supervised(_) | Ownership::Unsupervised | Ownership::Gone | Ownership::Unknown(_) => {
            return Step::End(Outcome::AlreadyStopped);
        }
    };
    let is_asked = goal.memory.asked_of == Some(supervisor);
    match seen.is_outdated {
        None => Step::Look(Fact::Outdated),
        Some(false) => Step::End(match seen.record.clone() {
            Some(record) => Outcome::Up { record: Box::new(record), fresh: is_asked },
            None => Outcome::Begun,
        }),
        // It waits for the end of a back-off, for example.
        Some(true) if goal.is_over(now) => Step::End(Outcome::TimedOut),
        Some(true) if is_asked => Step::Wait,
        Some(true) => Step::Ask(Ask::Upgrade { supervisor }),
    }
}
