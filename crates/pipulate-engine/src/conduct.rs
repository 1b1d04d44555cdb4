//! Carrying out a request group by group.

use std::time::Instant;

use pipulate_core::service::ServiceName;
use pipulate_store::{pending, record};

use crate::execute::{Event, Executor, LaunchError};
use crate::query;
use crate::reconcile::Goal;
use crate::report::{Outcome, Outcomes};
use crate::request::{Desired, Request, Wait};
use crate::schedule::Schedule;

/// Carries out a request for the services of a schedule.
///
/// # Errors
/// The system lacks resources for another process, or the home's files can't be written.
pub fn conduct(
    executor: &Executor<'_>,
    mut schedule: Schedule,
    request: &Request,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<Outcomes, LaunchError> {
    let mut outcomes = Outcomes::new();
    let patience = match request.wait {
        Wait::No => None,
        Wait::AtMost(patience) => Some(patience),
    };
    let deadline = |from: Instant| patience.and_then(|patience| from.checked_add(patience));
    let begun = Instant::now();
    // Before the first look at a lock: any supervisor that a start launches later will exit.
    let withdrawn = match request.desired {
        Desired::Stopped => {
            pending::withdraw(executor.layout, &schedule.services().cloned().collect::<Vec<_>>())
        }
        Desired::Running | Desired::Restarted => Vec::new(),
    };
    while let Some(turn) = schedule.next(&outcomes) {
        let now = Instant::now();
        let mut pattern = Goal::new(request.desired);
        pattern.stop = request.stop;
        pattern.deadline = match request.desired {
            Desired::Running => deadline(begun),
            Desired::Restarted => deadline(now),
            Desired::Stopped => None,
        };
        // After a timeout in one group, don't wait for the next: its supervisors wait by themselves.
        let is_late = pattern.deadline.is_some_and(|deadline| deadline <= now);
        pattern.begins_only = request.desired == Desired::Running && (request.wait == Wait::No || is_late);
        if pattern.begins_only {
            pattern.deadline = None;
        }
        let goal = |service: ServiceName| {
            let mut goal = pattern.clone();
            goal.decided_on = request.decided_on.get(&service).cloned();
            goal.withdrew = withdrawn.contains(&service);
            (service, goal)
        };
        let settled = executor.run(turn.services.into_iter().map(goal).collect(), on_event)?;
        on_event(Event::GroupSettled);
        let as_told = |(service, outcome)| match outcome {
            Outcome::Begun if is_late => (service, Outcome::TimedOut),
            outcome => (service, outcome),
        };
        outcomes.extend(settled.into_iter().map(as_told));
        outcomes.extend(turn.unmet.into_iter().map(|(service, needed)| (service, Outcome::Unmet { needed })));
    }
    if request.desired == Desired::Running {
        outcomes.iter_mut().for_each(|settled| forgive(executor, settled));
    }
    Ok(outcomes)
}

/// Counts a service that runs already as up, even if its needs are not.
fn forgive(executor: &Executor<'_>, (service, outcome): &mut (ServiceName, Outcome)) {
    if !matches!(outcome, Outcome::Unmet { .. }) || !query::is_up(executor.layout, service) {
        return;
    }
    if let Ok(Some(record)) = record::read(executor.layout, service) {
        *outcome = Outcome::Up { record: Box::new(record), fresh: false };
    }
}
