use super::requests::ONE_REQUEST;
use pipulate_core::reason::Ending;

use super::*;

const POLICY: Policy = Policy {
    restart: RestartPolicy::OnFailure,
    ready_timeout: Some(Duration::from_secs(60)),
    stop_timeout: Duration::from_secs(10),
};
const FAILED: Event = Event::MainEnded(End::Code(1));

fn up(policy: Policy, now: Instant) -> Machine {
    let mut machine = Machine::new(policy, 7, now);
    assert_eq!(machine.on_event(Event::Tick, now), Action::Spawn);
    assert_eq!(machine.on_event(Event::Spawned, now), Action::Nothing);
    assert_eq!(machine.on_event(Event::Answered, now), Action::Nothing);
    assert!(matches!(machine.phase(), Phase::Up { .. }), "{machine:?}");
    machine
}

/// Ends the main process and its group.
fn die(machine: &mut Machine, end: Event, now: Instant) -> Action {
    let wanted = match end == Event::MainEnded(End::Code(0)) {
        true => Action::Nothing,
        false => Action::EndGroup { force: false },
    };
    assert_eq!(machine.on_event(end, now), wanted);
    machine.on_event(Event::GroupEmpty, now)
}

#[test]
fn a_service_that_dies_before_it_was_ever_ready_is_crashed_and_not_tried_again() {
    let now = Instant::now();
    let mut machine = Machine::new(POLICY, 7, now);
    assert_eq!(machine.on_event(Event::Tick, now), Action::Spawn);
    assert_eq!(machine.on_event(Event::Spawned, now), Action::Nothing);
    assert_eq!(die(&mut machine, FAILED, now), Action::Nothing);
    let Phase::Ended(Outcome::Crashed { why }) = machine.phase() else { panic!("{machine:?}") };
    assert_eq!(*why, Reason::EndedBeforeReady { end: Ending::Code { code: 1 } });
}

#[test]
fn the_first_restart_is_at_once_and_the_next_ones_wait_longer_and_longer() {
    let mut now = Instant::now();
    let mut machine = up(POLICY, now);
    assert_eq!(die(&mut machine, FAILED, now), Action::Spawn);
    let mut last = Duration::ZERO;
    for _ in 0..3 {
        assert_eq!(machine.on_event(Event::Spawned, now), Action::Nothing);
        assert_eq!(machine.on_event(Event::Answered, now), Action::Nothing);
        assert_eq!(die(&mut machine, FAILED, now), Action::Nothing);
        let delay = machine.next_deadline().unwrap() - now;
        assert!(delay > last, "{delay:?} after {last:?}");
        assert_eq!(machine.on_event(Event::Tick, now), Action::Nothing, "not before its time");
        (last, now) = (delay, now + delay);
        assert_eq!(machine.on_event(Event::Tick, now), Action::Spawn);
    }
    assert_eq!(machine.restarts(), Some(3));
    assert_eq!(machine.on_event(Event::Spawned, now), Action::Nothing);
    assert_eq!(die(&mut machine, FAILED, now), Action::Nothing);
    assert!(matches!(machine.phase(), Phase::Ended(Outcome::Crashed { .. })), "the fifth within a minute");
}

#[test]
fn a_shortage_is_waited_out_for_as_long_as_it_lasts_by_what_was_well_before() {
    let now = Instant::now();
    let hindered = || Event::SpawnHindered { why: Reason::told("no more processes") };
    let mut fresh = Machine::new(POLICY, 1, now);
    assert_eq!(fresh.on_event(Event::Tick, now), Action::Spawn);
    let _nothing = fresh.on_event(hindered(), now);
    assert!(matches!(fresh.phase(), Phase::Ended(Outcome::Crashed { .. })));

    let mut machine = up(POLICY, now);
    assert_eq!(die(&mut machine, Event::MainEnded(End::Code(1)), now), Action::Spawn);
    for _ in 0..30 {
        assert_eq!(machine.on_event(hindered(), now), Action::Nothing);
        assert!(matches!(machine.phase(), Phase::Waiting { until } if *until > now));
    }
    let longest = backoff::LONGEST_DELAY.mul_f64(1.25);
    assert!(matches!(machine.phase(), Phase::Waiting { until } if *until <= now + longest));
    assert_eq!(machine.unexpected_ends(), 1, "only its own end counts");
}

#[test]
fn what_is_always_started_again_may_end_well_however_often() {
    let mut now = Instant::now();
    let mut machine = up(Policy { restart: RestartPolicy::Always, ..POLICY }, now);
    for _ in 0..20 {
        let _started_at_once = die(&mut machine, Event::MainEnded(End::Code(0)), now);
        assert_eq!(machine.unexpected_ends(), 0);
        now = machine.next_deadline().unwrap();
        assert_eq!(machine.on_event(Event::Tick, now), Action::Spawn);
        assert_eq!(machine.on_event(Event::Spawned, now), Action::Nothing);
        assert_eq!(machine.on_event(Event::Answered, now), Action::Nothing);
    }
    let _started_at_once = die(&mut machine, Event::MainEnded(End::Code(0)), now);
    assert!(machine.next_deadline().unwrap() >= now + backoff::LONGEST_DELAY, "but not in a hurry");
}

#[test]
fn failures_far_apart_are_no_crash_loop() {
    let mut now = Instant::now();
    let mut machine = up(POLICY, now);
    for _ in 0..20 {
        assert_eq!(die(&mut machine, FAILED, now), Action::Spawn);
        assert_eq!(machine.on_event(Event::Spawned, now), Action::Nothing);
        assert_eq!(machine.on_event(Event::Answered, now), Action::Nothing);
        now += backoff::HEALTHY_AFTER;
    }
    assert_eq!((machine.restarts(), machine.unexpected_ends()), (Some(20), 1));
}

#[test]
fn policies_differ_in_what_follows_an_end() {
    let now = Instant::now();
    for (restart, code, wanted) in [
        (RestartPolicy::OnFailure, 0, Phase::Ended(Outcome::Exited)),
        (RestartPolicy::Never, 0, Phase::Ended(Outcome::Exited)),
        (
            RestartPolicy::Never,
            3,
            Phase::Ended(Outcome::Crashed { why: Reason::Ended { end: Ending::Code { code: 3 } } }),
        ),
        (RestartPolicy::Always, 0, Phase::Waiting { until: now }),
        (RestartPolicy::OnFailure, 3, Phase::Waiting { until: now }),
    ] {
        let mut machine = up(Policy { restart, ..POLICY }, now);
        let _spawn = die(&mut machine, Event::MainEnded(End::Code(code)), now);
        assert_eq!(*machine.phase(), wanted, "{restart:?} after {code}");
    }
}

#[test]
fn a_stop_asks_then_kills_then_sweeps() {
    let now = Instant::now();
    let mut machine = up(POLICY, now);
    assert_eq!(machine.on_event(Event::StopRequested, now), Action::AskMain);
    let later = machine.next_deadline().unwrap();
    assert_eq!(later - now, POLICY.stop_timeout);
    assert_eq!(machine.on_event(Event::Tick, later), Action::KillMain);
    assert_eq!(machine.on_event(Event::MainEnded(End::Signal(9)), later), Action::EndTree { force: false });
    let later = machine.next_deadline().unwrap();
    assert_eq!(machine.on_event(Event::Tick, later), Action::EndTree { force: true });
    assert_eq!(machine.on_event(Event::TreeEmpty, later), Action::Nothing);
    assert_eq!(*machine.phase(), Phase::Ended(Outcome::Stopped));
}

#[test]
fn a_second_stop_is_at_once() {
    let now = Instant::now();
    let mut machine = up(POLICY, now);
    assert_eq!(machine.on_event(Event::StopRequested, now), Action::AskMain);
    assert_eq!(machine.on_event(Event::StopRequested, now), Action::Nothing, "the same request, made twice");
    let now = now + ONE_REQUEST;
    assert_eq!(machine.on_event(Event::StopRequested, now), Action::KillMain);
    assert_eq!(machine.on_event(Event::MainEnded(End::Signal(9)), now), Action::EndTree { force: false });
    let now = now + ONE_REQUEST;
    assert_eq!(machine.on_event(Event::StopRequested, now), Action::EndTree { force: true });
}

#[test]
fn a_stop_that_is_only_wanted_never_means_at_once() {
    let now = Instant::now();
    let mut machine = up(POLICY, now);
    assert_eq!(machine.on_event(Event::StopWanted, now), Action::AskMain);
    let late = now + 5 * ONE_REQUEST;
    assert_eq!(machine.on_event(Event::StopWanted, late), Action::Nothing);
    assert_eq!(machine.next_deadline(), Some(now + POLICY.stop_timeout), "nor is it put off");
    let ended = Event::MainEnded(End::Code(0));
    assert_eq!(machine.on_event(ended, late), Action::EndTree { force: false });
    assert_eq!(machine.on_event(Event::StopWanted, late + ONE_REQUEST), Action::Nothing);
    assert_eq!(machine.on_event(Event::StopRequested, late + ONE_REQUEST), Action::EndTree { force: true });

    let mut machine = up(POLICY, now);
    assert_eq!(machine.on_event(Event::RestartRequested, now), Action::AskMain);
    assert_eq!(machine.on_event(Event::StopWanted, now), Action::Nothing);
    let _swept = machine.on_event(Event::MainEnded(End::Code(0)), now);
    assert_eq!(machine.on_event(Event::TreeEmpty, now), Action::Nothing, "it stays away");
    assert_eq!(*machine.phase(), Phase::Ended(Outcome::Stopped));
}

#[test]
fn a_restart_that_can_not_begin_again_is_a_crash_and_a_stop_goes_on_without_it() {
    let now = Instant::now();
    let failed = || Event::SpawnFailed { why: Reason::told("no program") };
    let mut machine = up(POLICY, now);
    let _asked = machine.on_event(Event::RestartRequested, now);
    let _swept = machine.on_event(Event::MainEnded(End::Code(0)), now);
    assert_eq!(machine.on_event(Event::TreeEmpty, now), Action::Renew);
    assert_eq!(machine.on_event(failed(), now), Action::Nothing);
    let crashed = Phase::Ended(Outcome::Crashed { why: Reason::told("no program") });
    assert_eq!(*machine.phase(), crashed);
    assert_eq!(machine.on_event(Event::TreeEmpty, now), Action::Nothing, "once");
    assert_eq!(machine.next_deadline(), None);

    let mut machine = up(POLICY, now);
    let _asked = machine.on_event(Event::RestartRequested, now);
    let _swept = machine.on_event(Event::MainEnded(End::Code(0)), now);
    assert_eq!(machine.on_event(Event::TreeEmpty, now), Action::Renew);
    assert_eq!(machine.on_event(Event::StopRequested, now), Action::Nothing);
    assert_eq!(machine.on_event(failed(), now), Action::Nothing);
    assert_eq!(machine.on_event(Event::TreeEmpty, now), Action::Nothing);
    assert_eq!(*machine.phase(), Phase::Ended(Outcome::Stopped));
}

#[test]
fn asking_again_and_again_does_not_keep_a_stop_from_giving_up() {
    let mut now = Instant::now();
    let mut machine = up(POLICY, now);
    let end = now + 3 * GIVE_UP;
    while now < end && !matches!(machine.phase(), Phase::Ended(Outcome::Stopped)) {
        let _asked = machine.on_event(Event::StopRequested, now);
        let _passed = machine.on_event(Event::Tick, now);
        now += Duration::from_millis(50);
    }
    assert_eq!(*machine.phase(), Phase::Ended(Outcome::Stopped));
}

#[test]
fn a_main_process_that_nothing_ends_does_not_keep_a_stop_from_ending() {
    let now = Instant::now();
    let mut machine = up(POLICY, now);
    assert_eq!(machine.on_event(Event::StopRequested, now), Action::AskMain);
    let mut actions = Vec::new();
    while let Some(later) = machine.next_deadline() {
        actions.push(machine.on_event(Event::Tick, later));
    }
    let wanted = [
        Action::KillMain,
        Action::EndTree { force: false },
        Action::EndTree { force: true },
        Action::Nothing,
    ];
    assert_eq!(actions, wanted);
    assert_eq!(*machine.phase(), Phase::Ended(Outcome::Stopped));
}

#[test]
fn a_port_that_is_lost_again_and_again_is_a_crash_loop() {
    let now = Instant::now();
    let mut machine = Machine::new(POLICY, 7, now);
    for _ in 0..20 {
        let now = machine.next_deadline().unwrap_or(now);
        let _spawn = machine.on_event(Event::Tick, now);
        let _up = machine.on_event(Event::Spawned, now);
        let _clear = machine.on_event(FAILED, now);
        let _again = machine.on_event(Event::PortLost { why: Reason::PortLost { port: 7 } }, now);
    }
    assert_eq!(*machine.phase(), Phase::Ended(Outcome::Crashed { why: Reason::PortLost { port: 7 } }));
}

#[test]
fn what_survives_everything_does_not_keep_a_stop_from_ending() {
    let now = Instant::now();
    let mut machine = Machine::remains(POLICY, now);
    assert_eq!(machine.on_event(Event::StopRequested, now), Action::EndTree { force: false });
    let later = machine.next_deadline().unwrap();
    assert_eq!(machine.on_event(Event::Tick, later), Action::EndTree { force: true });
    let later = machine.next_deadline().unwrap();
    assert_eq!(machine.on_event(Event::Tick, later), Action::Nothing);
    assert_eq!(*machine.phase(), Phase::Ended(Outcome::Stopped));
}

#[test]
fn a_start_that_takes_too_long_is_late_and_left_alone() {
    let now = Instant::now();
    let mut machine = Machine::new(POLICY, 7, now);
    assert_eq!(machine.on_event(Event::Tick, now), Action::Spawn);
    assert_eq!(machine.on_event(Event::Spawned, now), Action::Nothing);
    let later = machine.next_deadline().unwrap();
    assert_eq!(machine.on_event(Event::Tick, later), Action::Nothing);
    assert!(matches!(machine.phase(), Phase::Starting { late: true, .. }));
    assert_eq!(machine.next_deadline(), None, "nothing is polled by the clock any more");
    assert_eq!(machine.on_event(Event::Answered, later), Action::Nothing);
    assert!(matches!(machine.phase(), Phase::Up { .. }), "{machine:?}");
}

#[test]
fn a_restart_of_what_has_crashed_ends_nothing() {
    let now = Instant::now();
    let mut machine = up(Policy { restart: RestartPolicy::Never, ..POLICY }, now);
    assert_eq!(die(&mut machine, FAILED, now), Action::Nothing);
    assert_eq!(machine.on_event(Event::RestartRequested, now), Action::Renew);
}

#[test]
fn a_save_restarts_what_runs_after_it_has_ended() {
    let now = Instant::now();
    let mut starting = Machine::new(POLICY, 7, now);
    assert_eq!(starting.on_event(Event::Tick, now), Action::Spawn);
    assert_eq!(starting.on_event(Event::Spawned, now), Action::Nothing);
    for mut machine in [up(POLICY, now), starting] {
        assert_eq!(machine.on_event(Event::Saved, now), Action::AskMain);
        assert_eq!(machine.on_event(Event::Saved, now), Action::Nothing, "the one to come has it");
        assert_eq!(machine.on_event(Event::MainEnded(End::Code(0)), now), Action::EndTree { force: false });
        assert_eq!(machine.on_event(Event::Saved, now), Action::Nothing);
        assert_eq!(machine.on_event(Event::TreeEmpty, now), Action::Spawn);
        assert_eq!(machine.on_event(Event::Spawned, now), Action::Nothing);
        assert_eq!(
            (machine.restarts(), machine.next_deadline()),
            (Some(1), Some(now + Duration::from_secs(60)))
        );
    }
}

#[test]
fn a_save_brings_back_what_crashed_or_ended_at_once_and_its_past_is_forgotten() {
    let now = Instant::now();
    let mut machine = up(Policy { restart: RestartPolicy::Always, ..POLICY }, now);
    for _ in 0..4 {
        let _spawn = die(&mut machine, FAILED, now);
        let _waited = machine.on_event(Event::Tick, machine.next_deadline().unwrap_or(now));
        assert_eq!(machine.on_event(Event::Spawned, now), Action::Nothing);
    }
    assert_eq!(machine.on_event(Event::Answered, now), Action::Nothing);
    assert_eq!(die(&mut machine, FAILED, now), Action::Nothing);
    assert!(matches!(machine.phase(), Phase::Ended(Outcome::Crashed { .. })));
    assert_eq!(machine.on_event(Event::Saved, now), Action::Spawn);

    assert_eq!(machine.on_event(Event::Spawned, now), Action::Nothing);
    assert_eq!(die(&mut machine, FAILED, now), Action::Nothing, "the new one never was ready: no second try");
    assert!(matches!(machine.phase(), Phase::Ended(Outcome::Crashed { .. })));
    assert_eq!(machine.on_event(Event::Saved, now), Action::Spawn);
    assert_eq!(machine.on_event(Event::Spawned, now), Action::Nothing);
    assert_eq!(machine.on_event(Event::Answered, now), Action::Nothing);
    assert_eq!(die(&mut machine, FAILED, now), Action::Spawn, "its first failure is its first");

    let mut machine = up(POLICY, now);
    assert_eq!(die(&mut machine, Event::MainEnded(End::Code(0)), now), Action::Nothing);
    assert_eq!(machine.on_event(Event::Saved, now), Action::Spawn);
}

#[test]
fn a_save_ends_a_backoff_and_is_not_forgotten_while_the_group_is_ended() {
    let now = Instant::now();
    let mut machine = up(POLICY, now);
    assert_eq!(die(&mut machine, FAILED, now), Action::Spawn);
    assert_eq!(machine.on_event(Event::Spawned, now), Action::Nothing);
    assert_eq!(die(&mut machine, FAILED, now), Action::Nothing, "it waits now");
    assert_eq!(machine.on_event(Event::Saved, now), Action::Spawn);

    let mut machine = up(Policy { restart: RestartPolicy::Never, ..POLICY }, now);
    assert_eq!(machine.on_event(FAILED, now), Action::EndGroup { force: false });
    assert_eq!(machine.on_event(Event::Saved, now), Action::Nothing);
    assert_eq!(machine.on_event(Event::GroupEmpty, now), Action::Spawn);
}

#[test]
fn a_restart_that_was_asked_for_is_not_made_less_by_a_save() {
    let now = Instant::now();
    for (first, second) in [(Event::Saved, Event::RestartRequested), (Event::RestartRequested, Event::Saved)]
    {
        let mut machine = up(POLICY, now);
        assert_eq!(machine.on_event(first.clone(), now), Action::AskMain);
        assert_eq!(machine.on_event(second.clone(), now), Action::Nothing);
        let _swept = machine.on_event(Event::MainEnded(End::Code(0)), now);
        assert_eq!(machine.on_event(Event::TreeEmpty, now), Action::Renew, "{first:?}, {second:?}");

        let mut machine = up(POLICY, now);
        assert_eq!(machine.on_event(FAILED, now), Action::EndGroup { force: false });
        assert_eq!(machine.on_event(first, now), Action::Nothing);
        assert_eq!(machine.on_event(second, now), Action::Nothing);
        assert_eq!(machine.on_event(Event::GroupEmpty, now), Action::Renew);
    }
}

#[test]
fn a_save_brings_nothing_back_that_was_stopped() {
    let now = Instant::now();
    let mut machine = up(POLICY, now);
    assert_eq!(machine.on_event(Event::StopRequested, now), Action::AskMain);
    assert_eq!(machine.on_event(Event::Saved, now), Action::Nothing);
    assert_eq!(machine.on_event(Event::MainEnded(End::Code(0)), now), Action::EndTree { force: false });
    assert_eq!(machine.on_event(Event::Saved, now), Action::Nothing);
    assert_eq!(machine.on_event(Event::TreeEmpty, now), Action::Nothing);
    assert_eq!(machine.on_event(Event::Saved, now), Action::Nothing);
    assert_eq!(*machine.phase(), Phase::Ended(Outcome::Stopped));
}

mod failures;
mod properties;
