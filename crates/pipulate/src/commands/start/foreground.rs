//! `start --foreground`: stays, shows what the services print, and stops them at the end.
//!
//! Ctrl-C and TERM stop everything, from the first moment on. What failed keeps nobody from the rest,
//! as in any other start; but the end is then a failure, too.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_core::status::ServiceStatus;
use pipulate_process::command::Command;
use pipulate_store::record::{self, Record};
use pipulate_supervisor::halt::Manner;
use pipulate_supervisor::work;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::commands::{logs, status, stop};
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::interrupt;

/// What ends a start in the foreground.
pub(super) const ENDED_BY: [i32; 2] = [SIGINT, SIGTERM];

/// Ctrl-C before there was anything to show: a stop takes this start's place, so that nothing is
/// started any more.
pub(super) fn leave_early(context: &Context, services: &[ServiceName]) {
    context.printer.clear_line();
    let stop = Command::new(&context.exe).arg("-C").arg(context.layout.root().as_os_str()).arg("stop");
    let failed = stop.args(services.iter().map(ServiceName::as_str)).exec();
    context.printer.failure(&failed.into());
}

/// Stays until somebody leaves, or nothing runs any more. `failure` is what became of the others.
pub(super) fn stay(
    context: &Context,
    services: &[ServiceName],
    began: Timestamp,
    failure: Option<Failure>,
) -> Result<ExitStatus, Failure> {
    let has_failed = failure.is_some();
    if let Some(failure) = failure {
        if living(context, services).is_empty() {
            return Err(failure);
        }
        context.printer.failure(&failure);
    }
    let ended = follow(context, services, began)?;
    let clean = match ended {
        logs::Ended::Left => stop::stop_services(context, services, Manner { timeout: None, force: false })?,
        logs::Ended::NothingRuns => how_they_ended(context, services)?,
    };
    Ok(if has_failed { ExitStatus::Failed } else { clean })
}

/// What was started before the start itself failed does not go on without it.
pub(super) fn give_up(context: &Context, services: &[ServiceName], failure: Failure) -> Failure {
    let stopped = stop::stop_services(context, services, Manner { timeout: None, force: false });
    if let Err(other) = stopped {
        context.printer.failure(&other);
    }
    failure
}

fn follow(context: &Context, services: &[ServiceName], began: Timestamp) -> Result<logs::Ended, Failure> {
    let interrupted: UnixStream = interrupt::stream_of(&ENDED_BY)?;
    let is_terminated = Arc::new(AtomicBool::new(false));
    flag::register(SIGTERM, Arc::clone(&is_terminated))?;
    interrupt::is_handled_elsewhere();
    context.printer.note("Ctrl-C stops everything");
    let was_warned = AtomicBool::new(false);
    // Hours of work may be lost by a key that is pressed by habit.
    let is_meant = || {
        is_terminated.load(Ordering::SeqCst)
            || was_warned.swap(true, Ordering::SeqCst)
            || !warn_of_work(context, services)
    };
    let until = logs::Until::NothingRuns { is_meant: &is_meant };
    logs::follow_since(context, services, began, &interrupted, &until)
}

/// Whether there is work in progress, which is named.
fn warn_of_work(context: &Context, services: &[ServiceName]) -> bool {
    let is_theirs = services.iter().any(|service| service.as_str() == ServiceName::JUPYTER);
    let work = if is_theirs { work::in_progress(&context.layout) } else { Vec::new() };
    let names: Vec<String> = work.iter().map(ToString::to_string).collect();
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

/// Stopped from elsewhere, or done: that is well. What crashed is told.
fn how_they_ended(context: &Context, services: &[ServiceName]) -> Result<ExitStatus, Failure> {
    context.printer.note("Nothing runs any more");
    // Their last words, as they said that they end; who wrote them may still be on the way out.
    let records = services.iter().filter_map(|service| record::read(&context.layout, service).ok().flatten());
    let crashed: Vec<Record> = records.filter(|record| record.state == ServiceState::Crashed).collect();
    if crashed.is_empty() {
        return Ok(ExitStatus::Success);
    }
    let names: Vec<&str> = crashed.iter().map(|record| record.service.as_str()).collect();
    let failure = Failure::failed(format!("crashed: {}", names.join(", ")));
    let reasons = crashed.iter().filter_map(|record| Some((&record.service, record.reason.as_ref()?)));
    Err(reasons.fold(failure, |failure, (name, why)| failure.cause(format!("{name}: {why}"))))
}
