//! `setup`: the Python environment and its packages, and nothing else.

use pipulate_core::config::Config;
use pipulate_core::text::shell_words;
use pipulate_core::units::counted;
use pipulate_environment::plan::Refusal;
use pipulate_environment::setup::{self, Mode, SetupError, SetupReport, SetupRequest};
use pipulate_environment::surroundings::Surroundings;

use crate::cli::SetupSettings;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::ui::ask;
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
    if let Some(warning) = &report.warning {
        setup_events::show_last_words(warning, &context.printer);
        let fix = warning.fix();
        let failure = Failure::failed(warning.to_string()).hint(fix.text);
        return Err(if fix.command.is_empty() { failure } else { failure.hint(shell_words(&fix.command)) });
    }
    context.printer.note(summary(&report));
    Ok(ExitStatus::Success)
}

/// Makes sure that there is an environment, as far as the mode or a person at the terminal allows, and
/// says what happens. Missing packages are told in the report.
///
/// # Errors
/// There is no Python to go on with.
pub(crate) fn prepare(context: &Context, config: &Config, mode: Mode) -> Result<SetupReport, Failure> {
    let around = Surroundings::of_this_process();
    let request = SetupRequest {
        layout: &context.layout,
        python: &config.python,
        project_name: &context.project_name(),
        jupyter: config.has_jupyter(),
        mode,
        home_is_alive: context.is_alive(),
        program: &context.exe,
        around: &around,
    };
    let progress = Progress::new(&context.printer);
    let report = setup::ensure(&request, &mut |event| setup_events::show(event, &progress));
    drop(progress);
    let report = report.map_err(|error| {
        let is_alive = matches!(error, SetupError::Refused(Refusal::HomeIsAlive { .. }));
        let stop = is_alive.then(|| format!("stop them first with: {}", context.typed("stop")));
        let hint = stop.or_else(|| Some(error.fix()?.text));
        hint.into_iter().fold(Failure::from(error), Failure::hint)
    })?;
    context.remember_environment();
    for drift in &report.drift {
        context.printer.warning(drift);
    }
    if report.takes_a_yes && ask::yes(&context.printer, "Run `pipulate setup` now?") {
        return prepare(context, config, Mode::Explicit);
    }
    if !report.gone.is_empty() {
        context.printer.note(format!("Only in the old one: {}", report.gone.join(", ")));
    }
    Ok(report)
}

fn summary(report: &SetupReport) -> String {
    let version = report.version.map(|version| format!("Python {version}, ")).unwrap_or_default();
    let packages = counted(report.packages, "package");
    let what = if report.changed { "The environment is ready" } else { "The environment was ready already" };
    format!("{what}: {} ({version}{packages})", report.python.display())
}
