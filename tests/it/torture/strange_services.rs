//! Services that are hard to supervise, and faults that hit them: none runs twice, none ends without a
//! request, and every report is true.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::rounds::Rounds;
use super::strange_faults::strike;
use super::strange_home::{Home, SERVICES};
use super::tally::Tally;
use crate::support::process::Process;

/// Bytes of supervisor.log for one fault and its consequences; a flood is far longer.
const LOG_OF_A_ROUND: u64 = 32 * 1024;

#[test]
fn strange_services_run_once_and_end_only_when_asked() {
    let home = Home::build();
    heal(&home);
    let mut rounds = Rounds::of("strange_services_run_once_and_end_only_when_asked", 6);
    while let Some((round, mut dice)) = rounds.next() {
        home.note(&format!("round {round}"));
        let log = home.log_length();
        for _ in 0..=dice.below(2) {
            let before = home.snapshot();
            let may_have_ended = strike(&home, &mut dice, &mut rounds.tally);
            home.settle();
            assert_survived(&home, &before, &may_have_ended);
            heal(&home);
        }
        rounds.tally.refused = home.refused.load(Ordering::Relaxed);
        home.assert_idle();
        let grown = home.log_length().saturating_sub(log);
        assert!(grown < LOG_OF_A_ROUND, "{grown} bytes of supervisor.log in a round");
        if dice.below(4) == 0 {
            stop(&home, &mut rounds.tally);
            heal(&home);
        }
    }
    stop(&home, &mut rounds.tally);
}

#[track_caller]
fn stop(home: &Home, tally: &mut Tally) {
    home.note("stop");
    let before: usize = home.snapshot().values().map(Vec::len).sum();
    home.stop().expect(0);
    home.settle();
    tally.ended += before as u64;
}

#[track_caller]
fn assert_survived(home: &Home, before: &BTreeMap<&str, Vec<Process>>, except: &[&str]) {
    let now = home.snapshot();
    for (service, before) in before.iter().filter(|(service, _)| !except.contains(service)) {
        let now = &now[service];
        let lives = |process: &Process| now.iter().any(|now| now.is(process));
        assert!(before.iter().all(lives), "{service} was ended: {before:?}, now {now:?}");
    }
}

/// Brings all services up and under supervision again, as a user would; ends no running process.
#[track_caller]
fn heal(home: &Home) {
    let _absent = std::fs::remove_file(home.project.path("fail"));
    home.note("heal");
    for _ in 0..3 {
        let status = home.settle();
        if SERVICES.iter().all(|service| is_well(&status[*service])) {
            return;
        }
        if status["hidden"]["state"] == "unknown" {
            // As the message advises.
            home.running("hidden").iter().for_each(Process::kill);
        }
        let before = home.snapshot();
        home.start();
        home.settle();
        assert_survived(home, &before, &[]);
        // A new count, so that the next pause is short.
        for service in SERVICES.iter().filter(|service| status[**service]["state"] == "unstable") {
            home.run(&["restart", service]);
        }
    }
    let status = home.settle();
    assert!(SERVICES.iter().all(|service| is_well(&status[*service])), "{status:#?}");
}

fn is_well(service: &serde_json::Value) -> bool {
    let up = ["ready", "running", "degraded"];
    up.iter().any(|state| service["state"] == *state) && !service["supervisor_pid"].is_null()
}
