//! `start`: set up if needed, start what is not running, wait until it is true, open the browser.

mod foreground;
pub(crate) mod launching;
pub(crate) mod pages;
pub(crate) mod welcome;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use pipulate_core::config::{Config, ServiceConfig};
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_core::status::ServiceStatus;
use pipulate_engine::begun::Before;
use pipulate_engine::plan;
use pipulate_engine::reload;
use pipulate_environment::setup::Mode;
use pipulate_store::{capture, record, registry};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::cli::{StartSettings, Wait};
use crate::commands::{secret, setup, status};
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::links;
use crate::ui::{banner, drift};

/// Starts services and returns when they are ready, or says why they are not.
pub(crate) fn start(context: &Context, settings: StartSettings) -> Result<ExitStatus, Failure> {
    let began = Timestamp::now();
    let config = context.config()?;
    let has_server_py = context.layout.server_py().is_file();
    let names = chosen(context, config, &settings.services, has_server_py)?;
    if names.is_empty() {
        return Err(Failure::failed("there is nothing to start: every service is disabled")
            .hint("set enabled = true in pipulate.toml, or name a service"));
    }
    if settings.dry_run {
        return dry_run(context, &names);
    }
    let before = Before::look(&context.layout, &names);
    listen_to_ctrl_c(context, &before, settings.foreground)?;
    // Of what is no longer configured nothing else removes them.
    if let Err(error) = capture::trim_unsupervised(&context.layout, config.logs) {
        context.printer.detail(format!("older logs could not be looked at: {error}"));
    }
    for service in reload::upgrade(&context.layout, &names) {
        context.printer.note(format!("The supervisor of {service} makes way for this version of Pipulate"));
    }
    // What never had its packages is set up although what needs none of them runs.
    let is_set_up = !settings.setup || !setup::is_unfinished(context, config);
    if is_set_up && already_up(context, &names).len() == names.len() {
        if settings.setup {
            setup::warn_of_drift(context, config);
        }
        tell_that_all_runs(context, config, &names, has_server_py);
        let printed = print_links(context, names.iter());
        return end(context, &settings, &names, began, printed, None);
    }
    let context = &make_home(context)?;
    context.refuse_elsewhere(&names)?;
    warn_of_root(context, &names);
    secret::see_to_required(context, config)?;
    drift::warn_of_config(context, config, &names);
    let greets = settings.setup;
    if greets {
        banner::print(&context.printer);
        context.printer.note("");
    }
    let welcome = if greets { Some(welcome::prepare(context, config, Mode::Automatic)?) } else { None };
    // Not before: whoever closes the window on a question wants nothing to begin.
    if !settings.foreground {
        interrupt::outlives_its_terminal()?;
    }
    let launched =
        launching::launch_all(context, config, &names, settings.wait, welcome).map_err(|failure| {
            match settings.foreground {
                true => foreground::give_up(context, &before, failure),
                false => failure,
            }
        })?;
    // What failed keeps nobody from the rest.
    let printed = print_links(context, names.iter().filter(|name| launched.up.contains(name)));
    if settings.browser {
        pages::open(context, config.browser.iter().filter(|name| launched.fresh.contains(name)));
    }
    end(context, &settings, &names, began, printed, launched.failure(context))
}

/// Stays in the foreground, or says how the start came out: first what failed, then that nobody reads.
fn end(
    context: &Context,
    settings: &StartSettings,
    services: &[ServiceName],
    began: Timestamp,
    printed: Result<(), Failure>,
    failure: Option<Failure>,
) -> Result<ExitStatus, Failure> {
    if settings.foreground {
        if let Err(unprinted) = &printed {
            context.printer.failure(unprinted);
        }
        return foreground::stay(context, services, began, failure);
    }
    failure.map_or(printed, Err).map(|()| ExitStatus::Success)
}

/// JupyterLab itself refuses to run as root unless it is told otherwise.
fn warn_of_root(context: &Context, names: &[ServiceName]) {
    let has_jupyter = names.iter().any(|name| name.as_str() == ServiceName::JUPYTER);
    if has_jupyter && rustix::process::geteuid().is_root() {
        context
            .printer
            .warning("you are root: JupyterLab is started with --allow-root, and notebooks may do anything");
    }
}

/// Nothing is to be done, but what was written since may be waiting for a restart.
fn tell_that_all_runs(context: &Context, config: &Config, names: &[ServiceName], has_server_py: bool) {
    context.printer.note("Everything is running already");
    drift::warn_of_config(context, config, names);
    for name in names {
        // As `status` says it: a save that could not be taken, for one.
        let record = record::read(&context.layout, name).ok().flatten();
        if let Some(reason) = record.and_then(|record| pipulate_words::reasons(&record.reasons, name)) {
            context.printer.warning(format!("{name}: {reason}"));
        }
    }
    let services = names.iter().filter_map(|name| config.service(name.as_str()));
    for service in services.filter(|service| !plan::is_embedded_app(service, has_server_py)) {
        if links::shows_the_app(context, &service.name) {
            let name = &service.name;
            context.printer.note(format!("{name} still shows the app that comes with Pipulate"));
            context.printer.hint(format!("run what you wrote instead with: pipulate restart {name}"));
        }
    }
}

/// The services asked for with those that they depend on, or those of a bare `start`, in order.
fn chosen(
    context: &Context,
    config: &Config,
    asked: &[ServiceName],
    has_server_py: bool,
) -> Result<Vec<ServiceName>, Failure> {
    let names = |services: Vec<&ServiceConfig>| -> Vec<ServiceName> {
        services.into_iter().map(|service| service.name.clone()).collect()
    };
    let known = names(plan::known_services(config, has_server_py));
    let existing: BTreeSet<ServiceName> = known.iter().cloned().collect();
    context.refuse_unknown(asked, &existing)?;
    let asked = if asked.is_empty() { names(plan::default_services(config)) } else { asked.to_vec() };
    let wanted = plan::with_needs(config, &asked);
    if let Some(missing) = wanted.iter().find(|name| !existing.contains(name)) {
        let dependants = config.services.iter().filter(|service| service.depends_on.contains(missing));
        let dependants = dependants.map(|service| service.name.as_str()).collect::<Vec<_>>().join(", ");
        let why = format!("{missing} does not exist in this folder, and {dependants} depends on it");
        return Err(Failure::failed(why).hint("the dashboard is there only beside a server.py"));
    }
    let wanted: BTreeSet<ServiceName> = wanted.into_iter().collect();
    let in_their_order = known.into_iter().filter(|name| wanted.contains(name)).collect::<Vec<_>>();
    Ok(plan::waves(Some(config), &in_their_order).concat())
}

/// Starts what these services depend on, as far as it is down.
///
/// # Errors
/// Something of it could not be started.
pub(crate) fn start_needs(
    context: &Context,
    config: &Config,
    services: &[ServiceName],
    patience: Duration,
) -> Result<(), Failure> {
    let status = status::glance(context);
    // What has ended well did what it was needed for, and a start makes nobody answer who is up.
    let is_down = |name: &ServiceName| {
        let found = status.service(name.as_str()).map(|service| service.state);
        found.is_none_or(|state| {
            !state.is_well() && !matches!(state, ServiceState::Degraded | ServiceState::Unstable)
        })
    };
    let needed = chosen(context, config, services, context.layout.server_py().is_file())?;
    let down: Vec<ServiceName> =
        needed.into_iter().filter(|name| !services.contains(name) && is_down(name)).collect();
    let launched = launching::launch_all(context, config, &down, Wait::AtMost(patience), None)?;
    launched.failure(context).map_or(Ok(()), Err)
}

fn already_up(context: &Context, services: &[ServiceName]) -> Vec<ServiceName> {
    let status = status::project_status(context);
    let is_up = |service: &&ServiceStatus| {
        service.supervisor_pid.is_some() && service.state.is_well() && service.live.is_some()
    };
    let up: Vec<&ServiceStatus> = status.services.iter().filter(is_up).collect();
    services.iter().filter(|name| up.iter().any(|service| service.name == **name)).cloned().collect()
}

fn dry_run(context: &Context, services: &[ServiceName]) -> Result<ExitStatus, Failure> {
    let running = already_up(context, services);
    for service in services {
        let what = if running.contains(service) { "is running already" } else { "would be started" };
        context.printer.data(format!("{service} {what}"))?;
    }
    Ok(ExitStatus::Success)
}

/// The project's folders, and the project in the user's list.
pub(crate) fn make_home(context: &Context) -> Result<Context, Failure> {
    let context = context.home()?;
    context.remember_environment();
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

fn listen_to_ctrl_c(context: &Context, before: &Before, in_foreground: bool) -> Result<(), Failure> {
    let (context, before) = (context.clone(), before.clone());
    match in_foreground {
        true => {
            let is_terminated = Arc::new(AtomicBool::new(false));
            flag::register(SIGTERM, Arc::clone(&is_terminated))?;
            interrupt::ends_with_130_after(&foreground::ENDED_BY, move || {
                foreground::leave_early(&context, &before, is_terminated.load(Ordering::SeqCst));
            })?;
        }
        false => interrupt::ends_with_130_after(&[SIGINT], move || say_what_goes_on(&context))?,
    }
    Ok(())
}

/// After Ctrl-C: what was started was asked for, and goes on.
fn say_what_goes_on(context: &Context) {
    let status = status::project_status(context);
    let living = status.services.iter().filter(|service| service.is_there());
    let living: Vec<String> = living.map(|service| format!("{} ({})", service.name, service.state)).collect();
    context.printer.clear_line();
    if living.is_empty() {
        // A supervisor that was begun a moment ago may not be seen yet.
        context.printer.note("Interrupted; no service of this project runs yet");
        context.printer.hint("whether one was on its way, tells: pipulate status");
    } else {
        context.printer.note(format!("Interrupted; these go on: {}", living.join(", ")));
        let stop = context.typed("stop");
        context.printer.hint(format!("look how they do with: pipulate status; end them with: {stop}"));
    }
}
