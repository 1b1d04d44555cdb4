//! `start --foreground`: stays, shows the services' output, and stops them at the end.
//!
//! Only Ctrl-C and TERM stop everything, from the first moment on. A closed output, a closed terminal, and a
//! failed start leave services running that they did not begin. A failed service doesn't affect the others,
//! as in any other start; but the exit code is then a failure, too.

use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_core::status::ServiceStatus;
use pipulate_engine::work;
use pipulate_process::poll::{self, Interest};
use pipulate_store::record::{self, Record};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::Keys;
use crate::commands::audience::Asker;
use crate::commands::{logs, status, stop};
use crate::context::Context;
use crate::error::{Failure, FailureKind};
use crate::exit_code::ExitStatus;
use crate::interrupt;

/// The signals that end a start in the foreground.
pub(super) const ENDED_BY: [i32; 2] = [SIGINT, SIGTERM];

/// Ctrl-C in `start --foreground | tee log` ends `tee`, too, and the output may close before this process
/// gets the signal: for this long after a closed output, a signal counts as the same key press.
const SAME_KEY: Duration = Duration::from_millis(250);
/// The time to wait for a second Ctrl-C once the output is closed.
const SECOND_KEY: Duration = Duration::from_secs(10);

/// Handles Ctrl-C before everything was up: stops the services that this start began.
pub(super) fn leave_early(
    context: &Context,
    services: &[ServiceName],
    begun: &[ServiceName],
    keys: &Keys,
) -> Result<ExitStatus, Failure> {
    interrupt::outlives_its_terminal()?;
    context.printer.clear_line();
    say_what_ran_before(context, services, begun);
    if begun.is_empty() {
        return Ok(ExitStatus::Interrupted);
    }
    let mut asker = Asker::new(context, "stop", begun);
    let is_terminated = keys.is_terminated.load(Ordering::SeqCst);
    context.project.spare_work(begun, is_terminated, &mut asker).map_err(|busy| asker.failure(busy))?;
    stop::stop_services(context, begun)
}

/// Stays until the user leaves, or no service runs. `failure` is that of the other services.
pub(super) fn stay(
    context: &Context,
    services: &[ServiceName],
    began: Timestamp,
    keys: &Keys,
    failure: Option<Failure>,
) -> Result<ExitStatus, Failure> {
    let has_failed = failure.is_some();
    if let Some(failure) = failure {
        if living(context, services).is_empty() {
            return Err(failure);
        }
        context.printer.failure(&failure);
    }
    let clean = match follow(context, services, began, keys) {
        Ok(logs::Ended::Left) => {
            interrupt::outlives_its_terminal()?;
            stop::stop_services(context, services)?
        }
        Ok(logs::Ended::NothingRuns) => how_they_ended(context, services)?,
        Ok(logs::Ended::Unread) => {
            say_what_goes_on(context, services, "The output was closed");
            ExitStatus::Success
        }
        Err(failure) => {
            say_what_goes_on(context, services, "The output can't be shown");
            return Err(failure);
        }
    };
    Ok(if has_failed { ExitStatus::Failed } else { clean })
}

/// Stops the services that were begun before the start itself failed. Earlier services stay, and so does
/// JupyterLab with new work in progress.
pub(super) fn give_up(
    context: &Context,
    services: &[ServiceName],
    begun: &[ServiceName],
    failure: Failure,
) -> Failure {
    if let Err(error) = interrupt::outlives_its_terminal() {
        context.printer.failure(&error.into());
    }
    say_what_ran_before(context, services, begun);
    let mut ended = begun.to_vec();
    let mut asker = Asker::new(context, "stop", begun);
    if let Err(busy) = context.project.spare_work(begun, false, &mut asker) {
        context.printer.failure(&asker.failure(busy));
        ended.retain(|service| service.as_str() != ServiceName::JUPYTER);
    }
    if !ended.is_empty()
        && let Err(other) = stop::stop_services(context, &ended)
    {
        context.printer.failure(&other);
    }
    failure
}

fn follow(
    context: &Context,
    services: &[ServiceName],
    began: Timestamp,
    keys: &Keys,
) -> Result<logs::Ended, Failure> {
    interrupt::is_handled_elsewhere();
    let Keys { stream: interrupted, is_terminated } = keys;
    context.printer.note("Ctrl-C stops everything");
    let was_warned = AtomicBool::new(false);
    // A key pressed by habit may lose hours of work.
    let is_meant = || {
        is_terminated.load(Ordering::SeqCst)
            || was_warned.swap(true, Ordering::SeqCst)
            || !warn_of_work(context, services)
    };
    let until = logs::Until::NothingRuns { is_meant: &is_meant };
    match logs::follow_since(context, services, began, interrupted, &until) {
        Ok(logs::Ended::Unread) => {}
        Err(failure) if failure.kind == FailureKind::ReaderGone => {}
        ended => return ended,
    }
    if !was_warned.load(Ordering::SeqCst) {
        if !comes(interrupted, SAME_KEY)? {
            return Ok(logs::Ended::Unread);
        }
        if is_meant() {
            return Ok(logs::Ended::Left);
        }
        (&*interrupted).read_exact(&mut [0])?;
    }
    // The warning said that the next one stops everything.
    Ok(if comes(interrupted, SECOND_KEY)? { logs::Ended::Left } else { logs::Ended::Unread })
}

/// Returns true if a signal comes within this time.
fn comes(interrupted: &UnixStream, patience: Duration) -> Result<bool, Failure> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let ready = poll::wait(&[(interrupted.as_fd(), Interest::Read)], Some(left))?;
        if ready.iter().any(|stream| stream.ready) || left.is_zero() {
            return Ok(ready.iter().any(|stream| stream.ready));
        }
    }
}

/// Prints one line, so that a closed output says as much as a closed terminal.
fn say_what_goes_on(context: &Context, services: &[ServiceName], why: &str) {
    let living = names(&living(context, services));
    match living.is_empty() {
        true => context.printer.note(format!("{why}; nothing is running")),
        false => {
            let stop = context.typed("stop");
            context.printer.note(format!("{why}; still running: {living}. To stop them: {stop}"));
        }
    }
}

fn say_what_ran_before(context: &Context, services: &[ServiceName], begun: &[ServiceName]) {
    let others: Vec<ServiceName> =
        services.iter().filter(|service| !begun.contains(service)).cloned().collect();
    let living = living(context, &others);
    if !living.is_empty() {
        context
            .printer
            .note(format!("Still running, because this start did not begin them: {}", names(&living)));
    }
}

fn names(services: &[ServiceStatus]) -> String {
    services.iter().map(|service| service.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Warns of work in progress; returns true if there is any.
fn warn_of_work(context: &Context, services: &[ServiceName]) -> bool {
    let is_theirs = services.iter().any(|service| service.as_str() == ServiceName::JUPYTER);
    let work = if is_theirs { work::in_progress(&context.project.layout) } else { Vec::new() };
    let names: Vec<String> = work.iter().map(pipulate_words::work).collect();
    if !names.is_empty() {
        let names = names.join("; ");
        context
            .printer
            .warning(format!("work is in progress in JupyterLab: {names}; Ctrl-C again stops everything"));
    }
    !names.is_empty()
}

fn living(context: &Context, services: &[ServiceName]) -> Vec<ServiceStatus> {
    let status = status::glance(context).services.into_iter();
    status.filter(|service| services.contains(&service.name) && service.is_there()).collect()
}

/// A success if the services were stopped by another command or are done; reports crashes.
fn how_they_ended(context: &Context, services: &[ServiceName]) -> Result<ExitStatus, Failure> {
    context.printer.note("Everything has stopped");
    // From their last records, which say that they end; their supervisors may still be exiting.
    let records =
        services.iter().filter_map(|service| record::read(&context.project.layout, service).ok().flatten());
    let crashed: Vec<Record> = records.filter(|record| record.state == ServiceState::Crashed).collect();
    if crashed.is_empty() {
        return Ok(ExitStatus::Success);
    }
    let names: Vec<&str> = crashed.iter().map(|record| record.service.as_str()).collect();
    let failure = Failure::failed(format!("crashed: {}", names.join(", ")));
    let reasons = crashed.iter().filter_map(|record| {
        let why = pipulate_words::reasons(&record.reasons, &record.service)?;
        Some(format!("{}: {why}", record.service))
    });
    Err(reasons.fold(failure, Failure::cause))
}
