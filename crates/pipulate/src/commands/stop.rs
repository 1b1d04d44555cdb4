//! `stop`: ends services and all their processes, and nothing else; prints a receipt.

use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_core::status::ServiceStatus;
use pipulate_engine::projects;
use pipulate_engine::report::{Outcome, Outcomes};
use pipulate_engine::request::{Desired, Request, StopOptions, Wait};
use pipulate_store::registry;
use signal_hook::consts::SIGINT;

use crate::call::{Projects, StopSettings};
use crate::commands::audience::Asker;
use crate::commands::status;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::ui::receipt;

/// Stops services of this project, or of every one.
pub(crate) fn stop(context: &Context, settings: StopSettings) -> Result<ExitStatus, Failure> {
    listen_to_ctrl_c(context)?;
    interrupt::outlives_its_terminal()?;
    match settings.projects {
        Projects::This => stop_project(context, &settings),
        Projects::All => {
            let mut worst = ExitStatus::Success;
            let mut known = Vec::new();
            for root in projects::find(registry::projects(context.project.layout.user())) {
                match context.of_project(root) {
                    Ok(context) => known.push(context),
                    Err(fault) => {
                        context.printer.failure(&Failure::of_fault(&fault));
                        worst = ExitStatus::Failed;
                    }
                }
            }
            // This command ends with the project that it was typed in.
            known.sort_by_key(|context| context.project.own_service().is_some());
            for context in known {
                if context.project.is_alive() {
                    context.printer.note(format!("Stopping {}", context.project.layout.root()));
                    let ended = stop_project(&context, &settings).unwrap_or_else(|failure| {
                        // A failure in one project doesn't affect the others.
                        context.printer.failure(&failure);
                        ExitStatus::Failed
                    });
                    if ended != ExitStatus::Success {
                        worst = ExitStatus::Failed;
                    }
                }
            }
            Ok(worst)
        }
    }
}

fn stop_project(context: &Context, settings: &StopSettings) -> Result<ExitStatus, Failure> {
    let stop = StopOptions { timeout: settings.timeout, force: settings.force };
    let request = Request::new(Desired::Stopped, settings.services.clone(), Wait::No);
    let request = Request { stop, consent: settings.yes, ..request };
    let mut asker = Asker::new(context, "stop", &request.services);
    let done = context.project.act(&request, &mut asker).map_err(|denial| asker.failure(denial))?;
    report(context, &done.outcomes, &request.services, &done.ended_kernels)
}

/// Stops these services, dependents first, and prints the receipt.
pub(crate) fn stop_services(context: &Context, services: &[ServiceName]) -> Result<ExitStatus, Failure> {
    let request = Request::new(Desired::Stopped, services.to_vec(), Wait::No);
    let mut asker = Asker::new(context, "stop", services);
    let outcomes = context.project.stop_all(services, &request, &mut asker);
    report(context, &outcomes.map_err(|denial| asker.failure(denial))?, services, &[])
}

fn report(
    context: &Context,
    outcomes: &Outcomes,
    asked: &[ServiceName],
    kernels: &[String],
) -> Result<ExitStatus, Failure> {
    receipt::print(&context.printer, outcomes, asked, kernels)?;
    let is_clean = outcomes.iter().all(|(_, outcome)| match outcome {
        Outcome::AlreadyStopped | Outcome::StartWithdrawn | Outcome::Unrecorded(_) => true,
        Outcome::Stopped { .. } => outcome.receipt().is_some_and(|receipt| receipt.survivors.is_empty()),
        Outcome::Up { .. }
        | Outcome::Begun
        | Outcome::Failed { .. }
        | Outcome::TimedOut
        | Outcome::Unmet { .. }
        | Outcome::Refused(_) => false,
    });
    Ok(if is_clean { ExitStatus::Success } else { ExitStatus::Failed })
}

fn listen_to_ctrl_c(context: &Context) -> Result<(), Failure> {
    let context = context.clone();
    Ok(interrupt::ends_with_130_after(&[SIGINT], move || say_what_goes_on(&context))?)
}

/// The message after Ctrl-C: supervisors complete their requests; services still waiting for
/// their turn keep running.
fn say_what_goes_on(context: &Context) {
    let living = status::glance(context).services.into_iter().filter(ServiceStatus::is_there);
    let (stopping, running): (Vec<_>, Vec<_>) =
        living.partition(|service| service.state == ServiceState::Stopping);
    let names = |services: Vec<ServiceStatus>| -> Vec<String> {
        services.into_iter().map(|service| service.name.to_string()).collect()
    };
    let said = [("still stopping", names(stopping)), ("still running", names(running))].into_iter();
    let said = said.filter(|(_, names)| !names.is_empty());
    let said: Vec<String> = said.map(|(what, names)| format!("; {what}: {}", names.join(", "))).collect();
    context.printer.clear_line();
    context.printer.note(format!("Interrupted{}", said.concat()));
    if !said.is_empty() {
        context.printer.hint("check on them with: pipulate status");
    }
}
