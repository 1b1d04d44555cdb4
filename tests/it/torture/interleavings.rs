//! Commands at once, with processes killed meanwhile: afterwards each service has one of each.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::dice::Dice;
use super::rounds::Rounds;
use super::supervisors::{main_process, supervisor};
use super::tally::Tally;
use crate::support::wait::{holds, wait_for_ok};
use crate::support::{Process, TestProject};

const SERVICES: [&str; 3] = ["patient", "server", "worker"];
/// A service that is slow to start and stop, and one that isn't, beside the web app.
const CONFIG: &str = "[services.patient]\n\
                      command = [\"sh\", \"-c\", \"trap 'sleep 0.1; exit 0' TERM; echo up; while :; do sleep 0.05; done\"]\n\
                      ready = { log = \"up\" }\n\
                      [services.worker]\ncommand = [\"sleep\", \"1000\"]\n";
/// States that soon change to another.
const PASSING: [&str; 4] = ["starting", "stopping", "backoff", "degraded"];

#[test]
fn random_interleavings_end_in_a_consistent_state() {
    let project = TestProject::light().config(CONFIG).build();
    project.start(&[]);
    let mut rounds = Rounds::of("random_interleavings_end_in_a_consistent_state", 8);
    while let Some((_, mut dice)) = rounds.next() {
        do_at_once(&project, &mut dice, &mut rounds.tally);
        settle(&project);
        match dice.below(4) {
            0 => {
                stop(&project);
                project.run(&["status"]).expect(3);
            }
            1 => start_twenty_times_at_once(&project, &mut rounds.tally),
            _ => start(&project),
        }
        start(&project);
        assert_one_of_each(&project);
    }
    stop(&project);
}

/// Starts everything. A service that was killed three times in a minute is up but unstable.
#[track_caller]
fn start(project: &TestProject) {
    let said = project.run(&["start", "--no-setup"]);
    let is_unstable = said.code == Some(1) && said.stderr.contains("since it was last up for a minute");
    assert!(said.code == Some(0) || is_unstable, "{said:?}");
}

/// Stops everything; no process is left. A supervisor that arrives too late ends itself.
#[track_caller]
fn stop(project: &TestProject) {
    project.run(&["stop"]).expect(0);
    let is_service = |process: &Process| !process.command.contains("__supervise");
    let left: Vec<Process> = project.processes().into_iter().filter(is_service).collect();
    assert!(left.is_empty(), "{left:#?}");
    holds("the end of the last supervisor", || project.processes().is_empty());
}

/// Two to six threads on one project, each with one to three actions.
fn do_at_once(project: &TestProject, dice: &mut Dice, tally: &mut Tally) {
    let hands: Vec<Dice> = (0..2 + dice.below(5)).map(|_| dice.fork()).collect();
    let tallies = thread::scope(|scope| {
        let work = |mut dice: Dice| {
            let mut tally = Tally::default();
            for _ in 0..=dice.below(3) {
                dice.pause(Duration::from_millis(80));
                do_something(project, &mut dice, &mut tally);
            }
            tally
        };
        let hands: Vec<_> = hands.into_iter().map(|dice| scope.spawn(move || work(dice))).collect();
        hands.into_iter().map(|hand| hand.join().unwrap()).collect::<Vec<_>>()
    });
    for one in tallies {
        tally.faults += one.faults;
        tally.refused += one.refused;
    }
}

fn do_something(project: &TestProject, dice: &mut Dice, tally: &mut Tally) {
    let service = *dice.pick(&SERVICES);
    let mut run = |args: &[&str]| {
        let output = project.run(args);
        let said = output.stderr.contains("error:");
        let is_told = output.code == Some(0) || said || args[0] == "status";
        assert!(is_told && !output.stderr.contains("panicked"), "{args:?}: {output:?}");
        tally.refused += u64::from(said);
    };
    match dice.below(14) {
        0 | 1 => run(&["start", "--no-setup"]),
        2 => run(&["start", "--no-setup", service]),
        3 => run(&["stop"]),
        4 => run(&["stop", service]),
        5 => run(&["stop", "--force"]),
        6 => run(&["restart"]),
        7 => run(&["restart", service]),
        8 => run(&["status"]),
        9 | 10 => tally.faults += signal(supervisor(project, service), Signal::KILL),
        11 => tally.faults += signal(main_process(project, service), Signal::KILL),
        12 => tally.faults += signal(supervisor(project, service), Signal::USR1),
        _ => {
            // As at a power loss: no record is updated.
            for service in SERVICES {
                tally.faults += signal(supervisor(project, service), Signal::KILL);
                tally.faults += signal(main_process(project, service), Signal::KILL);
            }
        }
    }
}

fn signal(process: Option<Process>, signal: Signal) -> u64 {
    process.inspect(|process| process.signal(signal)).is_some().into()
}

fn start_twenty_times_at_once(project: &TestProject, tally: &mut Tally) {
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| start(project));
        }
    });
    tally.faults += 20;
}

/// Waits until no change is pending and `status` agrees with the process table.
#[track_caller]
fn settle(project: &TestProject) -> Value {
    wait_for_ok("a consistent state", || consistent(project))
}

/// The status, if every process it names runs and every running process is named.
fn consistent(project: &TestProject) -> Result<Value, String> {
    let status = project.status();
    let living: BTreeMap<i64, Process> =
        project.processes().into_iter().map(|process| (process.pid.into(), process)).collect();
    let mut named = BTreeSet::new();
    for service in status["services"].as_array().unwrap() {
        let leaders = [&service["supervisor_pid"], &service["pid"]].into_iter().filter_map(Value::as_i64);
        let others = service["processes"].as_array().unwrap().iter();
        named.extend(others.filter_map(|process| process["pid"].as_i64()).chain(leaders.clone()));
        let is_passing = PASSING.iter().any(|state| service["state"] == *state);
        if is_passing || leaders.into_iter().any(|pid| !living.contains_key(&pid)) {
            return Err(format!("{service:#}\n{living:#?}"));
        }
    }
    // The patient service's sleeps are too short to appear in `status`.
    let is_told = |(pid, process): (&i64, &Process)| named.contains(pid) || process.command == "sleep 0.05";
    if living.iter().all(is_told) { Ok(status) } else { Err(format!("{status:#}\n{living:#?}")) }
}

/// As [`settle`]; in addition, every service is up with one supervisor and one main process.
#[track_caller]
fn assert_one_of_each(project: &TestProject) {
    for service in settle(project)["services"].as_array().unwrap() {
        let name = service["name"].as_str().unwrap();
        let is_up = ["ready", "running", "unstable"].iter().any(|state| service["state"] == *state);
        assert!(is_up && !service["supervisor_pid"].is_null(), "{service:#}");
        assert_eq!(project.supervisors(name).len(), 1, "{name}");
        let main =
            service["processes"].as_array().unwrap().iter().filter(|process| process["role"] == "main");
        assert_eq!(main.count(), 1, "{service:#}");
    }
}
