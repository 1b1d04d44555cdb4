//! `restart`: stop and start, carried out by the services' own supervisors, so that it is finished
//! even when it was typed inside the service that it ends.

use std::time::{Duration, Instant};

use pipulate_core::identity::Host;
use pipulate_core::service::ServiceName;
use pipulate_core::status::{ProjectStatus, ServiceStatus};
use pipulate_process::identity;
use pipulate_store::record;
use pipulate_supervisor::launch::{Launch, Started};
use pipulate_supervisor::query::{self, Standing};
use pipulate_supervisor::renewal;

use crate::cli::RestartSettings;
use crate::commands::{status, stop};
use crate::context::Context;
use crate::error::{Failure, FailureKind};
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::specs;
use crate::ui::progress::Progress;
use crate::ui::started;

/// How long a restart may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Restarts services; the others are not touched. Services that don't run are started.
pub(crate) fn restart(context: &Context, settings: RestartSettings) -> Result<ExitStatus, Failure> {
    interrupt::ends_with_130()?;
    // Before anything ends: with a configuration that can't be used, nothing would come back.
    context.config()?;
    let status = status::project_status(context);
    let names: std::collections::BTreeSet<ServiceName> =
        status.services.iter().map(|service| service.name.clone()).collect();
    context.refuse_unknown(&settings.services, &names)?;
    let services = match settings.services.is_empty() {
        true => everything_but_kernels(context, &status),
        false => settings.services,
    };
    if services.is_empty() {
        context.printer.note("Nothing was restarted");
        return Ok(ExitStatus::Success);
    }
    if !settings.force {
        stop::spare_work_in_progress(context, &services, &stop::in_words("restart", &services))?;
    }
    let deadline = Instant::now() + PATIENCE;
    let progress = Progress::new(&context.printer);
    progress.now("restarting");
    let outcomes = carry_out(context, &services, deadline)?;
    drop(progress);
    report(context, &outcomes)
}

/// What runs, JupyterLab only when it has no kernels.
fn everything_but_kernels(context: &Context, status: &ProjectStatus) -> Vec<ServiceName> {
    let runs = |service: &&ServiceStatus| service.live.is_some() || service.supervisor_pid.is_some();
    let mut services = Vec::new();
    for service in status.services.iter().filter(runs) {
        let kernels = service.live.as_ref().map_or(0, |live| live.kernels.len());
        if service.name.as_str() == ServiceName::JUPYTER && kernels > 0 {
            let kernels = if kernels == 1 { "a kernel".to_owned() } else { format!("{kernels} kernels") };
            context.printer.note(format!(
                "{} is left alone: it has {kernels}; restart it with: pipulate restart {}",
                service.name, service.name
            ));
        } else {
            services.push(service.name.clone());
        }
    }
    services
}

fn carry_out(
    context: &Context,
    services: &[ServiceName],
    deadline: Instant,
) -> Result<Vec<(ServiceName, Started)>, Failure> {
    let host = identity::host();
    adopt(context, services, &host, deadline)?;
    let (mut asked, mut absent) = (Vec::new(), Vec::new());
    for service in services {
        let before = record::read(&context.layout, service)?;
        let has_settled = before.as_ref().is_some_and(|before| before.state.has_settled());
        match query::standing(&context.layout, service, before.as_ref(), &host) {
            // Nothing of it has to end first.
            Standing::Supervised(_) if has_settled => absent.push(service.clone()),
            Standing::Supervised(pid) => {
                renewal::ask_to_restart(&context.layout, service, pid, &host)
                    .map_err(|why| Failure::failed(format!("{service} was not restarted")).cause(why))?;
                asked.push((service.clone(), before));
            }
            Standing::Unknown(why) => {
                return Err(Failure::failed(format!("{service} was not restarted")).cause(why));
            }
            Standing::Unsupervised | Standing::Gone => absent.push(service.clone()),
        }
    }
    let specs = specs::for_start(context, context.config()?, &absent);
    let absent = Launch::begin(&context.layout, &context.lasting_program(), &absent, &specs)?;
    let mut outcomes = absent.wait(Some(deadline), |_, _| {})?;
    outcomes.extend(renewal::wait_for_new_runs(&context.layout, asked, deadline)?);
    Ok(outcomes)
}

/// Whoever lost its supervisor gets a new one, which carries the restart out like any other: it will
/// read the configuration then.
fn adopt(context: &Context, services: &[ServiceName], host: &Host, deadline: Instant) -> Result<(), Failure> {
    let mut alone = Vec::new();
    for service in services {
        let record = record::read(&context.layout, service)?;
        let standing = query::standing(&context.layout, service, record.as_ref(), host);
        if standing == Standing::Unsupervised {
            alone.push(service.clone());
        }
    }
    let launch = Launch::begin(&context.layout, &context.lasting_program(), &alone, &[])?;
    // Whoever does not answer is restarted all the same.
    let _adopted = launch.wait(Some(deadline), |_, _| {})?;
    Ok(())
}

fn report(context: &Context, outcomes: &[(ServiceName, Started)]) -> Result<ExitStatus, Failure> {
    let mut worst = ExitStatus::Success;
    for (service, outcome) in outcomes {
        match outcome {
            Started::Up { .. } => context.printer.data(format!("Restarted {service}"))?,
            Started::Failed { .. } | Started::NotSupervised { .. } => {
                started::show_last_lines(context, service, outcome);
                let failure = Failure::failed(format!("{service} did not come back"));
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
    Ok(worst)
}
