//! `setup`: the Python environment and its packages, and nothing else.

mod managed;

use pipulate_core::config::Config;
use pipulate_core::layout::Layout;
use pipulate_core::status::ServiceStatus;
use pipulate_core::text::shell_words;
use pipulate_core::units::counted;
use pipulate_engine::query;
use pipulate_environment::plan::{Drift, Plan, Refusal};
use pipulate_environment::setup::{self, Mode, SetupError, SetupReport, SetupRequest};
use pipulate_store::home;

use crate::call::SetupSettings;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::links;
use crate::ui::ask;
use crate::ui::notes;
use crate::ui::progress::Progress;
use crate::ui::setup_events;

/// Makes the environment, or says what keeps it from being made.
pub(crate) fn setup(context: &Context, settings: SetupSettings) -> Result<ExitStatus, Failure> {
    interrupt::ends_with_130()?;
    let config = context.config()?;
    // What keeps a home from being made is said as such.
    let context = &context.home()?;
    let mode = if settings.recreate { Mode::Recreate } else { Mode::Explicit };
    let report = prepare(context, config, mode)?;
    match failed(context, &report) {
        Some(failure) => Err(failure),
        None => {
            context.printer.note(summary(&report));
            Ok(ExitStatus::Success)
        }
    }
}

/// What is to be said of a set-up after which packages are missing.
pub(crate) fn failed(context: &Context, report: &SetupReport) -> Option<Failure> {
    let warning = report.warning.as_ref()?;
    setup_events::show_last_words(warning, &context.printer);
    let fix = warning.fix();
    let failure = Failure::failed(warning.to_string()).hint(fix.text);
    Some(if fix.command.is_empty() { failure } else { failure.hint(shell_words(&fix.command)) })
}

/// Makes sure that there is an environment, as far as the mode or a person at the terminal allows, and
/// says what happens. Missing packages are told in the report.
///
/// # Errors
/// There is no Python to go on with.
pub(crate) fn prepare(context: &Context, config: &Config, mode: Mode) -> Result<SetupReport, Failure> {
    let name = context.project.name();
    let request = request(context, config, &name, mode);
    let report = match attempt(context, &request) {
        Err(SetupError::Refused(Refusal::Managed { manager })) => {
            managed::install(context, manager)?;
            attempt(context, &request)
        }
        result => result,
    };
    let report = report.map_err(|error| explained(context, error))?;
    context.project.remember_environment(&mut |note| notes::say(&context.printer, &note));
    for drift in &report.drift {
        context.printer.warning(drift);
    }
    let manager = managed::of(&report.drift);
    match manager {
        Some(manager) if managed::is_wanted(context, manager) => {
            managed::run(context, manager, &manager.install_command())?;
            return prepare(context, config, mode);
        }
        None if report.takes_a_yes && ask::yes(&context.printer, "Run `pipulate setup` now?") => {
            return prepare(context, config, Mode::Explicit);
        }
        Some(_) | None => {}
    }
    if !report.gone.is_empty() {
        context.printer.note(format!("Only in the old one: {}", report.gone.join(", ")));
    }
    Ok(report)
}

/// What the set-up of a start would do; `None` if the environment would stay as it is.
pub(crate) fn preview(context: &Context, config: &Config) -> Option<String> {
    let name = context.project.name();
    match setup::preview(&request(context, config, &name, Mode::Automatic)) {
        Plan::Keep { .. } => None,
        Plan::Create => Some("the Python environment would be made, and its packages installed".to_owned()),
        Plan::Install { .. } => Some("packages would be installed into the Python environment".to_owned()),
        Plan::Recreate { .. } => {
            Some("the Python environment would be replaced, and its packages installed".to_owned())
        }
        Plan::Refuse(refusal) => Some(format!("the set-up would stop: {refusal}")),
    }
}

/// What a set-up of this project is asked for.
pub(crate) fn request<'a>(
    context: &'a Context,
    config: &'a Config,
    name: &'a str,
    mode: Mode,
) -> SetupRequest<'a> {
    SetupRequest {
        layout: &context.project.layout,
        python: &config.python,
        project_name: name,
        jupyter: config.has_jupyter(),
        mode,
        home_is_alive: may_use_packages(context),
        programs: &context.programs,
        around: &context.project.around,
    }
}

/// Whether something of this project lives that may have loaded Python packages: all but the web app that comes
/// with Pipulate.
pub(crate) fn may_use_packages(context: &Context) -> bool {
    let may = |layout: &Layout| {
        let status = query::status(layout, "", &[]);
        let is_ours = |service: &ServiceStatus| links::shows_the_app(layout, &service.name);
        !status.unknown.is_empty()
            || status.services.iter().any(|service| service.is_there() && !is_ours(service))
    };
    may(&context.project.layout) || home::others_in_use(&context.project.layout).iter().any(may)
}

fn attempt(context: &Context, request: &SetupRequest<'_>) -> Result<SetupReport, SetupError> {
    let progress = Progress::new(&context.printer);
    setup::ensure(request, &mut |event| setup_events::show(event, &progress))
}

/// Why there is no Python to go on with, and what to do.
pub(crate) fn explained(context: &Context, error: SetupError) -> Failure {
    let hint = match &error {
        SetupError::Refused(Refusal::HomeIsAlive { .. }) => {
            Some(format!("stop them first with: {}", context.typed("stop")))
        }
        SetupError::Refused(Refusal::Managed { manager }) => Some(managed::hint(*manager)),
        error => error.fix().map(|fix| fix.text),
    };
    hint.into_iter().fold(Failure::from(error), Failure::hint)
}

/// Says what of the environment is not as the project asks, where nothing is set up.
pub(crate) fn warn_of_drift(context: &Context, config: &Config) {
    for drift in drift(context, config) {
        context.printer.warning(drift);
    }
}

/// Which packages are not as the project asks, of an environment that is there; a sentence each.
pub(crate) fn drift_of_packages(context: &Context, config: &Config) -> Vec<String> {
    let is_of_packages = |drift: &Drift| {
        matches!(
            drift,
            Drift::RequirementsChanged
                | Drift::Unfinished
                | Drift::NotOurs { .. }
                | Drift::ManagerLacks { .. }
                | Drift::InterpreterLacks { .. }
        )
    };
    drift(context, config).iter().filter(|drift| is_of_packages(drift)).map(Drift::to_string).collect()
}

/// Whether the last set-up of this project was cut short, or failed.
pub(crate) fn is_unfinished(context: &Context, config: &Config) -> bool {
    drift(context, config).contains(&Drift::Unfinished)
}

/// Whether the project's list of packages has this one.
pub(crate) fn lists(context: &Context, config: &Config, package: &str) -> bool {
    let name = context.project.name();
    setup::lists(&request(context, config, &name, Mode::Automatic), package)
}

fn drift(context: &Context, config: &Config) -> Vec<Drift> {
    let name = context.project.name();
    setup::drift(&request(context, config, &name, Mode::Automatic))
}

/// The environment in a line.
pub(crate) fn summary(report: &SetupReport) -> String {
    let version = report.version.map(|version| format!("Python {version}, ")).unwrap_or_default();
    let packages = counted(report.packages, "package");
    let what = match (report.changed, report.drift.is_empty()) {
        (true, _) => "The environment is ready",
        (false, true) => "The environment was ready already",
        (false, false) => "The environment was not changed",
    };
    format!("{what}: {} ({version}{packages})", report.python.display())
}
