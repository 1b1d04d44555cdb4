//! Decisions: a case for each rule, and properties that hold for any observation.

mod cases;
mod properties;
mod upgrade;
mod withdrawn;

use std::time::{Duration, Instant};

use pipulate_core::receipt::Receipt;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_process::command::End;
use pipulate_store::record::Record;
use pipulate_supervisor::ownership::Ownership;

use super::goal::{ATTEMPTS, INSIST, LAUNCHES, TAKES_OVER};
use super::samples::{identity, main, pid, record, run, stopped};
use super::*;
use crate::request::{Desired, StopOptions};

fn seen(owner: Ownership, record: Option<Record>) -> Observed {
    Observed {
        main_lives: record.is_some(),
        record,
        unreadable: None,
        owner,
        awaited: Awaited::None,
        is_withdrawn: false,
        written: None,
        lost: None,
        holder: None,
        answer: None,
        why_failed: None,
        is_outdated: None,
        is_plain: false,
    }
}

fn supervised(state: ServiceState) -> Observed {
    seen(Ownership::Supervised(pid(10)), Some(record(state)))
}

/// Decides after a first look at `first`.
fn decide(aim: impl Into<Aim>, first: &Observed) -> Step {
    let mut goal = Goal::new(aim);
    goal.looked(first);
    reconcile(&goal, first, Instant::now())
}

/// Decides on `later` after the step for `first` was carried out.
fn decide_then(aim: impl Into<Aim>, first: &Observed, later: &Observed) -> Step {
    let mut goal = Goal::new(aim);
    goal.looked(first);
    let step = reconcile(&goal, first, Instant::now());
    goal.did(&step, first, Instant::now());
    reconcile(&goal, later, Instant::now())
}
