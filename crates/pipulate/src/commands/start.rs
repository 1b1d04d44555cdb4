//! `start`: set up if needed, start what is not running, wait until it is true, open the browser.

mod foreground;
pub(crate) mod launching;
pub(crate) mod pages;
mod upgrade;
pub(crate) mod welcome;

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::Timestamp;
use pipulate_core::config::Config;
use pipulate_core::service::ServiceName;
use pipulate_engine::execute::Withdrawal;
use pipulate_engine::plan;
use pipulate_environment::setup::Mode;
use pipulate_environment::web_programs;
use pipulate_process::poll::{self, Interest};
use pipulate_store::pending::PendingStart;
use pipulate_store::record;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use self::launching::Attempt;
use self::welcome::Welcome;
use crate::call::StartSettings;
use crate::commands::{drift, last_lines, secret, setup, status};
use crate::context::{Context, program};
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::links;
use crate::ui::launched::Launched;
use crate::ui::{announced, banner, denial, notes, offer};

/// The number of logs that are listed one by one; with more, only their folder is shown.
const LOGS_BY_NAME: usize = 4;

/// Starts services and returns when they are ready, or says why they are not.
pub(crate) fn start(context: &Context, settings: StartSettings) -> Result<ExitStatus, Failure> {
    let began = Timestamp::now();
    let config = context.config()?;
    let names = context.project.chosen(&settings.services).map_err(denial::failure)?;
    if settings.dry_run {
        return dry_run(context, config, &settings, &names);
    }
    let keys = listen_to_ctrl_c(context, settings.foreground)?;
    upgrade::take_over(context, &names, settings.wait)?;
    // An unfinished set-up is completed even if all services run without its packages.
    let is_set_up = !settings.setup || !setup::is_unfinished(context, config);
    if is_set_up && context.project.already_up(&names).len() == names.len() {
        if settings.setup {
            setup::warn_of_drift(context, config);
        }
        tell_that_all_runs(context, config, &names);
        open_again(context, config, &settings, &names);
        let printed = say_where(context, names.iter(), settings.foreground);
        return end(context, &settings, &names, began, &keys, printed, None);
    }
    let context = &make_home(context)?;
    // A stop during a set-up, which may take minutes, must count.
    let pending = context.project.announce(&names);
    context.project.refuse_elsewhere(&names).map_err(denial::failure)?;
    warn_of_root(context, &names);
    secret::see_to_required(context, config)?;
    drift::warn_of_config(context, config, &names);
    let greets = settings.setup;
    if greets {
        banner::print(&context.printer);
        context.printer.note("");
    }
    let welcome = if greets { Some(welcome::prepare(context, config, Mode::Automatic)?) } else { None };
    let launched = match bring_up(context, &settings, &names, &keys, welcome, pending)? {
        Brought::Up(launched) => launched,
        Brought::Interrupted(status) => return Ok(status),
    };
    if settings.browser {
        pages::open(context, config.browser.iter().filter(|name| launched.fresh.contains(name)));
    }
    // The addresses of the healthy services are shown even if another service failed.
    let up = names.iter().filter(|name| launched.up.contains(name));
    offer(context, config, &settings);
    let printed = say_where(context, up, settings.foreground);
    end(
        context,
        &settings,
        &names,
        began,
        &keys,
        printed,
        launched.failure(
            last_lines::show(context, &launched.failed).as_ref(),
            &last_lines::missing_modules(context, &launched.failed),
        ),
    )
}

/// The result of a start.
enum Brought {
    Up(Launched),
    Interrupted(ExitStatus),
}

/// Starts the services. In the foreground, an interruption or failure stops the ones it began.
fn bring_up(
    context: &Context,
    settings: &StartSettings,
    names: &[ServiceName],
    keys: &Keys,
    welcome: Option<Welcome<'_>>,
    pending: Option<PendingStart>,
) -> Result<Brought, Failure> {
    // Not before: closing the window at a question must not start anything.
    if !settings.foreground {
        interrupt::outlives_its_terminal()?;
    }
    interrupt::is_handled_elsewhere();
    let withdrawal = Withdrawal { pending: pending.as_ref(), interrupt: Some(keys.stream.as_fd()) };
    let Attempt { begun, launched } =
        launching::launch_all(context, names, settings.wait, welcome, withdrawal);
    Ok(match (settings.foreground, keys.were_pressed()?) {
        (true, true) => Brought::Interrupted(foreground::leave_early(context, names, &begun, keys)?),
        (true, false) => {
            Brought::Up(launched.map_err(|failure| foreground::give_up(context, names, &begun, failure))?)
        }
        (false, true) => {
            say_what_goes_on(context);
            Brought::Interrupted(ExitStatus::Interrupted)
        }
        (false, false) => {
            interrupt::ends_with_130()?;
            Brought::Up(launched?)
        }
    })
}

/// Stays in the foreground, or reports the result: failures first, then a closed output.
fn end(
    context: &Context,
    settings: &StartSettings,
    services: &[ServiceName],
    began: Timestamp,
    keys: &Keys,
    printed: Result<(), Failure>,
    failure: Option<Failure>,
) -> Result<ExitStatus, Failure> {
    if settings.foreground {
        if let Err(unprinted) = &printed {
            context.printer.failure(unprinted);
        }
        return foreground::stay(context, services, began, keys, failure);
    }
    failure.map_or(printed, Err).map(|()| ExitStatus::Success)
}

/// JupyterLab refuses to run as root unless it is configured otherwise.
fn warn_of_root(context: &Context, names: &[ServiceName]) {
    let has_jupyter = names.iter().any(|name| name.as_str() == ServiceName::JUPYTER);
    if has_jupyter && rustix::process::geteuid().is_root() {
        context
            .printer
            .warning("you are root: JupyterLab is started with --allow-root, and notebooks may do anything");
    }
}

/// On a terminal, names a web program that no service runs.
fn offer(context: &Context, config: &Config, settings: &StartSettings) {
    if settings.services.is_empty()
        && context.printer.terminal().stderr_is_terminal
        && let Some(program) = web_programs::unused(&context.project.layout, config)
    {
        offer::say(&context.printer, config, &program);
    }
}

/// Reports that everything runs, with changes that wait for a restart.
fn tell_that_all_runs(context: &Context, config: &Config, names: &[ServiceName]) {
    let has_server_py = context.project.layout.server_py().is_file();
    context.printer.note("Everything is running already");
    drift::warn_of_config(context, config, names);
    for name in names {
        // As in `status`: for example a save that could not be loaded.
        let record = record::read(&context.project.layout, name).ok().flatten();
        if let Some(reason) = record.and_then(|record| pipulate_words::reasons(&record.reasons, name)) {
            context.printer.warning(format!("{name}: {reason}"));
        }
    }
    let services = names.iter().filter_map(|name| config.service(name.as_str()));
    for service in services.filter(|service| !plan::is_embedded_app(service, has_server_py)) {
        if links::shows_the_app(&context.project.layout, &service.name) {
            let name = &service.name;
            context.printer.note(format!("{name} still shows the app that comes with Pipulate"));
            context.printer.hint(format!("run what you wrote instead with: pipulate restart {name}"));
        }
    }
}

/// For a bare `start` on a terminal, opens the pages of running services, as the original script did.
fn open_again(context: &Context, config: &Config, settings: &StartSettings, names: &[ServiceName]) {
    if settings.browser && settings.services.is_empty() && context.printer.terminal().stdout_is_terminal {
        pages::open(context, config.browser.iter().filter(|name| names.contains(name)));
    }
}

fn dry_run(
    context: &Context,
    config: &Config,
    settings: &StartSettings,
    services: &[ServiceName],
) -> Result<ExitStatus, Failure> {
    let running = context.project.already_up(services);
    if settings.setup && (running.len() < services.len() || setup::is_unfinished(context, config)) {
        setup::preview(context, config).map_or(Ok(()), |text| context.printer.data(text))?;
    }
    for service in services {
        let what = if running.contains(service) { "is running already" } else { "would be started" };
        context.printer.data(format!("{service} {what}"))?;
    }
    Ok(ExitStatus::Success)
}

/// Creates the project's folders, and adds the project to the user's list.
fn make_home(context: &Context) -> Result<Context, Failure> {
    context.confirm_guess()?;
    let made = context.project.make_home(&mut |note| notes::say(&context.printer, &note));
    let made = context.about(made.map_err(denial::failure)?);
    program::remember(&made);
    Ok(made)
}

/// Prints the services' addresses, the paths of their logs, and the stop command.
fn say_where<'a>(
    context: &Context,
    services: impl Iterator<Item = &'a ServiceName> + Clone,
    in_foreground: bool,
) -> Result<(), Failure> {
    let printed = print_links(context, services.clone());
    let services: Vec<&ServiceName> = services.collect();
    if in_foreground || services.is_empty() {
        return printed;
    }
    match services.as_slice() {
        few if few.len() <= LOGS_BY_NAME => {
            for service in few {
                let log = context.project.layout.log(service);
                context.printer.note(format!("{} log: {log}", announced::title(service)));
            }
        }
        _ => context.printer.note(format!("Logs: {}", context.project.layout.logs())),
    }
    context.printer.note(format!("Stop with: {}", context.typed("stop")));
    printed
}

/// Prints one line per service: signed-in addresses on a terminal, plain ones in a pipe.
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

/// The signals that end a start, which handles them itself once services are launched.
struct Keys {
    /// Has a byte for each signal.
    stream: UnixStream,
    is_terminated: Arc<AtomicBool>,
}

impl Keys {
    fn were_pressed(&self) -> io::Result<bool> {
        let ready = poll::wait(&[(self.stream.as_fd(), Interest::Read)], Some(Duration::ZERO))?;
        Ok(ready.iter().any(|stream| stream.ready))
    }
}

/// Until a service is launched, a signal ends the program.
fn listen_to_ctrl_c(context: &Context, in_foreground: bool) -> Result<Keys, Failure> {
    let signals = if in_foreground { foreground::ENDED_BY.as_slice() } else { &[SIGINT] };
    let is_terminated = Arc::new(AtomicBool::new(false));
    if in_foreground {
        // In this order: after the signal's byte, its kind is known.
        flag::register(SIGTERM, Arc::clone(&is_terminated))?;
    }
    let stream = interrupt::stream_of(signals)?;
    let context = context.clone();
    interrupt::ends_with_130_after(signals, move || say_what_goes_on(&context))?;
    Ok(Keys { stream, is_terminated })
}

/// The message after Ctrl-C: the started services were requested, and continue.
fn say_what_goes_on(context: &Context) {
    let status = status::project_status(context);
    let living = status.services.iter().filter(|service| service.is_there());
    let living: Vec<String> = living.map(|service| format!("{} ({})", service.name, service.state)).collect();
    context.printer.clear_line();
    if living.is_empty() {
        context.printer.note("Interrupted; no service of this project is running");
    } else {
        context.printer.note(format!("Interrupted; still running: {}", living.join(", ")));
        let stop = context.typed("stop");
        context.printer.hint(format!("check on them with: pipulate status; stop them with: {stop}"));
    }
}
