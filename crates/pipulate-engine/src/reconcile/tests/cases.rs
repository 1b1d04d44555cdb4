//! One case for each rule.

use pipulate_core::fault::FileRefusal;

use super::*;

pub(super) fn gone(record: Option<Record>) -> Observed {
    seen(Ownership::Gone, record)
}

pub(super) fn unsupervised() -> Observed {
    seen(Ownership::Unsupervised, Some(record(ServiceState::Ready)))
}

fn elsewhere() -> Observed {
    seen(Ownership::Unknown(Reason::InAnotherContainer), Some(record(ServiceState::Ready)))
}

fn is_up(step: &Step, expected_fresh: bool) -> bool {
    matches!(step, Step::End(Outcome::Up { fresh, .. }) if *fresh == expected_fresh)
}

#[test]
fn what_may_run_elsewhere_is_refused_by_every_request() {
    for desired in [Desired::Running, Desired::Stopped, Desired::Restarted] {
        assert_eq!(decide(desired, &elsewhere()), refuse(Reason::InAnotherContainer));
    }
}

#[test]
fn a_start_launches_a_supervisor_for_what_has_none_and_adopts_what_lives_without_one() {
    assert_eq!(decide(Desired::Running, &gone(Some(stopped()))), Step::Launch(Launch::Start));
    assert_eq!(decide(Desired::Running, &unsupervised()), Step::Launch(Launch::Start));
}

#[test]
fn a_service_whose_records_were_deleted_is_looked_for_before_a_second_one_is_started() {
    let mut nothing = gone(None);
    for desired in [Desired::Running, Desired::Stopped] {
        assert_eq!(decide(desired, &nothing), Step::Look(Fact::Lost));
    }
    nothing.lost = Some(Some(pid(10)));
    assert_eq!(decide(Desired::Running, &nothing), refuse(Reason::RunsUnrecorded { supervisor: pid(10) }));
    assert_eq!(decide(Desired::Stopped, &nothing), Step::Ask(Ask::StopLost { supervisor: pid(10) }));
    nothing.lost = Some(None);
    assert_eq!(decide(Desired::Running, &nothing), Step::Launch(Launch::Start));
    assert_eq!(decide(Desired::Stopped, &nothing), Step::End(Outcome::AlreadyStopped));
}

#[test]
fn what_was_up_before_a_start_is_asked_whether_it_answers() {
    let mut up = supervised(ServiceState::Ready);
    assert_eq!(decide(Desired::Running, &up), Step::Look(Fact::Answer));
    up.answer = Some(Ok(()));
    assert!(is_up(&decide(Desired::Running, &up), false));
    up.answer = Some(Err(Box::new(record(ServiceState::Degraded))));
    assert!(matches!(decide(Desired::Running, &up), Step::End(Outcome::Failed { .. })));
    up.main_lives = false;
    assert_eq!(decide(Desired::Running, &up), Step::Wait, "its end has not been written down yet");
}

#[test]
fn a_supervisor_whose_service_has_ended_is_asked_to_begin_again_and_no_other_is() {
    let (supervisor, next_run) = (pid(10), Some(run(100)));
    for state in [ServiceState::Crashed, ServiceState::Exited] {
        let ask = Ask::Begin { supervisor, next_run: next_run.clone(), written: None };
        assert_eq!(decide(Desired::Running, &supervised(state)), Step::Ask(ask));
    }
    for state in [ServiceState::Starting, ServiceState::Backoff, ServiceState::Stopping] {
        assert_eq!(decide(Desired::Running, &supervised(state)), Step::Wait);
    }
    let crashed = supervised(ServiceState::Crashed);
    assert_eq!(decide_then(Desired::Running, &crashed, &crashed), Step::Wait, "it has not answered");
    let mut again = supervised(ServiceState::Running);
    (again.record.as_mut().unwrap().main, again.record.as_mut().unwrap().next_run) =
        (main(2), Some(run(101)));
    assert!(is_up(&decide_then(Desired::Running, &crashed, &again), true));
}

#[test]
fn a_supervisor_that_knows_no_requests_has_answered_when_it_has_written() {
    let written = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    let mut crashed = Observed { written: written(1), ..supervised(ServiceState::Crashed) };
    crashed.record.as_mut().unwrap().generation = None;
    let ask = Ask::Begin { supervisor: pid(10), next_run: None, written: written(1) };
    assert_eq!(decide(Desired::Running, &crashed), Step::Ask(ask));
    assert_eq!(decide_then(Desired::Running, &crashed, &crashed), Step::Wait);
    let again = Observed { written: written(2), ..crashed.clone() };
    assert!(matches!(decide_then(Desired::Running, &crashed, &again), Step::End(Outcome::Failed { .. })));
}

#[test]
fn a_start_ends_with_what_its_supervisor_wrote_down() {
    let first = gone(Some(stopped()));
    let after = |state, awaited| {
        let record = Record { main: main(2), next_run: Some(run(101)), ..record(state) };
        let seen = Observed { awaited, ..seen(Ownership::Supervised(pid(10)), Some(record)) };
        decide_then(Desired::Running, &first, &seen)
    };
    let lives = Awaited::Child(None);
    assert_eq!(after(ServiceState::Starting, lives), Step::Wait);
    assert!(is_up(&after(ServiceState::Ready, lives), true));
    assert!(is_up(&after(ServiceState::Running, lives), true));
    assert!(is_up(&after(ServiceState::Exited, lives), true));
    for state in [ServiceState::Crashed, ServiceState::Degraded] {
        assert!(matches!(after(state, lives), Step::End(Outcome::Failed { .. })), "{state:?}");
    }
}

#[test]
fn a_supervisor_that_could_not_work_is_asked_why_and_a_killed_one_is_replaced() {
    let first = gone(Some(stopped()));
    let ended = |end| Observed { awaited: Awaited::Child(Some(end)), ..gone(Some(stopped())) };
    let mut failed = ended(End::Code(1));
    assert_eq!(decide_then(Desired::Running, &first, &failed), Step::Look(Fact::WhyFailed));
    let why = Reason::told("no room");
    failed.why_failed = Some(why.clone());
    assert_eq!(decide_then(Desired::Running, &first, &failed), refuse(why));
    for end in [End::Signal(9), End::Code(pipulate_supervisor::program::GAVE_WAY.into())] {
        assert_eq!(decide_then(Desired::Running, &first, &ended(end)), Step::Launch(Launch::Start));
    }
}

#[test]
fn a_start_that_finds_a_stop_under_way_begins_after_it_and_one_that_is_overtaken_by_it_loses() {
    let stopping = Record { wanted: Wanted::Stopped, ..record(ServiceState::Stopping) };
    let first = seen(Ownership::Supervised(pid(10)), Some(stopping));
    assert_eq!(decide(Desired::Running, &first), Step::Wait);
    assert_eq!(decide_then(Desired::Running, &first, &gone(Some(stopped()))), Step::Launch(Launch::Start));
    let starting = supervised(ServiceState::Starting);
    assert!(matches!(
        decide_then(Desired::Running, &starting, &gone(Some(stopped()))),
        Step::End(Outcome::Failed { .. })
    ));
}

#[test]
fn without_waiting_a_start_ends_when_its_record_tells_of_it() {
    let first = gone(Some(stopped()));
    let mut goal = Goal::new(Desired::Running);
    goal.begins_only = true;
    goal.looked(&first);
    let step = reconcile(&goal, &first, Instant::now());
    goal.did(&step, &first, Instant::now());
    let silent = Observed { awaited: Awaited::Child(None), ..first };
    assert_eq!(reconcile(&goal, &silent, Instant::now()), Step::Wait);
    let starting = Observed { awaited: Awaited::Child(None), ..supervised(ServiceState::Starting) };
    assert_eq!(reconcile(&goal, &starting, Instant::now()), Step::End(Outcome::Begun));
}

#[test]
fn a_start_or_restart_that_takes_too_long_is_said_to_be_still_starting() {
    let now = Instant::now();
    for (desired, state) in
        [(Desired::Running, ServiceState::Starting), (Desired::Restarted, ServiceState::Ready)]
    {
        let first = supervised(state);
        let mut goal = Goal::new(desired);
        goal.deadline = Some(now + Duration::from_secs(1));
        goal.looked(&first);
        let step = reconcile(&goal, &first, now);
        goal.did(&step, &first, now);
        assert_eq!(reconcile(&goal, &first, now), Step::Wait);
        assert_eq!(reconcile(&goal, &first, now + Duration::from_secs(2)), Step::End(Outcome::TimedOut));
    }
}

#[test]
fn a_stop_asks_the_supervisor_and_waits_for_its_end() {
    let up = supervised(ServiceState::Ready);
    let ask = Ask::Stop { supervisor: pid(10) };
    assert_eq!(decide(Desired::Stopped, &up), Step::Ask(ask));
    let lives = Observed { awaited: Awaited::Other { lives: true }, ..up.clone() };
    assert_eq!(decide_then(Desired::Stopped, &up, &lives), Step::Wait);
    let ended = Observed { awaited: Awaited::Other { lives: false }, ..gone(Some(stopped())) };
    assert_eq!(
        decide_then(Desired::Stopped, &up, &ended),
        Step::End(Outcome::Stopped { record: Box::new(stopped()) })
    );
}

#[test]
fn a_supervisor_that_stops_already_is_not_told_again_for_that_would_mean_at_once() {
    let stopping = Record { wanted: Wanted::Stopped, ..record(ServiceState::Stopping) };
    let stopping = seen(Ownership::Supervised(pid(10)), Some(stopping));
    assert_eq!(decide(Desired::Stopped, &stopping), Step::Join(pid(10)));
    // Written by the previous supervisor, which was killed meanwhile.
    let others = Observed { owner: Ownership::Supervised(pid(11)), ..stopping };
    assert!(matches!(decide(Desired::Stopped, &others), Step::Ask(Ask::Stop { .. })));
}

#[test]
fn a_forced_stop_or_one_that_takes_too_long_hurries_again_and_again() {
    let (now, up) = (Instant::now(), supervised(ServiceState::Ready));
    let lives = Observed { awaited: Awaited::Other { lives: true }, ..up.clone() };
    for (stop, patience) in [
        (StopOptions { timeout: None, force: true }, INSIST),
        (StopOptions { timeout: Some(Duration::from_secs(3)), force: false }, Duration::from_secs(3)),
    ] {
        let mut goal = Goal { stop, ..Goal::new(Desired::Stopped) };
        goal.looked(&up);
        let step = reconcile(&goal, &up, now);
        goal.did(&step, &up, now);
        assert_eq!(reconcile(&goal, &lives, now), Step::Wait);
        assert_eq!(reconcile(&goal, &lives, now + patience), Step::Hurry);
        goal.did(&Step::Hurry, &lives, now + patience);
        assert_eq!(reconcile(&goal, &lives, now + patience), Step::Wait);
        assert_eq!(reconcile(&goal, &lives, now + patience + INSIST), Step::Hurry);
    }
}

#[test]
fn a_stop_does_not_end_what_was_started_after_it_was_asked_for() {
    let up = supervised(ServiceState::Ready);
    let mut goal = Goal::new(Desired::Stopped);
    goal.decided_on = Some(run(7));
    assert_eq!(reconcile(&goal, &up, Instant::now()), refuse(Reason::StartedSince));
    // Also if this request has seen the earlier one.
    let mut later = Observed { awaited: Awaited::Other { lives: false }, ..up.clone() };
    later.record.as_mut().unwrap().generation = Some(run(2));
    assert_eq!(decide_then(Desired::Stopped, &up, &later), refuse(Reason::StartedSince));
    // A restart in progress gives it another generation, and is ended.
    later.record.as_mut().unwrap().state = ServiceState::Stopping;
    assert!(matches!(decide_then(Desired::Stopped, &up, &later), Step::Ask(Ask::Stop { .. })));
}

#[test]
fn what_is_unsupervised_is_stopped_by_a_supervisor_of_its_own() {
    assert_eq!(decide(Desired::Stopped, &unsupervised()), Step::Launch(Launch::Stop));
    let plain = Observed { is_plain: true, ..unsupervised() };
    assert_eq!(decide(Desired::Stopped, &plain), Step::Launch(Launch::Stop));
}

#[test]
fn of_what_nothing_lives_the_stop_is_written_down_or_cleaned_up_after() {
    let dead = gone(Some(record(ServiceState::Ready)));
    assert_eq!(decide(Desired::Stopped, &dead), Step::Launch(Launch::Stop));
    let plain = Observed { is_plain: true, ..dead };
    assert_eq!(decide(Desired::Stopped, &plain), Step::RecordStopped);
    assert_eq!(decide(Desired::Stopped, &gone(Some(stopped()))), Step::End(Outcome::AlreadyStopped));
}

#[test]
fn an_unreadable_record_is_stopped_only_by_force() {
    let problem = Fault::Refused { path: "/p/x.json".into(), why: FileRefusal::Empty };
    let unread = Observed { unreadable: Some(problem.clone()), ..gone(None) };
    assert_eq!(decide(Desired::Stopped, &unread), refuse(unreadable(&problem)));
    let mut goal = Goal::new(Desired::Stopped);
    goal.stop.force = true;
    assert_eq!(reconcile(&goal, &unread, Instant::now()), Step::Launch(Launch::Stop));
    // A supervisor is identified by its lock anyway.
    let held = Observed { owner: Ownership::Supervised(pid(10)), ..unread };
    assert!(matches!(decide(Desired::Stopped, &held), Step::Ask(Ask::Stop { .. })));
}

#[test]
fn a_process_that_only_holds_the_lock_is_not_signaled() {
    let mut held = supervised(ServiceState::Ready);
    let mut goal = Goal::new(Desired::Stopped);
    goal.vanished();
    assert_eq!(reconcile(&goal, &held, Instant::now()), Step::Look(Fact::Holder));
    held.holder = Some(Holder::Other(pid(10)));
    assert_eq!(reconcile(&goal, &held, Instant::now()), refuse(Reason::LockHeld { pid: pid(10) }));
    held.holder = Some(Holder::Supervisor);
    assert!(matches!(reconcile(&goal, &held, Instant::now()), Step::Ask(Ask::Stop { .. })));
}

#[test]
fn a_restart_is_asked_of_the_supervisor_and_ends_with_another_generation() {
    let up = supervised(ServiceState::Ready);
    let ask = Ask::Restart { supervisor: pid(10), generation: Some(run(1)) };
    assert_eq!(decide(Desired::Restarted, &up), Step::Ask(ask));
    assert_eq!(decide_then(Desired::Restarted, &up, &up), Step::Wait, "it was asked");
    let mut again = supervised(ServiceState::Ready);
    again.record.as_mut().unwrap().main = main(2);
    assert_eq!(decide_then(Desired::Restarted, &up, &again), Step::Wait, "a crash is no restart");
    again.record.as_mut().unwrap().generation = Some(run(2));
    assert!(is_up(&decide_then(Desired::Restarted, &up, &again), true));
    again.record.as_mut().unwrap().state = ServiceState::Crashed;
    assert!(matches!(decide_then(Desired::Restarted, &up, &again), Step::End(Outcome::Failed { .. })));
}

#[test]
fn a_restart_that_was_decided_on_an_earlier_generation_is_done_already() {
    let up = supervised(ServiceState::Ready);
    let mut goal = Goal::new(Desired::Restarted);
    goal.decided_on = Some(run(7));
    goal.looked(&up);
    assert!(is_up(&reconcile(&goal, &up, Instant::now()), true));
}

#[test]
fn a_restart_of_what_does_not_run_is_a_start() {
    assert_eq!(decide(Desired::Restarted, &gone(Some(stopped()))), Step::BecomeStart);
    assert_eq!(decide(Desired::Restarted, &gone(None)), Step::BecomeStart);
    assert_eq!(decide(Desired::Restarted, &supervised(ServiceState::Crashed)), Step::BecomeStart);
    let dead = gone(Some(stopped()));
    assert_eq!(decide_then(Desired::Restarted, &dead, &dead), Step::Launch(Launch::Start));
}

#[test]
fn a_restart_of_what_lost_its_supervisor_is_asked_of_the_one_that_takes_over() {
    let alone = unsupervised();
    assert_eq!(decide(Desired::Restarted, &alone), Step::Launch(Launch::Adopt));
    let begins = Observed { awaited: Awaited::Child(None), ..alone.clone() };
    assert_eq!(decide_then(Desired::Restarted, &alone, &begins), Step::Wait);
    // It has the lock, and has not written a record yet.
    let silent = Observed { owner: Ownership::Supervised(pid(12)), ..begins };
    assert_eq!(decide_then(Desired::Restarted, &alone, &silent), Step::Wait);
    let anothers = Observed { awaited: Awaited::None, ..silent.clone() };
    assert_eq!(decide_then(Desired::Restarted, &alone, &anothers), Step::Join(pid(12)));
    let mut adopted = silent;
    adopted.record.as_mut().unwrap().supervisor = Some(identity(12));
    assert!(matches!(
        decide_then(Desired::Restarted, &alone, &adopted),
        Step::Ask(Ask::Restart { supervisor, .. }) if supervisor == pid(12)
    ));
}

#[test]
fn a_stop_wins_over_a_restart_that_it_overtakes() {
    let up = supervised(ServiceState::Ready);
    assert!(matches!(
        decide_then(Desired::Restarted, &up, &gone(Some(stopped()))),
        Step::End(Outcome::Failed { .. })
    ));
}

#[test]
fn the_successor_of_a_killed_supervisor_is_asked_again() {
    let up = supervised(ServiceState::Ready);
    let mut rescued = seen(Ownership::Supervised(pid(11)), Some(record(ServiceState::Ready)));
    rescued.record.as_mut().unwrap().supervisor = Some(identity(11));
    for desired in [Desired::Restarted, Desired::Stopped] {
        let seen = Observed { awaited: Awaited::Other { lives: false }, ..rescued.clone() };
        match decide_then(desired, &up, &seen) {
            Step::Ask(ask) => assert_eq!(ask.supervisor(), pid(11)),
            other => panic!("{other:?}"),
        }
    }
}
