//! Properties that hold for any observations in any order.

use proptest::prelude::*;

use super::*;
use crate::execute::STEPS;

fn any_state() -> impl Strategy<Value = ServiceState> {
    prop::sample::select(ServiceState::BY_SEVERITY.to_vec())
}

fn any_record() -> impl Strategy<Value = Record> {
    let wanted = prop::sample::select(vec![Wanted::Run, Wanted::Stopped]);
    let number = || prop::option::of(1_u64..3);
    let supervisor = prop::option::of(10..12_i32);
    (any_state(), wanted, supervisor, number(), number(), any::<bool>()).prop_map(
        |(state, wanted, supervisor, main_run, generation, has_receipt)| Record {
            wanted,
            supervisor: supervisor.map(identity),
            main: main_run.and_then(main),
            generation: generation.map(run),
            receipt: has_receipt.then(Receipt::default),
            ..record(state)
        },
    )
}

fn any_owner() -> impl Strategy<Value = Ownership> {
    prop_oneof![
        3 => (10..13_i32).prop_map(|number| Ownership::Supervised(pid(number))),
        2 => Just(Ownership::Unsupervised),
        3 => Just(Ownership::Gone),
        1 => Just(Ownership::Unknown(Reason::InAnotherContainer)),
    ]
}

fn any_end() -> impl Strategy<Value = End> {
    prop::sample::select(vec![End::Code(0), End::Code(1), End::Code(5), End::Signal(9)])
}

/// Random facts besides the awaited supervisor, which the simulation tracks.
fn any_look() -> impl Strategy<Value = (Observed, Option<End>)> {
    let facts = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let end = prop::option::weighted(0.4, any_end());
    (prop::option::weighted(0.9, any_record()), any_owner(), facts, end).prop_map(
        |(record, owner, (main_lives, is_plain, is_lost, is_held, is_outdated), end)| {
            let answer =
                record.clone().filter(|_| !main_lives).map_or(Ok(()), |record| Err(Box::new(record)));
            let holder = if is_held { Holder::Other(pid(10)) } else { Holder::Supervisor };
            let look = Observed {
                main_lives,
                is_plain,
                lost: Some(is_lost.then(|| pid(10))),
                holder: Some(holder),
                answer: Some(answer),
                why_failed: Some(Reason::SupervisorFailed),
                is_outdated: Some(is_outdated),
                ..seen(owner, record)
            };
            (look, end)
        },
    )
}

fn any_goal() -> impl Strategy<Value = Goal> {
    let aim = prop::sample::select(vec![Aim::Start, Aim::Stop, Aim::Restart, Aim::Upgrade]);
    (aim, any::<bool>(), any::<bool>(), prop::option::of(1_u64..3)).prop_map(
        |(aim, begins_only, force, decided_on)| {
            let mut goal = Goal::new(aim);
            goal.begins_only = begins_only && aim == Aim::Start;
            goal.stop.force = force;
            goal.decided_on = decided_on.map(run);
            goal
        },
    )
}

/// Each step with the observation that it was decided on.
type Steps = Vec<(Observed, Step)>;

/// Carries out the decisions, against random observations.
fn simulate(mut goal: Goal, looks: Vec<(Observed, Option<End>)>) -> Steps {
    let mut now = Instant::now();
    let mut awaited = Awaited::None;
    let mut steps = Steps::new();
    for (mut look, end) in looks {
        now += Duration::from_millis(20);
        awaited = match awaited {
            Awaited::Child(None) => Awaited::Child(end),
            Awaited::Other { lives: true } => Awaited::Other { lives: end.is_none() },
            ended => ended,
        };
        look.awaited = awaited;
        goal.looked(&look);
        let step = reconcile(&goal, &look, now);
        match &step {
            Step::Launch(_) => awaited = Awaited::Child(None),
            Step::Ask(_) | Step::Join(_) => awaited = Awaited::Other { lives: true },
            Step::BecomeStart => awaited = Awaited::None,
            Step::Wait | Step::Look(_) | Step::Hurry | Step::RecordStopped | Step::End(_) => {}
        }
        goal.did(&step, &look, now);
        let is_over = matches!(step, Step::End(_) | Step::RecordStopped);
        steps.push((look, step));
        if is_over {
            break;
        }
    }
    steps
}

/// True if a step ends a running service.
fn ends_something(step: &Step) -> bool {
    match step {
        Step::Ask(Ask::Stop { .. } | Ask::StopLost { .. } | Ask::Restart { .. })
        | Step::Hurry
        | Step::Launch(Launch::Stop)
        | Step::RecordStopped => true,
        Step::Ask(Ask::Upgrade { .. } | Ask::Begin { .. })
        | Step::Launch(Launch::Start | Launch::Adopt)
        | Step::Wait
        | Step::Look(_)
        | Step::Join(_)
        | Step::BecomeStart
        | Step::End(_) => false,
    }
}

fn acts(step: &Step) -> bool {
    !matches!(step, Step::Wait | Step::Look(_) | Step::BecomeStart | Step::End(_))
}

proptest! {
    #[test]
    fn nothing_is_ended_but_by_a_stop_or_restart_that_was_asked_for(
        goal in any_goal(), looks in prop::collection::vec(any_look(), 1..60)
    ) {
        let aim = goal.aim;
        for (_, step) in simulate(goal, looks) {
            match aim {
                Aim::Start | Aim::Upgrade => prop_assert!(!ends_something(&step), "{step:?}"),
                Aim::Restart => prop_assert!(
                    !ends_something(&step) || matches!(step, Step::Ask(Ask::Restart { .. })), "{step:?}"
                ),
                Aim::Stop => prop_assert!(
                    !matches!(step, Step::Ask(Ask::Restart { .. } | Ask::Begin { .. })
                        | Step::Launch(Launch::Start | Launch::Adopt)),
                    "{step:?}"
                ),
            }
        }
    }

    #[test]
    fn a_restart_leaves_the_end_of_the_old_instance_to_the_supervisor_that_brings_the_new_one(
        goal in any_goal(), looks in prop::collection::vec(any_look(), 1..60)
    ) {
        for (look, step) in simulate(goal, looks) {
            if let Step::Ask(Ask::Restart { supervisor, .. }) = step {
                prop_assert_eq!(look.owner, Ownership::Supervised(supervisor));
            }
        }
    }

    #[test]
    fn doubt_signals_nothing_and_launches_nothing(
        goal in any_goal(), looks in prop::collection::vec(any_look(), 1..60)
    ) {
        for (look, step) in simulate(goal, looks) {
            let waits = matches!(look.awaited, Awaited::Child(None) | Awaited::Other { lives: true });
            if matches!(look.owner, Ownership::Unknown(_)) && !waits {
                prop_assert!(!acts(&step), "{step:?}");
            }
        }
    }

    #[test]
    fn there_are_never_two_supervisors_of_one_service(
        goal in any_goal(), looks in prop::collection::vec(any_look(), 1..60)
    ) {
        for (look, step) in simulate(goal, looks) {
            if matches!(step, Step::Launch(_) | Step::RecordStopped) {
                let is_free = matches!(look.owner, Ownership::Gone | Ownership::Unsupervised);
                prop_assert!(is_free && look.awaited != Awaited::Child(None), "{look:?} {step:?}");
            }
            if step == Step::RecordStopped {
                prop_assert_eq!(look.owner, Ownership::Gone);
            }
        }
    }

    #[test]
    fn a_stop_wins(goal in any_goal(), looks in prop::collection::vec(any_look(), 1..30)) {
        prop_assume!(matches!(goal.aim, Aim::Start | Aim::Restart));
        let mut goal = goal;
        goal.decided_on = None;
        // The restart or start has seen the service up and wanted, and then it was stopped.
        let up = (Observed { answer: Some(Ok(())), ..supervised(ServiceState::Starting) }, None);
        let stop = (Observed { why_failed: Some(Reason::SupervisorFailed), ..seen(Ownership::Gone, Some(stopped())) }, None);
        let steps = simulate(goal, [up, stop].into_iter().chain(looks).collect());
        prop_assert!(
            steps.iter().all(|(_, step)| !matches!(step, Step::Launch(_))),
            "{:?}", steps.iter().map(|(_, step)| step).collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_was_withdrawn_is_not_begun(
        goal in any_goal(), looks in prop::collection::vec(any_look(), 1..60), at in 0_usize..30
    ) {
        prop_assume!(matches!(goal.aim, Aim::Start | Aim::Restart));
        let mut looks = looks;
        looks.iter_mut().skip(at).for_each(|(look, _)| look.is_withdrawn = true);
        for (look, step) in simulate(goal, looks) {
            prop_assert!(!(look.is_withdrawn && step.begins_something()), "{step:?}");
        }
    }

    #[test]
    fn an_interrupted_start_begins_nothing_more_and_waits_for_its_own_supervisor_only(
        goal in any_goal(), looks in prop::collection::vec(any_look(), 1..60)
    ) {
        prop_assume!(goal.aim == Aim::Start);
        let mut goal = goal;
        goal.cancel(Instant::now());
        for (look, step) in simulate(goal, looks) {
            let waits_for_another = step == Step::Wait && look.awaited != Awaited::Child(None);
            prop_assert!(!step.begins_something() && !waits_for_another, "{step:?}");
        }
    }

    #[test]
    fn a_request_decided_on_another_generation_ends_nothing(
        goal in any_goal(), (look, _) in any_look(), state in any_state()
    ) {
        prop_assume!(state != ServiceState::Stopping && matches!(goal.aim, Aim::Stop | Aim::Restart));
        let mut goal = goal;
        goal.decided_on = Some(run(7));
        let record = Record { generation: Some(run(8)), ..record(state) };
        let look = Observed { record: Some(record), owner: Ownership::Supervised(pid(10)), ..look };
        goal.looked(&look);
        let step = reconcile(&goal, &look, Instant::now());
        prop_assert!(!ends_something(&step), "{step:?}");
    }

    #[test]
    fn a_pass_over_a_service_that_does_not_change_comes_to_rest(
        goal in any_goal(), (look, _) in any_look(), vanishes in any::<bool>()
    ) {
        let (mut goal, mut look, now) = (goal, look, Instant::now());
        let mut steps = Vec::new();
        for _ in 0..STEPS {
            goal.looked(&look);
            let step = reconcile(&goal, &look, now);
            steps.push(step.clone());
            match step {
                Step::Wait | Step::End(_) | Step::RecordStopped => return Ok(()),
                Step::Look(_) => prop_assert!(false, "everything was looked at: {steps:?}"),
                Step::Ask(_) | Step::Join(_) if vanishes => {
                    goal.vanished();
                    continue;
                }
                Step::Ask(_) | Step::Join(_) => look.awaited = Awaited::Other { lives: true },
                Step::Launch(_) => look.awaited = Awaited::Child(None),
                Step::BecomeStart => look.awaited = Awaited::None,
                Step::Hurry => {}
            }
            goal.did(&step, &look, now);
        }
        prop_assert!(false, "{steps:?}");
    }

    #[test]
    fn what_is_done_is_bounded(goal in any_goal(), looks in prop::collection::vec(any_look(), 100..200)) {
        let steps = simulate(goal, looks);
        let count = |is: fn(&Step) -> bool| steps.iter().filter(|(_, step)| is(step)).count();
        let most = usize::try_from(LAUNCHES + ATTEMPTS + 1).unwrap();
        prop_assert!(count(|step| matches!(step, Step::Launch(_))) <= 2 * most);
        prop_assert!(count(|step| matches!(step, Step::Ask(_) | Step::Join(_))) <= most);
    }
}
