//! A project whose packages another tool manages: Pipulate names that tool's command, and
//! runs it after a yes.

use pipulate_core::text::shell_words;
use pipulate_environment::managers::Manager;
use pipulate_environment::plan::Drift;

use crate::context::Context;
use crate::error::Failure;
use crate::ui::ask;
use crate::ui::progress::Progress;

/// The tool in these differences, unless a set-up does its work.
pub(super) fn of(drift: &[Drift]) -> Option<Manager> {
    drift.iter().find_map(|drift| match drift {
        Drift::ManagedBy(manager) | Drift::ManagerLacks { manager, is_listed: true, .. }
            if manager.name != "uv" =>
        {
            Some(*manager)
        }
        _ => None,
    })
}

/// Returns true if the user at the terminal wants the environment installed.
pub(super) fn is_wanted(context: &Context, manager: Manager) -> bool {
    let command = manager.install_command();
    // A tool that is not installed is only named.
    manager.command(&context.project.around, &context.project.layout, &command).is_some()
        && ask::yes(&context.printer, &format!("{manager}. Run `{}` now?", command.join(" ")))
}

/// The advice without a terminal.
pub(super) fn hint(manager: Manager) -> String {
    let install = manager.install_command().join(" ");
    match manager.interpreter {
        Some(interpreter) => format!(
            "run `{install}`, then write in pipulate.toml below [python]: interpreter = \"{interpreter}\""
        ),
        None => format!(
            "run `{install}`, so that its environment is in .venv; or list the packages in requirements.txt"
        ),
    }
}

/// Runs the tool's install command, after a yes.
///
/// # Errors
/// The answer was no, or the tool failed.
pub(super) fn install(context: &Context, manager: Manager) -> Result<(), Failure> {
    if !is_wanted(context, manager) {
        return Err(Failure::failed(manager.to_string()).hint(hint(manager)));
    }
    run(context, manager, &manager.install_command())
}

/// Runs a command of the tool, and shows its output.
///
/// # Errors
/// It is not installed, or failed.
pub(crate) fn run(context: &Context, manager: Manager, words: &[String]) -> Result<(), Failure> {
    let command = manager
        .command(&context.project.around, &context.project.layout, words)
        .ok_or_else(|| Failure::failed(format!("{} is not installed", manager.name)).hint(hint(manager)))?;
    let progress = Progress::new(&context.printer);
    progress.note(format!("Running: {}", shell_words(words)));
    let end = command.lines(|_, line| progress.note(line.to_owned()))?;
    match end.success() {
        true => Ok(()),
        false => Err(Failure::failed(format!("`{}` {end}", words.join(" ")))),
    }
}
