//! `stop`: ends services and everything that they started, and nothing else; prints a receipt.

use pipulate_core::service::ServiceName;
use pipulate_engine::projects;
use pipulate_engine::report::{Outcome, Outcomes};
use pipulate_engine::request::{Desired, Request, StopOptions, Wait};
use pipulate_store::registry;

use crate::call::{Projects, StopSettings};
use crate::commands::audience::Asker;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::ui::receipt;

/// Stops services of this project, or of every one.
pub(crate) fn stop(context: &Context, settings: StopSettings) -> Result<ExitStatus, Failure> {
    interrupt::ends_with_130()?;
    interrupt::outlives_its_terminal()?;
    match settings.projects {
        Projects::This => stop_project(context, &settings),
        Projects::All => {
            let mut worst = ExitStatus::Success;
            let mut known = Vec::new();
            for root in projects::find(registry::projects(context.layout.user())) {
                match context.of_project(root) {
                    Ok(project) => known.push(project),
                    Err(failure) => {
                        context.printer.failure(&failure);
                        worst = ExitStatus::Failed;
                    }
                }
            }
            // This command ends with the project that it was typed in.
            known.sort_by_key(|project| project.own_service().is_some());
            for project in known {
                if project.is_alive() {
                    project.printer.note(format!("Stopping {}", project.layout.root()));
                    let ended = stop_project(&project, &settings).unwrap_or_else(|failure| {
                        // What is wrong in one of them keeps the others from nothing.
                        project.printer.failure(&failure);
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
    let done = context.project().act(&request, &mut asker).map_err(|denial| asker.failure(denial))?;
    report(context, &done.outcomes)
}

/// Stops these services, those first that others don't depend on, and prints the receipt.
pub(crate) fn stop_services(context: &Context, services: &[ServiceName]) -> Result<ExitStatus, Failure> {
    let request = Request::new(Desired::Stopped, services.to_vec(), Wait::No);
    let mut asker = Asker::new(context, "stop", services);
    let outcomes = context.project().stop_all(services, &request, &mut asker);
    report(context, &outcomes.map_err(|denial| asker.failure(denial))?)
}

fn report(context: &Context, outcomes: &Outcomes) -> Result<ExitStatus, Failure> {
    receipt::print(&context.printer, outcomes)?;
    let is_clean = outcomes.iter().all(|(_, outcome)| match outcome {
        Outcome::AlreadyStopped | Outcome::Unrecorded(_) => true,
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
