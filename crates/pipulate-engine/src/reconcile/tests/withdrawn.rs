//! The effect of a stop or an interrupt on a start in progress.

use super::cases::{gone, unsupervised};
use super::*;

#[test]
fn what_was_stopped_before_its_turn_to_be_started_stays_stopped() {
    let withdrawn = |seen: Observed| Observed { is_withdrawn: true, lost: Some(None), ..seen };
    for desired in [Desired::Running, Desired::Restarted] {
        let crashed = Observed { awaited: Awaited::None, ..supervised(ServiceState::Crashed) };
        for first in [gone(None), gone(Some(stopped())), unsupervised(), crashed] {
            assert!(decide(desired, &Observed { lost: Some(None), ..first.clone() }).begins_something());
            let step = decide(desired, &withdrawn(first));
            assert!(matches!(step, Step::End(Outcome::StartWithdrawn | Outcome::Failed { .. })), "{step:?}");
        }
        assert_eq!(decide(desired, &withdrawn(gone(None))), Step::End(Outcome::StartWithdrawn));
    }
    // The supervisor that was launched for it saw that, and exited.
    let before = Observed { lost: Some(None), ..gone(None) };
    let gave_way = Observed { awaited: Awaited::Child(Some(End::Code(5))), ..before.clone() };
    assert_eq!(decide_then(Desired::Running, &before, &gave_way), Step::Launch(Launch::Start));
    let step = decide_then(Desired::Running, &before, &withdrawn(gave_way));
    assert_eq!(step, Step::End(Outcome::StartWithdrawn));
}

#[test]
fn a_stop_says_that_it_has_withdrawn_a_start() {
    for seen in [gone(Some(stopped())), Observed { lost: Some(None), ..gone(None) }] {
        let mut goal = Goal::new(Desired::Stopped);
        assert_eq!(reconcile(&goal, &seen, Instant::now()), Step::End(Outcome::AlreadyStopped));
        goal.withdrew = true;
        assert_eq!(reconcile(&goal, &seen, Instant::now()), Step::End(Outcome::StartWithdrawn));
    }
}

#[test]
fn an_interrupted_start_begins_nothing_more_and_waits_for_what_it_launched() {
    let now = Instant::now();
    let before = Observed { lost: Some(None), ..gone(None) };
    let mut goal = Goal::new(Desired::Running);
    goal.looked(&before);
    let mut unbegun = goal.clone();
    unbegun.cancel(now);
    assert_eq!(reconcile(&unbegun, &before, now), Step::End(Outcome::StartWithdrawn));

    goal.did(&Step::Launch(Launch::Start), &before, now);
    goal.cancel(now);
    let silent = Observed { awaited: Awaited::Child(None), ..before };
    assert_eq!(reconcile(&goal, &silent, now), Step::Wait);
    assert_eq!(reconcile(&goal, &silent, now + TAKES_OVER), Step::End(Outcome::TimedOut));
    assert!(goal.began(&silent), "it comes up later");
    let begun = Observed { awaited: Awaited::Child(None), ..supervised(ServiceState::Starting) };
    assert_eq!(reconcile(&goal, &begun, now), Step::End(Outcome::Begun));
    assert!(goal.began(&begun));
}

#[test]
fn what_was_taken_over_was_not_begun() {
    let alone = unsupervised();
    let mut goal = Goal::new(Desired::Running);
    goal.looked(&alone);
    let adopted = Observed { awaited: Awaited::Child(None), ..supervised(ServiceState::Ready) };
    assert!(!goal.began(&adopted), "the run is the one before");
    let mut another = adopted;
    another.record.as_mut().unwrap().main = main(2);
    assert!(goal.began(&another));
    another.awaited = Awaited::None;
    assert!(!goal.began(&another), "another start's supervisor did");
}
