//! `app`: turns a notebook into a web app, a program that its owner keeps.

use std::path::{Path, PathBuf};

use pipulate_apps::plan::{Plan, PlanError};
use pipulate_core::service::ServiceName;
use pipulate_engine::query;
use pipulate_environment::app::{self, AppError, Request};

use crate::call::AppSettings;
use crate::context::{Context, current_directory};
use crate::error::{Failure, FailureKind};
use crate::exit_code::ExitStatus;

/// Writes the app, or prints the plan.
pub(crate) fn app(context: &Context, settings: &AppSettings) -> Result<ExitStatus, Failure> {
    let plan = planned(context, settings)?;
    let printer = &context.printer;
    if !settings.dry_run {
        context.confirm_guess()?;
        app::write(&context.project.layout, &plan).map_err(|error| explained(error, ""))?;
    }
    for file in &plan.files {
        printer.data(&file.path)?;
    }
    if plan.config.is_some() {
        printer.data("pipulate.toml")?;
        let verb = if settings.dry_run { "Would add" } else { "Added" };
        printer.note(format!("{verb} to pipulate.toml: [services.{}]", plan.service));
    }
    for note in &plan.notes {
        if note.is_warning() { printer.warning(note) } else { printer.note(note.to_string()) }
    }
    if settings.dry_run {
        printer.note("Nothing was written".to_owned());
    } else {
        printer.hint(format!("show it with: {}", next_command(context, &plan)));
    }
    Ok(ExitStatus::Success)
}

/// The command that starts the app.
fn next_command(context: &Context, plan: &Plan) -> String {
    if is_running(context, &plan.service) {
        return format!("{} {}", context.typed("restart"), plan.service);
    }
    let start = context.typed("start");
    if plan.config.is_some() { format!("{start} {}", plan.service) } else { start }
}

fn is_running(context: &Context, service: &ServiceName) -> bool {
    let status = query::status(&context.project.layout, "", &[]);
    status.service(service.as_str()).is_some_and(|service| service.is_there())
}

fn planned(context: &Context, settings: &AppSettings) -> Result<Plan, Failure> {
    let notebook = found(context, &settings.notebook)?;
    let output =
        settings.output.as_deref().map(|output| whole(&current_directory()?.join(output))).transpose()?;
    let request = Request {
        layout: &context.project.layout,
        config: context.config()?,
        around: &context.project.around,
        notebook: &notebook,
        output: output.as_deref(),
        name: settings.name.as_ref(),
        beside_server: false,
        completes: true,
    };
    app::plan(&request).map_err(|error| explained(error, ""))
}

/// The notebook's path: from the current folder, else from the project's.
fn found(context: &Context, notebook: &Path) -> Result<PathBuf, Failure> {
    let here = current_directory()?.join(notebook);
    let there = context.project.layout.root().join(notebook);
    whole(if here.exists() || !there.exists() { &here } else { &there })
}

/// The path with its folder canonical; the file itself may be a link.
fn whole(path: &Path) -> Result<PathBuf, Failure> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default();
    match folder.canonicalize() {
        Ok(folder) => Ok(folder.join(name)),
        // A new folder is created for the program.
        Err(_) => Ok(path.to_owned()),
    }
}

/// The reason why there is no app, and the remedy. `command` precedes a suggested option
/// where none was typed.
pub(crate) fn explained(error: AppError, command: &str) -> Failure {
    let hints = match &error {
        AppError::NoFile(_) => vec!["name a notebook, such as: pipulate app analysis.ipynb".to_owned()],
        AppError::OldFormat(_) => vec!["open it in JupyterLab and save it once".to_owned()],
        AppError::Outside(_) => vec!["put it there, or name its project with -C".to_owned()],
        AppError::Plan(PlanError::FileExists { .. }) | AppError::FileExists(_) => {
            vec![format!("choose another file with: {command}-o FILE")]
        }
        AppError::Plan(PlanError::ServiceExists { .. }) => {
            vec![format!("choose another name with: {command}--name NAME")]
        }
        AppError::Plan(PlanError::NotAProgram { .. }) => vec!["such as: -o analysis_app.py".to_owned()],
        AppError::Plan(PlanError::MissingKernel { command, .. }) => match command {
            Some(command) => vec![format!("install it with: {command}")],
            None => vec![
                "install it as its documentation says".to_owned(),
                "those that are installed: pipulate run -- jupyter kernelspec list".to_owned(),
            ],
        },
        AppError::NotANotebook(_)
        | AppError::Unreadable { .. }
        | AppError::Python(_)
        | AppError::Command(_)
        | AppError::Undescribed { .. }
        | AppError::Plan(PlanError::NoCode { .. } | PlanError::NoPort | PlanError::Config(_))
        | AppError::Store(_) => Vec::new(),
    };
    let kind = match &error {
        AppError::NoFile(_) | AppError::Plan(PlanError::NotAProgram { .. }) => FailureKind::Usage,
        _ => FailureKind::Failed,
    };
    hints.into_iter().fold(Failure::new(kind, error.to_string()), Failure::hint)
}
