//! `start`: set up if needed, start what is not running, wait until it is true, open the browser.

pub(crate) mod pages;
mod welcome;

use std::collections::BTreeSet;
use std::time::Instant;

use pipulate_core::config::{Config, ServiceConfig};
use pipulate_core::service::ServiceName;
use pipulate_core::status::ServiceStatus;
use pipulate_environment::setup::Mode;
use pipulate_store::{home, registry};
use pipulate_supervisor::halt::Manner;
use pipulate_supervisor::launch::{Launch, Started};
use pipulate_supervisor::plan;
use pipulate_supervisor::renewal;

use crate::cli::{StartSettings, Wait};
use crate::commands::{logs, status, stop};
use crate::context::Context;
use crate::error::{Failure, FailureKind};
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::links;
use crate::ui::banner;
use crate::ui::progress::Progress;
use crate::ui::started;
use welcome::Welcome;

/// Starts services and returns when they are ready, or says why they are not.
pub(crate) fn start(context: &Context, settings: StartSettings) -> Result<ExitStatus, Failure> {
    interrupt::ends_with_130()?;
    let config = context.config()?;
    let has_server_py = context.layout.server_py().is_file();
    let chosen = chosen(context, config, &settings.services, has_server_py)?;
    let services: Vec<&ServiceConfig> = plan::in_order(config, &chosen);
    if services.is_empty() {
        return Err(Failure::failed("there is nothing to start: every service is disabled")
            .hint("set enabled = true in pipulate.toml, or name a service"));
    }
    let running = already_up(context, &services);
    if settings.dry_run {
        return dry_run(context, &services, &running);
    }
    for service in renewal::upgrade(&context.layout, &running) {
        context.printer.note(format!("The supervisor of {service} makes way for this version of Pipulate"));
    }
    if running.len() == services.len() {
        context.printer.note("Everything is running already");
        print_links(context, &services)?;
        return stay_if_asked(context, &settings, &services);
    }
    let context = &make_home(context)?;
    let greets = settings.setup;
    if greets {
        banner::print(&context.printer);
        context.printer.note("");
    }
    let welcome = if greets { Some(welcome::prepare(context, config, Mode::Automatic)?) } else { None };
    let fresh = launch_all(context, config, &services, &settings, welcome)?;
    print_links(context, &services)?;
    if settings.browser {
        pages::open(context, config.browser.iter().filter(|name| fresh.contains(name)));
    }
    stay_if_asked(context, &settings, &services)
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

fn dry_run(
    context: &Context,
    services: &[&ServiceConfig],
    running: &[ServiceName],
) -> Result<ExitStatus, Failure> {
    for service in services {
        let what = if running.contains(&service.name) { "is running already" } else { "would be started" };
        context.printer.data(format!("{} {what}", service.name))?;
    }
    Ok(ExitStatus::Success)
}

/// The project's folders, and the project in the user's list.
fn make_home(context: &Context) -> Result<Context, Failure> {
    let is_new = !context.layout.state().exists();
    let layout = home::ensure(&context.layout).map_err(|error| {
        Failure::from(error)
            .hint("a home needs a folder that you may write to; make one of your own and go there")
    })?;
    if is_new {
        context.printer.note(format!("A new home: {}", layout.root()));
    }
    if *layout.run() != *context.layout.run() {
        context
            .printer
            .note(format!("This folder can't hold what a home needs; it is kept in: {}", layout.run()));
    }
    if let Err(error) = registry::remember(&layout) {
        context.printer.warning(format!("this project will be missing in `status --all`: {error}"));
    }
    Ok(context.with_layout(layout))
}

/// Starts the services group by group, each after those that it depends on. The answer names
/// those that were not running before.
fn launch_all(
    context: &Context,
    config: &Config,
    services: &[&ServiceConfig],
    settings: &StartSettings,
    welcome: Option<Welcome<'_>>,
) -> Result<Vec<ServiceName>, Failure> {
    let deadline = match settings.wait {
        Wait::No => None,
        Wait::AtMost(patience) => Instant::now().checked_add(patience),
    };
    let mut outcomes: Vec<(ServiceName, Started)> = Vec::new();
    let mut welcome = welcome;
    for wave in waves(config, services) {
        let launch = Launch::begin(&context.layout, &context.program(), &wave)?;
        // While the services start, there is time to look at numpy and to ask Ollama.
        let greeting = welcome.take().map(|welcome| welcome.say());
        if settings.wait == Wait::No {
            drop(greeting);
            continue;
        }
        // Ollama's words come in between: two can't move one line.
        let progress = greeting.is_none().then(|| Progress::new(&context.printer));
        if let Some(progress) = &progress {
            progress.now(format!("waiting for {}", names(&wave)));
        }
        let settled = launch.wait(deadline, |service, outcome| {
            let line = started::line(service, outcome, context.printer.stderr_style());
            match &progress {
                Some(progress) => progress.note(line),
                None => context.printer.note(line),
            }
        })?;
        drop(progress);
        if let Some(greeting) = greeting {
            greeting.finish();
        }
        let failed = settled.iter().any(|(_, outcome)| !matches!(outcome, Started::Up { .. }));
        outcomes.extend(settled);
        if failed {
            return Err(failure(context, &outcomes));
        }
    }
    let fresh = |(service, outcome): (ServiceName, Started)| match outcome {
        Started::Up { fresh: true, .. } => Some(service),
        Started::Up { fresh: false, .. }
        | Started::Failed { .. }
        | Started::NotSupervised { .. }
        | Started::TimedOut => None,
    };
    Ok(outcomes.into_iter().filter_map(fresh).collect())
}

/// Groups of services, each depending only on earlier groups.
fn waves(config: &Config, services: &[&ServiceConfig]) -> Vec<Vec<ServiceName>> {
    let mut waves: Vec<Vec<ServiceName>> = Vec::new();
    for service in services {
        let depends_on = config.service(service.name.as_str()).map(|service| service.depends_on.as_slice());
        let last_needed = depends_on
            .unwrap_or_default()
            .iter()
            .filter_map(|needed| waves.iter().position(|wave| wave.contains(needed)));
        let wave = last_needed.max().map_or(0, |position| position + 1);
        match waves.get_mut(wave) {
            Some(wave) => wave.push(service.name.clone()),
            None => waves.push(vec![service.name.clone()]),
        }
    }
    waves
}

fn names(services: &[ServiceName]) -> String {
    services.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(", ")
}

/// The first failure decides the exit code; each is told with its last lines.
fn failure(context: &Context, outcomes: &[(ServiceName, Started)]) -> Failure {
    let failed: Vec<_> =
        outcomes.iter().filter(|(_, outcome)| !matches!(outcome, Started::Up { .. })).collect();
    let mut talkative = None;
    for (service, outcome) in &failed {
        if started::show_last_lines(context, service, outcome) {
            talkative = talkative.or(Some(service));
        }
    }
    let timed_out = failed.iter().all(|(_, outcome)| *outcome == Started::TimedOut);
    let kind = if timed_out { FailureKind::TimedOut } else { FailureKind::Failed };
    let services: Vec<ServiceName> = failed.iter().map(|(service, _)| service.clone()).collect();
    let mut failure = match timed_out {
        true => Failure::new(kind, format!("still starting: {}", names(&services)))
            .hint("look how it goes with: pipulate status"),
        false => Failure::new(kind, format!("could not start: {}", names(&services))),
    };
    for (service, outcome) in &failed {
        if let Some(why) = started::reason(service, outcome) {
            failure = failure.cause(why);
        }
    }
    if let Some(service) = talkative {
        failure = failure.hint(format!("all that it printed: pipulate logs {service}"));
    }
    if timed_out { failure } else { failure.hint("what else may be wrong: pipulate doctor") }
}

/// One line per service on stdout: signed-in addresses for people, plain ones for a pipe.
fn print_links(context: &Context, services: &[&ServiceConfig]) -> Result<(), Failure> {
    let to_people = context.printer.terminal().stdout_is_terminal;
    let width = services.iter().map(|service| service.name.as_str().len()).max().unwrap_or(0);
    for service in services {
        let name = &service.name;
        let line = match links::link(context, name)? {
            Some(link) if to_people => format!("{name:width$}  {}", link.for_people()),
            Some(link) => format!("{name:width$}  {}", link.plain),
            None => name.to_string(),
        };
        context.printer.data(line)?;
    }
    Ok(())
}

/// `--foreground`: shows the logs until Ctrl-C, then stops what was started.
fn stay_if_asked(
    context: &Context,
    settings: &StartSettings,
    services: &[&ServiceConfig],
) -> Result<ExitStatus, Failure> {
    if !settings.foreground {
        return Ok(ExitStatus::Success);
    }
    interrupt::is_handled_elsewhere();
    context.printer.note("Ctrl-C stops everything");
    let names: Vec<ServiceName> = services.iter().map(|service| service.name.clone()).collect();
    logs::follow_from_now_on(context, &names)?;
    stop::stop_services(context, &names, Manner { timeout: None, force: false })
}
