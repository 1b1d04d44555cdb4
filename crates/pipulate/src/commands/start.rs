//! `start`: set up if needed, start what is not running, wait until it is true, open the browser.

mod foreground;
mod launching;
pub(crate) mod pages;
pub(crate) mod welcome;

use std::collections::BTreeSet;

use jiff::Timestamp;
use pipulate_core::config::{Config, ServiceConfig};
use pipulate_core::service::ServiceName;
use pipulate_core::status::ServiceStatus;
use pipulate_environment::setup::Mode;
use pipulate_store::registry;
use pipulate_supervisor::plan;
use pipulate_supervisor::renewal;
use signal_hook::consts::SIGINT;

use crate::cli::StartSettings;
use crate::commands::{secret, status};
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::links;
use crate::ui::banner;

/// Starts services and returns when they are ready, or says why they are not.
pub(crate) fn start(context: &Context, settings: StartSettings) -> Result<ExitStatus, Failure> {
    let began = Timestamp::now();
    let config = context.config()?;
    let has_server_py = context.layout.server_py().is_file();
    let chosen = chosen(context, config, &settings.services, has_server_py)?;
    let services: Vec<&ServiceConfig> = plan::in_order(config, &chosen);
    if services.is_empty() {
        return Err(Failure::failed("there is nothing to start: every service is disabled")
            .hint("set enabled = true in pipulate.toml, or name a service"));
    }
    if settings.dry_run {
        return dry_run(context, &services);
    }
    let names: Vec<ServiceName> = services.iter().map(|service| service.name.clone()).collect();
    listen_to_ctrl_c(context, &names, settings.foreground)?;
    for service in renewal::upgrade(&context.layout, &names) {
        context.printer.note(format!("The supervisor of {service} makes way for this version of Pipulate"));
    }
    if already_up(context, &services).len() == services.len() {
        context.printer.note("Everything is running already");
        for service in services.iter().filter(|service| !plan::is_embedded_app(service, has_server_py)) {
            if links::shows_the_app(context, &service.name) {
                let name = &service.name;
                context.printer.note(format!("{name} still shows the app that comes with Pipulate"));
                context.printer.hint(format!("run what you wrote instead with: pipulate restart {name}"));
            }
        }
        print_links(context, names.iter())?;
        return match settings.foreground {
            true => foreground::stay(context, &names, began, None),
            false => Ok(ExitStatus::Success),
        };
    }
    let context = &make_home(context)?;
    secret::see_to_required(context, config)?;
    let greets = settings.setup;
    if greets {
        banner::print(&context.printer);
        context.printer.note("");
    }
    let welcome = if greets { Some(welcome::prepare(context, config, Mode::Automatic)?) } else { None };
    let launched =
        launching::launch_all(context, config, &services, settings.wait, welcome).map_err(|failure| {
            match settings.foreground {
                true => foreground::give_up(context, &names, failure),
                false => failure,
            }
        })?;
    // What failed keeps nobody from the rest.
    print_links(context, names.iter().filter(|name| launched.up.contains(name)))?;
    if settings.browser {
        pages::open(context, config.browser.iter().filter(|name| launched.fresh.contains(name)));
    }
    match (launched.failure(context), settings.foreground) {
        (failure, true) => foreground::stay(context, &names, began, failure),
        (Some(failure), false) => Err(failure),
        (None, false) => Ok(ExitStatus::Success),
    }
}

/// The services asked for with those that they depend on, or those of a bare `start`.
fn chosen<'a>(
    context: &Context,
    config: &'a Config,
    asked: &[ServiceName],
    has_server_py: bool,
) -> Result<Vec<&'a ServiceConfig>, Failure> {
    if asked.is_empty() {
        return Ok(plan::default_services(config));
    }
    let known = plan::known_services(config, has_server_py);
    let names: BTreeSet<ServiceName> = known.iter().map(|service| service.name.clone()).collect();
    context.refuse_unknown(asked, &names)?;
    let mut wanted: Vec<ServiceName> = asked.to_vec();
    let mut next = 0;
    while let Some(service) = wanted.get(next).and_then(|name| config.service(name.as_str())) {
        for earlier in &service.depends_on {
            if !wanted.contains(earlier) {
                wanted.push(earlier.clone());
            }
        }
        next += 1;
    }
    Ok(known.into_iter().filter(|service| wanted.contains(&service.name)).collect())
}

fn already_up(context: &Context, services: &[&ServiceConfig]) -> Vec<ServiceName> {
    let status = status::project_status(context);
    let is_up = |service: &&ServiceStatus| {
        service.supervisor_pid.is_some() && service.state.is_well() && service.live.is_some()
    };
    let up: Vec<&ServiceStatus> = status.services.iter().filter(is_up).collect();
    let wanted = services.iter().map(|service| &service.name);
    wanted.filter(|name| up.iter().any(|service| service.name == **name)).cloned().collect()
}

fn dry_run(context: &Context, services: &[&ServiceConfig]) -> Result<ExitStatus, Failure> {
    let running = already_up(context, services);
    for service in services {
        let what = if running.contains(&service.name) { "is running already" } else { "would be started" };
        context.printer.data(format!("{} {what}", service.name))?;
    }
    Ok(ExitStatus::Success)
}

/// The project's folders, and the project in the user's list.
pub(crate) fn make_home(context: &Context) -> Result<Context, Failure> {
    let context = context.home()?;
    if let Err(error) = registry::remember(&context.layout) {
        context.printer.warning(format!("this project will be missing in `status --all`: {error}"));
    }
    Ok(context)
}

/// One line per service on stdout: signed-in addresses for people, plain ones for a pipe.
pub(crate) fn print_links<'a>(
    context: &Context,
    services: impl Iterator<Item = &'a ServiceName> + Clone,
) -> Result<(), Failure> {
    let to_people = context.printer.terminal().stdout_is_terminal;
    let width = services.clone().map(|name| name.as_str().len()).max().unwrap_or(0);
    for name in services {
        let line = match links::link(context, name)? {
            Some(link) if to_people => format!("{name:width$}  {}", link.for_people()),
            Some(link) => format!("{name:width$}  {}", link.plain),
            None => name.to_string(),
        };
        context.printer.data(line)?;
    }
    Ok(())
}

fn listen_to_ctrl_c(context: &Context, services: &[ServiceName], in_foreground: bool) -> Result<(), Failure> {
    let (context, services) = (context.clone(), services.to_vec());
    match in_foreground {
        true => interrupt::ends_with_130_after(&foreground::ENDED_BY, move || {
            foreground::leave_early(&context, &services);
        })?,
        false => interrupt::ends_with_130_after(&[SIGINT], move || say_what_goes_on(&context))?,
    }
    Ok(())
}

/// After Ctrl-C: what was started was asked for, and goes on.
fn say_what_goes_on(context: &Context) {
    let status = status::project_status(context);
    let lives = |service: &&ServiceStatus| service.live.is_some() || service.supervisor_pid.is_some();
    let living = status.services.iter().filter(lives);
    let living: Vec<String> = living.map(|service| format!("{} ({})", service.name, service.state)).collect();
    context.printer.clear_line();
    if living.is_empty() {
        context.printer.note("Interrupted; no service of this project runs");
    } else {
        context.printer.note(format!("Interrupted; these go on: {}", living.join(", ")));
        let stop = context.typed("stop");
        context.printer.hint(format!("look how they do with: pipulate status; end them with: {stop}"));
    }
}
