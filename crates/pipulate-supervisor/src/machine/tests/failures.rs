//! Unexpected ends: their limit, the processes they leave, and the end of waiting.

use pipulate_core::state::{ServiceState, Wanted};

use super::*;

/// Ends the service after it was up for `life`, and restarts it when due; returns when that is.
fn loop_once(machine: &mut Machine, life: Duration, mut now: Instant) -> Instant {
    now += life;
    if die(machine, FAILED, now) == Action::Nothing {
        now = machine.next_deadline().unwrap();
        assert_eq!(machine.on_event(Event::Tick, now), Action::Spawn);
    }
    assert_eq!(machine.on_event(Event::Spawned, now), Action::Nothing);
    assert_eq!(machine.on_event(Event::Answered, now), Action::Nothing);
    now
}

#[test]
fn a_slow_crash_loop_is_unstable_and_its_delays_grow_until_it_was_up_for_a_minute() {
    let life = Duration::from_secs(20);
    let mut now = Instant::now();
    let mut machine = up(POLICY, now);
    let mut last = Duration::ZERO;
    for ends in 1..=20 {
        let begun = now;
        now = loop_once(&mut machine, life, now);
        assert_eq!(machine.unexpected_ends(), ends);
        let is_unstable = ServiceState::Ready.after_ends(ends) == ServiceState::Unstable;
        assert_eq!(is_unstable, ends >= 3, "{ends}");
        let delay = now - begun - life;
        assert!(delay > last || ends == 1 || delay >= backoff::LONGEST_DELAY, "{delay:?} after {last:?}");
        last = delay;
    }
    assert_eq!(machine.next_deadline(), Some(now + backoff::HEALTHY_AFTER));
    now += backoff::HEALTHY_AFTER;
    assert_eq!(machine.on_event(Event::Tick, now), Action::Nothing);
    assert_eq!((machine.unexpected_ends(), machine.next_deadline()), (0, None));
    assert_eq!(die(&mut machine, FAILED, now), Action::Spawn, "the first one again");
}

#[test]
fn a_service_that_never_failed_costs_no_wake_up() {
    let now = Instant::now();
    assert_eq!(up(POLICY, now).next_deadline(), None);
    assert_eq!(Machine::adopted(POLICY, 7, true, Past::default(), now).next_deadline(), None);
}

#[test]
fn what_was_late_is_late_for_the_supervisor_that_takes_over() {
    let now = Instant::now();
    let late = Past { is_late: true, ..Past::default() };
    let mut adopted = Machine::adopted(POLICY, 7, false, late, now);
    assert!(matches!(adopted.phase(), Phase::Starting { late: true, .. }), "{:?}", adopted.phase());
    assert_eq!(adopted.next_deadline(), None, "nobody waits for it a second time");
    assert_eq!(adopted.on_event(Event::Answered, now), Action::Nothing);
    assert!(matches!(adopted.phase(), Phase::Up { .. }));
}

#[test]
fn whoever_takes_over_goes_on_with_the_failures_so_far() {
    let now = Instant::now();
    let past = Past { restarts: 9, ends: 6, is_late: false };
    let mut adopted = Machine::adopted(POLICY, 7, true, past, now);
    let mut starting = Machine::adopted(POLICY, 7, false, past, now);
    let mut resumed = Machine::resumed(POLICY, 7, past, now);
    for machine in [&adopted, &starting, &resumed] {
        assert_eq!((machine.unexpected_ends(), machine.restarts()), (6, Some(9)));
    }
    assert_eq!(adopted.next_deadline(), Some(now + backoff::HEALTHY_AFTER));
    for machine in [&mut adopted, &mut starting] {
        assert_eq!(die(machine, FAILED, now), Action::Nothing, "it waits");
        assert!(machine.next_deadline().unwrap() >= now + Duration::from_secs(16));
        assert_eq!(machine.unexpected_ends(), 7);
    }
    let due = resumed.next_deadline().unwrap();
    assert!(due >= now + Duration::from_secs(8), "{:?}", due - now);
    assert_eq!(resumed.on_event(Event::Tick, due), Action::Spawn);
    assert_eq!(resumed.on_event(Event::Spawned, due), Action::Nothing);
    assert_eq!((resumed.unexpected_ends(), resumed.restarts()), (6, Some(10)));
}

#[test]
fn a_shortage_when_what_ran_before_is_started_again_is_waited_out() {
    let now = Instant::now();
    let hindered = || Event::SpawnHindered { why: Reason::told("no more processes") };
    let mut never_ready = Machine::new(POLICY, 7, now);
    assert_eq!(never_ready.on_event(Event::Tick, now), Action::Spawn);
    assert_eq!(never_ready.on_event(Event::Spawned, now), Action::Nothing);
    for mut machine in [up(POLICY, now), never_ready] {
        assert_eq!(machine.on_event(Event::Saved, now), Action::AskMain);
        let _swept = machine.on_event(Event::MainEnded(End::Code(0)), now);
        assert_eq!(machine.on_event(Event::TreeEmpty, now), Action::Spawn);
        assert_eq!(machine.on_event(hindered(), now), Action::Nothing);
        let due = machine.next_deadline().unwrap();
        assert!(due > now);
        assert_eq!(machine.on_event(Event::Tick, due), Action::Spawn);
        assert_eq!(machine.unexpected_ends(), 0, "it did not end");
    }
    let mut renewed = Machine::renewed(POLICY, 7, now);
    assert_eq!(renewed.on_event(Event::Tick, now), Action::Spawn);
    assert_eq!(renewed.on_event(hindered(), now), Action::Nothing);
    assert!(matches!(renewed.phase(), Phase::Waiting { until } if *until > now));
}

#[test]
fn a_group_that_nothing_ends_is_given_up() {
    let now = Instant::now();
    for end in [FAILED, Event::MainEnded(End::Code(0))] {
        let mut machine = up(POLICY, now);
        let mut later = now;
        if machine.on_event(end, now) == Action::Nothing {
            later = machine.next_deadline().unwrap();
            assert_eq!(machine.on_event(Event::Tick, later), Action::EndGroup { force: false });
        }
        assert!(later == now || later == now + LEAVE, "a failure is no reason to wait");
        let later = machine.next_deadline().unwrap();
        assert_eq!(machine.on_event(Event::Tick, later), Action::EndGroup { force: true });
        let later = machine.next_deadline().unwrap();
        assert_eq!(machine.on_event(Event::Tick, later), Action::Nothing);
        assert!(matches!(machine.phase(), Phase::Ended(Outcome::Crashed { .. })), "{machine:?}");
        assert_eq!(machine.next_deadline(), None);
        assert_eq!(machine.on_event(Event::GroupEmpty, later), Action::Nothing, "too late to matter");
    }
}

/// A service whose main process ended with 0 and left others.
fn in_background(policy: Policy, now: Instant) -> Machine {
    let mut machine = up(policy, now);
    assert_eq!(machine.on_event(Event::MainEnded(End::Code(0)), now), Action::Nothing);
    assert_eq!(machine.on_event(Event::LeftOthers, now), Action::Nothing);
    assert!(matches!(machine.phase(), Phase::Background { .. }), "{machine:?}");
    machine
}

#[test]
fn nothing_is_started_beside_what_put_itself_into_the_background() {
    let now = Instant::now();
    for restart in [RestartPolicy::Always, RestartPolicy::OnFailure, RestartPolicy::Never] {
        let policy = Policy { restart, ..POLICY };
        let mut machine = in_background(policy, now);
        assert_eq!((machine.next_deadline(), machine.phase().wanted()), (None, Wanted::Run));
        assert_eq!(machine.on_event(Event::Tick, now + A_DAY), Action::Nothing);
        let after = machine.on_event(Event::GroupEmpty, now + A_DAY);
        let (wanted, phase) = match restart {
            RestartPolicy::Always => (Action::Spawn, Phase::Waiting { until: now + A_DAY }),
            RestartPolicy::OnFailure | RestartPolicy::Never => {
                (Action::Nothing, Phase::Ended(Outcome::Exited))
            }
        };
        assert_eq!((after, machine.phase()), (wanted, &phase));

        for (asked, last) in [
            (Event::StopRequested, Action::Nothing),
            (Event::RestartRequested, Action::Renew),
            (Event::Saved, Action::Spawn),
        ] {
            let mut machine = in_background(policy, now);
            assert_eq!(machine.on_event(asked.clone(), now), Action::EndTree { force: false }, "{asked:?}");
            assert_eq!(machine.on_event(Event::TreeEmpty, now), last, "{asked:?}");
        }
    }
}

#[test]
fn what_a_crash_left_is_not_in_the_way_of_the_next_instance() {
    let now = Instant::now();
    let mut machine = up(POLICY, now);
    assert_eq!(machine.on_event(FAILED, now), Action::EndGroup { force: false });
    assert_eq!(machine.on_event(Event::LeftOthers, now), Action::Spawn);
}

#[test]
fn a_save_while_a_group_is_ended_ends_what_went_into_the_background_too() {
    let now = Instant::now();
    let mut machine = up(POLICY, now);
    assert_eq!(machine.on_event(Event::MainEnded(End::Code(0)), now), Action::Nothing);
    assert_eq!(machine.on_event(Event::Saved, now), Action::Nothing);
    assert_eq!(machine.on_event(Event::LeftOthers, now), Action::EndTree { force: false });
    assert_eq!(machine.on_event(Event::TreeEmpty, now), Action::Spawn);
}
