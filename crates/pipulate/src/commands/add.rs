//! `add`: adds packages to the project's list and to its environment.

use pipulate_environment::add::{self, AddError, Added};
use pipulate_environment::failure::Cause;
use pipulate_environment::setup::{Mode, SetupWarning};

use crate::call::AddSettings;
use crate::commands::setup;
use crate::context::Context;
use crate::error::{Failure, FailureKind};
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::ui::progress::Progress;
use crate::ui::setup_events;

/// Adds packages, or says why they could not be added.
pub(crate) fn add(context: &Context, settings: AddSettings) -> Result<ExitStatus, Failure> {
    interrupt::ends_with_130()?;
    let config = context.config()?;
    let context = &context.home()?;
    let name = context.project.name();
    let request = setup::request(context, config, &name, Mode::Explicit);
    let progress = Progress::new(&context.printer);
    let added = add::add(&request, &settings.packages, &mut |event| setup_events::show(event, &progress));
    drop(progress);
    let added = added.map_err(|error| explained(context, error, &settings.packages))?;
    context.remember_environment();
    report(context, &added, &settings.packages)
}

fn report(context: &Context, added: &Added, packages: &[String]) -> Result<ExitStatus, Failure> {
    let file = added.file.strip_prefix(context.project.layout.root()).unwrap_or(&added.file).display();
    match &added.report.warning {
        Some(warning @ SetupWarning::Install(failure)) if added.taken_back => {
            setup_events::show_last_words(warning, &context.printer);
            let hint = match failure.cause {
                Cause::NoSuchPackage { .. } => "check the name on https://pypi.org".to_owned(),
                _ => failure.cause.fix().text,
            };
            return Err(Failure::failed(warning.to_string())
                .hint(hint)
                .hint(format!("{file} was not changed")));
        }
        Some(SetupWarning::Replaces(_)) => context.printer.note(format!("{file} lists them now")),
        Some(SetupWarning::Install(_) | SetupWarning::Requirements(_)) | None => {}
    }
    if let Some(failure) = setup::failed(context, &added.report) {
        return Err(failure);
    }
    for drift in &added.report.drift {
        context.printer.warning(drift);
    }
    let (before, new): (Vec<&String>, Vec<&String>) =
        packages.iter().partition(|package| added.listed_before.contains(package));
    let words =
        |packages: &[&String]| packages.iter().map(|word| word.as_str()).collect::<Vec<_>>().join(", ");
    if !before.is_empty() {
        context.printer.note(format!("Already in {file}: {}", words(&before)));
    }
    if !new.is_empty() {
        context.printer.note(format!("Added to {file}: {}", words(&new)));
    }
    // Adding packages doesn't report the whole environment.
    if added.report.changed || new.is_empty() {
        context.printer.note(setup::summary(&added.report));
    }
    Ok(ExitStatus::Success)
}

/// The reason why no package was added, and the remedy.
fn explained(context: &Context, error: AddError, packages: &[String]) -> Failure {
    let error = match error {
        AddError::Setup(error) => return setup::explained(context, error),
        error => error,
    };
    let hint = match &error {
        AddError::NotAPackage { .. } => {
            return Failure::new(FailureKind::Usage, error.to_string())
                .hint("write it as on pypi.org: pandas, \"pandas>=2\", \"uvicorn[standard]\"");
        }
        AddError::Managed { manager } => {
            Some(format!("add them with: {}", manager.add_command(packages).join(" ")))
        }
        AddError::Interpreter(_) => Some("add them with that tool (conda install, pixi add, …)".to_owned()),
        AddError::Hashed(_) => {
            Some("add them with their hashes: uv pip compile --generate-hashes".to_owned())
        }
        AddError::NoUv(_) => Some("install uv (https://docs.astral.sh/uv)".to_owned()),
        AddError::Uv(failure) => {
            setup_events::show_installers_lines(&failure.last_words, &context.printer);
            Some(failure.cause.fix().text)
        }
        AddError::Requirements(_) | AddError::Store(_) | AddError::Setup(_) => None,
    };
    hint.into_iter().fold(Failure::failed(error.to_string()), Failure::hint)
}
