//! The upgrade of a supervisor to a newer program.

use super::cases::{gone, unsupervised};
use super::*;

#[test]
fn a_supervisor_of_an_older_program_makes_way_and_the_outcome_says_whether_it_did() {
    let now = Instant::now();
    let up = supervised(ServiceState::Ready);
    assert_eq!(decide(Aim::Upgrade, &up), Step::Look(Fact::Outdated));
    let old = Observed { is_outdated: Some(true), ..up.clone() };
    let current = Observed { is_outdated: Some(false), ..up };
    let ask = Step::Ask(Ask::Upgrade { supervisor: pid(10) });
    assert_eq!(decide(Aim::Upgrade, &old), ask);
    assert!(matches!(decide(Aim::Upgrade, &current), Step::End(Outcome::Up { fresh: false, .. })));
    let mut goal = Goal::new(Aim::Upgrade);
    goal.deadline = Some(now + Duration::from_secs(2));
    goal.looked(&old);
    goal.did(&ask, &old, now);
    assert_eq!(reconcile(&goal, &old, now), Step::Wait);
    assert!(matches!(reconcile(&goal, &current, now), Step::End(Outcome::Up { fresh: true, .. })));
    assert_eq!(reconcile(&goal, &old, now + Duration::from_secs(2)), Step::End(Outcome::TimedOut));
}

#[test]
fn what_has_no_supervisor_is_not_upgraded() {
    for seen in [gone(None), gone(Some(stopped())), unsupervised()] {
        assert_eq!(decide(Aim::Upgrade, &seen), Step::End(Outcome::AlreadyStopped));
    }
}
