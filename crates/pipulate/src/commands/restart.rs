//! `restart`: stop and start, carried out by the services' own supervisors, so that it is finished
//! even when it was typed inside the service that it ends.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pipulate_core::config::Config;
use pipulate_core::service::ServiceName;
use pipulate_core::state::Wanted;
use pipulate_core::status::{ProjectStatus, Verdict};
use pipulate_engine::plan;
use pipulate_engine::restart::{self, Manner};
use pipulate_engine::start::Started;
use pipulate_store::record;

use crate::cli::RestartSettings;
use crate::commands::start::launching::{Launched, Unmet};
use crate::commands::{setup, start, status, stop};
use crate::context::Context;
use crate::error::{Failure, FailureKind};
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::specs;
use crate::ui::drift;
use crate::ui::progress::Progress;
use crate::ui::started;

/// How long a restart may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Restarts services; the others are not touched. Those that are named and don't run are started.
pub(crate) fn restart(context: &Context, settings: RestartSettings) -> Result<ExitStatus, Failure> {
    interrupt::ends_with_130()?;
    interrupt::outlives_its_terminal()?;
    // Before anything ends: with a configuration that can't be used, nothing would come back.
    let config = context.config()?;
    let status = status::project_status(context);
    let known = plan::known_services(config, context.layout.server_py().is_file());
    let known: BTreeSet<ServiceName> = known.into_iter().map(|service| service.name.clone()).collect();
    context.refuse_unknown(&settings.services, &known)?;
    let services = match settings.services.is_empty() {
        true => everything_but_kernels(context, &known, &status),
        false => settings.services,
    };
    if services.is_empty() {
        return nothing_to_do(context, &status);
    }
    specs::refuse_unusable(context, config, &services)?;
    let context = &start::make_home(context)?;
    context.refuse_elsewhere(&services)?;
    let as_it_was = |failure: Failure| failure.hint("what runs goes on as it was");
    for service in &services {
        record::try_out(&context.layout, service).map_err(|error| as_it_was(error.into()))?;
    }
    if !settings.yes {
        stop::spare_work_in_progress(context, &services, "restart", &services)?;
    }
    setup::warn_of_drift(context, config);
    let others: Vec<ServiceName> =
        context.services().into_iter().filter(|service| !services.contains(service)).collect();
    drift::warn_of_config(context, config, &others);
    start::start_needs(context, config, &services, PATIENCE).map_err(as_it_was)?;
    let restarted = restart_all(context, config, &services)?;
    report(context, &restarted)
}

/// Group by group, each after those that it depends on; a failure keeps what needs it as it is.
fn restart_all(context: &Context, config: &Config, services: &[ServiceName]) -> Result<Launched, Failure> {
    let progress = Progress::new(&context.printer);
    progress.now("restarting");
    let mut waves = plan::waves(Some(config), services);
    context.own_service_last(&mut waves);
    let program = context.lasting_program();
    let mut restarted = Launched::default();
    for wave in waves {
        let wave = restarted.without_unmet(config, wave);
        let manner = Manner {
            program: &program,
            specs: &|services| specs::for_start(context, config, services),
            deadline: Instant::now() + PATIENCE,
        };
        restarted.take(restart::restart(&context.layout, &wave, &manner)?);
    }
    Ok(restarted)
}

fn nothing_to_do(context: &Context, status: &ProjectStatus) -> Result<ExitStatus, Failure> {
    match status.verdict() {
        Verdict::Unknown => {
            let failure = Failure::failed("could not tell what runs; nothing was restarted");
            Err(status.unknown.iter().fold(failure, Failure::cause))
        }
        Verdict::NothingRunning => {
            context.printer.note("Nothing was restarted: nothing is running");
            context.printer.hint(format!("start it with: {}", context.typed("start")));
            Ok(ExitStatus::Success)
        }
        // What was left alone has been named.
        Verdict::Well | Verdict::Unwell => Ok(ExitStatus::Success),
    }
}

/// What runs or should run, such as what has crashed; JupyterLab only when it has no kernels. What would
/// not come back is not ended.
fn everything_but_kernels(
    context: &Context,
    known: &BTreeSet<ServiceName>,
    status: &ProjectStatus,
) -> Vec<ServiceName> {
    let mut services = Vec::new();
    for service in &status.services {
        let name = &service.name;
        let kernels = service.live.as_ref().map_or(0, |live| live.kernels.len());
        if !known.contains(name) {
            if service.live.is_some() {
                let why = format!("pipulate.toml would not bring it back; end it with: pipulate stop {name}");
                context.printer.note(format!("{name} is left alone: {why}"));
            }
        } else if name.as_str() == ServiceName::JUPYTER && kernels > 0 {
            let kernels = if kernels == 1 { "a kernel".to_owned() } else { format!("{kernels} kernels") };
            let how = format!("restart it with: pipulate restart {name}");
            context.printer.note(format!("{name} is left alone: it has {kernels}; {how}"));
        } else if service.live.is_some() || service.wanted == Wanted::Run {
            services.push(name.clone());
        }
    }
    services
}

fn report(context: &Context, restarted: &Launched) -> Result<ExitStatus, Failure> {
    let up = restarted.up.iter();
    let printed = up.map(|service| context.printer.data(format!("Restarted {service}")));
    // A reader that left is no reason to say nothing of what failed.
    let printed = printed.collect::<Result<(), Failure>>();
    for note in &restarted.notes {
        context.printer.warning(note);
    }
    let mut worst = ExitStatus::Success;
    for (service, outcome) in &restarted.failed {
        match outcome {
            Started::Up { .. } => {}
            Started::Failed { .. } | Started::NotSupervised { .. } => {
                if let Started::Failed { record } = outcome {
                    started::notes(record).for_each(|note| context.printer.warning(note));
                }
                started::show_last_lines(context, service, outcome);
                let failure = Failure::failed(format!("{service} did not come back"));
                let missing = started::missing_module(context, service, outcome);
                let failure = missing.into_iter().fold(failure, Failure::hint);
                let why = started::reason(service, outcome);
                context.printer.failure(&match why {
                    Some(why) => failure.cause(why),
                    None => failure,
                });
                worst = ExitStatus::Failed;
            }
            Started::TimedOut => {
                let failure = Failure::new(FailureKind::TimedOut, format!("{service} is not ready yet"));
                context.printer.failure(&failure.hint("look how it goes with: pipulate status"));
                worst = if worst == ExitStatus::Success { ExitStatus::TimedOut } else { worst };
            }
        }
    }
    for Unmet { service, needed } in &restarted.unmet {
        let why = format!("{service} was not restarted: it needs {needed}, which is not up");
        context.printer.failure(&Failure::failed(why));
    }
    match worst {
        ExitStatus::Success => printed.map(|()| worst),
        worst => Ok(worst),
    }
}
