//! A command whose supervisors are killed while it runs: its result is true, and comes soon.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::dice::Dice;
use super::rounds::Rounds;
use super::supervisors::supervisor;
use super::tally::Tally;
use crate::support::run::Output;
use crate::support::wait::wait_for_ok;
use crate::support::{Process, TestProject};

const SERVICES: [&str; 2] = ["patient", "worker"];
/// A service that is slow to start and stop, and one that isn't.
const CONFIG: &str = "[services.patient]\n\
                      command = [\"sh\", \"-c\", \"trap 'sleep 0.1; exit 0' TERM; sleep 0.1; echo up; while :; do sleep 0.05; done\"]\n\
                      ready = { log = \"up\" }\n\
                      [services.worker]\ncommand = [\"sleep\", \"1000\"]\n";
/// Longer than any of these commands takes.
const LONGEST: Duration = Duration::from_millis(500);

#[test]
fn a_verb_whose_supervisors_are_killed_ends_with_the_truth() {
    let project = TestProject::light().table("server", "enabled = false").config(CONFIG).build();
    // A home without running services at the beginning of a round.
    project.start(&[]);
    project.run(&["stop"]).expect(0);
    let mut rounds = Rounds::of("a_verb_whose_supervisors_are_killed_ends_with_the_truth", 8);
    while let Some((_, mut dice)) = rounds.next() {
        // With siblings, or without.
        let services: &[&str] = if dice.below(3) == 0 { &SERVICES[..1] } else { &SERVICES };
        match dice.below(4) {
            0 => start(&project, services, &mut dice, &mut rounds.tally),
            1 => stop(&project, services, &mut dice, &mut rounds.tally),
            _ => restart(&project, services, &mut dice, &mut rounds.tally),
        }
        project.run(&["stop"]).expect(0);
        assert_eq!(project.processes(), []);
    }
}

fn start(project: &TestProject, services: &[&str], dice: &mut Dice, tally: &mut Tally) {
    let said = harassed(project, "start", services, dice, tally);
    for service in services.iter().filter(|_| said.code == Some(0)) {
        assert_is_up(project, service);
    }
}

fn stop(project: &TestProject, services: &[&str], dice: &mut Dice, tally: &mut Tally) {
    project.start(services);
    let said = harassed(project, "stop", services, dice, tally);
    if said.code == Some(0) {
        assert!(said.stdout.ends_with("0 processes left\n"), "{said:?}");
        let service = |process: &Process| !process.command.contains("__supervise");
        assert_eq!(project.processes().into_iter().filter(service).collect::<Vec<_>>(), [], "{said:?}");
    }
}

fn restart(project: &TestProject, services: &[&str], dice: &mut Dice, tally: &mut Tally) {
    project.start(services);
    let before: Vec<_> = services.iter().map(|service| project.service(service)["pid"].clone()).collect();
    let said = harassed(project, "restart", services, dice, tally);
    for (service, before) in services.iter().zip(before).filter(|_| said.code == Some(0)) {
        assert_ne!(assert_is_up(project, service), before, "{service} was not restarted: {said:?}");
    }
}

/// The last kill may have come after the healthy status: a takeover is done or still to come.
#[track_caller]
fn assert_is_up(project: &TestProject, service: &str) -> Value {
    let state = if service == "patient" { "ready" } else { "running" };
    wait_for_ok("a service that is up", || {
        let service = project.service(service);
        let is_up = service["state"] == state || service["state"] == "unsupervised";
        if is_up { Ok(service["pid"].clone()) } else { Err(service.to_string()) }
    })
}

/// Runs a command while one or more supervisors are killed at random moments. It must succeed, or give a
/// reason other than a timeout.
fn harassed(
    project: &TestProject,
    verb: &str,
    services: &[&str],
    dice: &mut Dice,
    tally: &mut Tally,
) -> Output {
    let is_over = AtomicBool::new(false);
    let said = thread::scope(|scope| {
        let mut hand = dice.fork();
        let is_over = &is_over;
        let killer = scope.spawn(move || kill_some(project, services, &mut hand, is_over));
        let setup: &[&str] = if verb == "start" { &["--no-setup"] } else { &[] };
        let said = project.run(&[&[verb], setup, services].concat());
        is_over.store(true, Ordering::Relaxed);
        tally.faults += killer.join().unwrap();
        said
    });
    match said.code {
        Some(0) => {}
        Some(1) => {
            tally.refused += 1;
            assert!(said.stderr.contains("again") || said.stdout.contains("again"), "{verb}: {said:?}");
        }
        _ => panic!("{verb} did not end with the truth: {said:?}"),
    }
    said
}

fn kill_some(project: &TestProject, services: &[&str], dice: &mut Dice, is_over: &AtomicBool) -> u64 {
    let mut killed = 0;
    for _ in 0..=dice.below(3) {
        dice.pause(LONGEST / 2);
        let service = *dice.pick(services);
        // The supervisor at work, or one that has just started.
        let newcomer = || project.supervisors(service).into_iter().next();
        let victim =
            supervisor(project, service).or_else(newcomer).filter(|_| !is_over.load(Ordering::Relaxed));
        if let Some(victim) = victim {
            victim.signal(Signal::KILL);
            killed += 1;
        }
    }
    killed
}
