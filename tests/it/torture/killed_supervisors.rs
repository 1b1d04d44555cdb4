//! `kill -9` of one or more supervisors at any moment: no process of their services is lost.

use std::time::Duration;

use super::dice::Dice;
use super::lines::{LINES, Lines, with_lines};
use super::rounds::Rounds;
use super::supervisors::{kill, main_process};
use super::tally::Tally;
use crate::support::{Jupyter, TestProject};

const SERVICES: [&str; 3] = ["jupyter", LINES, "server"];
/// The interval, in rounds, at which the kernel is asked for its variable.
const QUESTION: u64 = 25;

#[test]
fn kill_9_of_a_supervisor_costs_no_line_and_no_variable() {
    let project = with_lines(TestProject::builder()).build();
    project.start(&[]);
    let jupyter = Jupyter::of(&project);
    let kernel = jupyter.kernel();
    kernel.run("x = 42");
    let alive = SERVICES.map(|service| main_process(&project, service).unwrap());
    let kernel_pid = project.service("jupyter")["kernels"][0]["pid"].clone();
    let mut lines = Lines::of(&project);
    let mut rounds = Rounds::of("kill_9_of_a_supervisor_costs_no_line_and_no_variable", 10);
    while let Some((round, mut dice)) = rounds.next() {
        lines.begin();
        dice.pause(lines.took);
        kill_somebody(&project, &mut dice, &mut rounds.tally);
        lines.prove(&mut rounds.tally);
        for (service, before) in SERVICES.iter().zip(&alive) {
            let now = main_process(&project, service);
            assert!(
                now.as_ref().is_some_and(|now| now.is(before)),
                "{service}: {now:?} instead of {before:?}"
            );
        }
        if round % QUESTION == QUESTION - 1 {
            assert_eq!(kernel.run("print(x)"), "42\n");
        }
    }
    assert_eq!(kernel.run("print(x)"), "42\n");
    assert_eq!(project.service("jupyter")["kernels"][0]["pid"], kernel_pid);
    // At most two starts since the last kill: adopted processes are stopped completely.
    project.run(&["stop"]).expect(0);
    assert_eq!(project.processes(), []);
}

/// Kills some supervisors and returns when every service has one again.
fn kill_somebody(project: &TestProject, dice: &mut Dice, tally: &mut Tally) {
    match dice.below(12) {
        0..=5 => kill(project, &[LINES], tally).await_adoption(tally),
        6 => kill(project, &["jupyter"], tally).await_adoption(tally),
        7 => kill(project, &["server"], tally).await_adoption(tally),
        8 => {
            let spared = *dice.pick(&SERVICES);
            let others: Vec<&str> = SERVICES.into_iter().filter(|service| *service != spared).collect();
            kill(project, &others, tally).await_adoption(tally);
        }
        9 => {
            let bereaved = kill(project, &[LINES], tally);
            dice.pause(Duration::from_millis(40));
            kill_whoever_comes(project, tally);
            bereaved.await_adoption(tally);
        }
        // A sibling and `start` at once: both are right, and one of them gives way.
        10 => kill(project, &[LINES], tally).start_all(tally),
        _ => kill(project, &SERVICES, tally).start_all(tally),
    }
}

/// Kills the next supervisor too, at work or not. The final one is a third.
fn kill_whoever_comes(project: &TestProject, tally: &mut Tally) {
    for newcomer in project.supervisors(LINES) {
        newcomer.kill();
        tally.faults += 1;
    }
}
