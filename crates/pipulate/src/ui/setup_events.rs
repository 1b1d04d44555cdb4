//! A set-up in words: permanent lines, and transient progress.

use pipulate_core::units::counted;
use pipulate_environment::progress::InstallProgress;
use pipulate_environment::setup::{SetupEvent, SetupWarning};

use super::printer::Printer;
use super::progress::Progress;

/// Shows one event.
pub(crate) fn show(event: SetupEvent, progress: &Progress) {
    match event {
        SetupEvent::Waiting => progress.note("Waiting for another set-up of this project"),
        SetupEvent::PythonFound { python, version, why } => {
            progress.note(format!("Python {version}: {} ({why})", python.display()));
        }
        SetupEvent::Replacing { why, kept_as } => {
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            progress.note(format!("Making a new Python environment{why}"));
            if let Some(kept_as) = kept_as {
                progress.note(format!("The old one is kept as: {}", kept_as.display()));
            }
        }
        SetupEvent::MakingVenv { venv } => {
            progress.note(format!("Making a Python environment: {}", venv.display()));
            progress.now("making the environment");
        }
        SetupEvent::FetchingUv => progress.now("fetching uv"),
        SetupEvent::Installing { installer, packages } => {
            progress.note(format!("Installing {} with {installer}", counted(packages, "package")));
            progress.now("looking for the packages");
        }
        SetupEvent::Progress(step) => {
            match &step {
                InstallProgress::Fetching { name, done, total: Some(total) } => {
                    progress.so_far(*done, *total, format!("fetching {name}"));
                }
                InstallProgress::Resolved { .. }
                | InstallProgress::Fetching { total: None, .. }
                | InstallProgress::Building { .. }
                | InstallProgress::Prepared { .. }
                | InstallProgress::Writing { .. }
                | InstallProgress::Installed { .. }
                | InstallProgress::Compiled { .. }
                | InstallProgress::Present { .. } => progress.now(describe(&step)),
            }
            progress.detail(describe(&step));
        }
        SetupEvent::Note(note) => progress.note(note),
    }
}

fn describe(step: &InstallProgress) -> String {
    match step {
        InstallProgress::Resolved { total } => format!("{} in all", counted(*total, "package")),
        InstallProgress::Fetching { name, done, total: Some(total) } => {
            format!("fetching {name} ({done} of {total})")
        }
        InstallProgress::Fetching { name, done, total: None } => format!("fetching {name} ({done})"),
        InstallProgress::Building { name } => format!("building {name}"),
        InstallProgress::Prepared { count } => format!("{} fetched", counted(*count, "package")),
        InstallProgress::Writing { total } => format!("writing {}", counted(*total, "package")),
        InstallProgress::Installed { count } => format!("{} installed", counted(*count, "package")),
        InstallProgress::Compiled { files } => format!("{} compiled", counted(*files, "file")),
        InstallProgress::Present { name } => format!("{name} is there already"),
    }
}

/// Shows the installer's last lines, which often have the best explanation.
pub(crate) fn show_last_words(warning: &SetupWarning, printer: &Printer) {
    show_installers_lines(warning.last_words(), printer);
}

/// Shows the end of an installer's output.
pub(crate) fn show_installers_lines(lines: &[String], printer: &Printer) {
    if !lines.is_empty() {
        printer.note("Last lines from the installer:");
        for line in lines {
            printer.note(format!("  {line}"));
        }
    }
}
