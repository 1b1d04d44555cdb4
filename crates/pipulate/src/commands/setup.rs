//! `setup`: the Python environment and its packages.

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

/// Creates or updates the environment, or says why it can't.
pub(crate) fn setup(context: &Context, settings: SetupSettings) -> Result<ExitStatus, Failure> {
    interrupt::ends_with_130()?;
    let config = context.config()?;
    // If there can be no home, the error says so.
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

/// The failure for a set-up with missing packages.
pub(crate) fn failed(context: &Context, report: &SetupReport) -> Option<Failure> {
    let warning = report.warning.as_ref()?;
    setup_events::show_last_words(warning, &context.printer);
    let fix = warning.fix();
    let failure = Failure::failed(warning.to_string()).hint(fix.text);
    Some(if fix.command.is_empty() { failure } else { failure.hint(shell_words(&fix.command)) })
}

/// Ensures that there is an environment, as far as the mode or the user allows, and prints the progress. The
/// report lists missing packages.
///
/// # Errors
/// There is no usable Python.
pub(crate) fn prepare(context: &Context, config: &Config, mode: Mode) -> Result<SetupReport, Failure> {
    let name = context.project.name();
    // Only a set-up that was asked for has the time: what is started compiles what it imports.
    let request = SetupRequest { compile: mode != Mode::Automatic, ..request(context, config, &name, mode) };
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

/// The plan of a start's set-up; `None` if the environment would stay unchanged.
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

/// The set-up request of this project.
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
        compile: false,
        home_is_alive: may_use_packages(context),
        programs: &context.programs,
        around: &context.project.around,
    }
}

/// Returns true if a process of this project that may have loaded Python packages is running: any but the
/// built-in web app.
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

/// The reason why there is no usable Python, and the remedy.
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

/// Warns of differences between the environment and the project's list, where no set-up runs.
pub(crate) fn warn_of_drift(context: &Context, config: &Config) {
    for drift in drift(context, config) {
        context.printer.warning(drift);
    }
}

/// The packages of an existing environment that differ from the project's list, a sentence each.
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

/// Returns true if the last set-up of this project was interrupted or failed.
pub(crate) fn is_unfinished(context: &Context, config: &Config) -> bool {
    drift(context, config).contains(&Drift::Unfinished)
}

/// Returns true if the project's list contains this package.
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
