//! `stop`: ends services and everything that they started, and nothing else; prints a receipt.

use std::collections::BTreeSet;

use pipulate_core::service::ServiceName;
use pipulate_engine::stop::{Manner, Stopped, stop as stop_all};
use pipulate_engine::{plan, projects, query, work};
use pipulate_store::registry;

use crate::cli::{Projects, StopSettings};
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::ui::ask;
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
    context.config_or_warning();
    let elsewhere = context.elsewhere();
    let mut known = stoppable(context)?;
    let mut places = Vec::new();
    for place in &elsewhere {
        let services = query::services(&place.layout)?;
        known.extend(services.iter().cloned());
        places.push((place, services));
    }
    context.refuse_unknown(&settings.services, &known)?;
    let is_wanted = |name: &ServiceName| settings.services.is_empty() || settings.services.contains(name);
    places.insert(0, (context, known.into_iter().collect()));
    places.iter_mut().for_each(|(_, services)| services.retain(is_wanted));
    if !settings.yes {
        for (place, wanted) in &places {
            spare_work_in_progress(place, wanted, "stop", &settings.services)?;
        }
    }
    let manner = Manner { timeout: settings.timeout, force: settings.force };
    let outcomes = places.iter().flat_map(|(place, wanted)| stop_in_waves(place, wanted, manner)).collect();
    report(context, outcomes)
}

/// Stops these services, those first that others don't depend on, and prints the receipt.
pub(crate) fn stop_services(
    context: &Context,
    services: &[ServiceName],
    manner: Manner,
) -> Result<ExitStatus, Failure> {
    report(context, stop_in_waves(context, services, manner))
}

fn stop_in_waves(context: &Context, services: &[ServiceName], manner: Manner) -> Vec<(ServiceName, Stopped)> {
    let waves = waves(context, services).into_iter();
    waves.flat_map(|wave| stop_all(&context.layout, &context.program(), &wave, manner)).collect()
}

fn report(context: &Context, outcomes: Vec<(ServiceName, Stopped)>) -> Result<ExitStatus, Failure> {
    receipt::print(&context.printer, &outcomes)?;
    let is_clean = outcomes.iter().all(|(_, outcome)| match outcome {
        Stopped::Already | Stopped::Unrecorded(_) => true,
        Stopped::Done(receipt) => receipt.survivors.is_empty(),
        Stopped::Refused(_) => false,
    });
    Ok(if is_clean { ExitStatus::Success } else { ExitStatus::Failed })
}

/// Refuses, or asks on a terminal, when `verb`, which stops these services, would cut work off. `asked`
/// are those that were named.
///
/// # Errors
/// Something is being done, and nobody said that its end is fine.
pub(crate) fn spare_work_in_progress(
    context: &Context,
    services: &[ServiceName],
    verb: &str,
    asked: &[ServiceName],
) -> Result<(), Failure> {
    if services.iter().all(|service| service.as_str() != ServiceName::JUPYTER) {
        return Ok(());
    }
    let work = work::in_progress(&context.layout);
    if work.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = work.iter().map(ToString::to_string).collect();
    let what = format!("work is in progress in JupyterLab: {}", names.join("; "));
    let names = asked.iter().map(ServiceName::as_str);
    let command = std::iter::once(verb).chain(names).collect::<Vec<_>>().join(" ");
    if ask::yes(&context.printer, &format!("{what}. {command} all the same?")) {
        return Ok(());
    }
    let failure = Failure::failed(format!("{what}; nothing was stopped"));
    let anyway = format!("wait until it is done, or {verb} anyway with: pipulate {command}");
    Err(match verb {
        "stop" => failure
            .hint(format!("{anyway} --yes"))
            .hint(format!("to end it at once instead: pipulate {command} --force")),
        _ => failure.hint(format!("{anyway} --force (--yes means the same here)")),
    })
}

/// What has a record, and what exists here.
fn stoppable(context: &Context) -> Result<BTreeSet<ServiceName>, Failure> {
    let mut known: BTreeSet<ServiceName> = query::services(&context.layout)?.into_iter().collect();
    known.extend(context.services());
    Ok(known)
}

/// Groups of services, whoever depends on another one before that one. This command ends with the service
/// that it was typed in, and has to have asked for everything else by then.
fn waves(context: &Context, services: &[ServiceName]) -> Vec<Vec<ServiceName>> {
    let recorded: BTreeSet<ServiceName> =
        query::services(&context.layout).unwrap_or_default().into_iter().collect();
    // Nothing waits for what never ran: it needs no group of its own.
    let (recorded, others): (Vec<_>, Vec<_>) =
        services.iter().cloned().partition(|service| recorded.contains(service));
    let mut waves = plan::waves(context.config_as_read().as_ref().ok(), &recorded);
    waves.reverse();
    waves.extend((!others.is_empty()).then_some(others));
    context.own_service_last(&mut waves);
    waves
}
