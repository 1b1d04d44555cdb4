//! Plans the files that make a notebook an app.

use pipulate_core::config::Config;
use pipulate_core::missing_module::MissingModule;
use pipulate_core::service::ServiceName;

use crate::config_text::{ConfigTextError, with_service};
use crate::description::Description;
use crate::kernel::install_command;
use crate::name::{program_file, service_name};
use crate::note::{NoForm, Note};
use crate::program::program;
use crate::runner::{Found, RUNNER_FILE, found, runner};

/// The program of the built-in web server.
pub const SERVER_FILE: &str = "server.py";

/// The first port for apps; lower ones are for the built-in services.
const FIRST_PORT: u16 = 5003;

/// The facts about a notebook and its project. Paths are relative to the project.
pub struct Facts<'a> {
    pub notebook: &'a str,
    pub description: &'a Description,
    pub config: &'a Config,
    /// The text of `pipulate.toml`; empty if there is none.
    pub config_text: &'a str,
    /// The names of the installed kernels.
    pub kernels: &'a [String],
    /// The existing app of this notebook, which may be incomplete: its service and its program.
    pub app: Option<(ServiceName, String)>,
    /// Returns true if this path exists.
    pub exists: &'a dyn Fn(&str) -> bool,
    /// The text of a file; `None` if there is none.
    pub text: &'a dyn Fn(&str) -> Option<String>,
    /// Returns true if this port is free.
    pub is_free: &'a dyn Fn(u16) -> bool,
}

/// The user's options beside the notebook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// The program's file, relative to the project.
    pub output: Option<String>,
    pub name: Option<ServiceName>,
    /// Does not use the web server's place, even if it has no program.
    pub beside_server: bool,
}

/// The changes to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub service: ServiceName,
    /// The program is the first one, unless it already exists.
    pub files: Vec<NewFile>,
    /// The new text of `pipulate.toml`, if it changes.
    pub config: Option<String>,
    pub notes: Vec<Note>,
}

/// A file to write; its path is relative to the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    pub path: String,
    pub text: String,
    /// The text that it replaces; no other text is ever overwritten.
    pub replaces: Option<String>,
}

/// The reason why no app is made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("{notebook} has no code to run")]
    NoCode { notebook: String },
    #[error("{path} already exists and is not overwritten")]
    FileExists { path: String },
    #[error("there is already a service {service}")]
    ServiceExists { service: ServiceName },
    #[error("{path} is not the name of a Python program: it has to end with .py")]
    NotAProgram { path: String },
    #[error("{kernel}, the kernel of {notebook}, is not installed")]
    MissingKernel {
        notebook: String,
        kernel: String,
        /// The command that installs it.
        command: Option<&'static str>,
    },
    #[error("no port is free for the app")]
    NoPort,
    #[error(transparent)]
    Config(#[from] ConfigTextError),
}

/// Decides what to write.
///
/// # Errors
/// The reason why it can't become an app, or not with that name.
pub fn plan(facts: &Facts<'_>, wish: &Wish) -> Result<Plan, PlanError> {
    let description = facts.description;
    let notebook = facts.notebook.to_owned();
    if description.cells == 0 {
        return Err(PlanError::NoCode { notebook });
    }
    let kernel = description.kernel.clone().unwrap_or_else(|| description.language.clone());
    if description.language != "python" && !facts.kernels.contains(&kernel) {
        let command = install_command(&kernel, &description.language);
        return Err(PlanError::MissingKernel { notebook, kernel, command });
    }
    if let Some((service, program)) = facts.app.clone().filter(|_| *wish == Wish::default()) {
        let (runner, note) = runner_beside(facts, &program);
        if let Some(runner) = runner {
            let notes = note.into_iter().collect();
            return Ok(Plan { service, files: vec![runner], config: None, notes });
        }
    }
    let (service, path) = place(facts, wish)?;
    if !path.to_ascii_lowercase().ends_with(".py") {
        return Err(PlanError::NotAProgram { path });
    }
    if (facts.exists)(&path) {
        return Err(PlanError::FileExists { path });
    }
    let is_server = service.as_str() == ServiceName::SERVER;
    if !is_server && facts.config.service(service.as_str()).is_some() || is_server && !server_is_free(facts) {
        return Err(PlanError::ServiceExists { service });
    }
    let config =
        if is_server { None } else { Some(with_service(facts.config_text, &service, &path, port(facts)?)?) };
    let (runner, note) = runner_beside(facts, &path);
    let mut notes = notes(description);
    notes.extend(note);
    let text = program(&description.title, facts.notebook, &format!("pipulate restart {service}"));
    let mut files = vec![NewFile { path, text, replaces: None }];
    files.extend(runner);
    Ok(Plan { service, files, config, notes })
}

/// The runner beside a program, if it must be written, and a note about an existing one.
fn runner_beside(facts: &Facts<'_>, program: &str) -> (Option<NewFile>, Option<Note>) {
    let folder = program.rfind('/').map_or(0, |slash| slash + 1);
    let path = format!("{}{RUNNER_FILE}", &program[..folder]);
    let there = (facts.text)(&path);
    match found(there.as_deref()) {
        Found::Nothing => (Some(NewFile { path, text: runner(), replaces: None }), None),
        Found::Current => (None, None),
        Found::Outdated => {
            let note = Note::RunnerReplaced { path: path.clone() };
            (Some(NewFile { path, text: runner(), replaces: there }), Some(note))
        }
        Found::Edited => (None, Some(Note::RunnerKept { path, notebook: facts.notebook.to_owned() })),
    }
}

/// The service and its program: the web server if it has no program yet, else a service of its own.
fn place(facts: &Facts<'_>, wish: &Wish) -> Result<(ServiceName, String), PlanError> {
    let server = ServiceName::parse(ServiceName::SERVER).ok();
    let wants_server = match (&wish.name, &wish.output) {
        (None, None) => !wish.beside_server && server_is_free(facts),
        (None, Some(output)) => output == SERVER_FILE && server_is_free(facts),
        (Some(name), output) => {
            name.as_str() == ServiceName::SERVER && output.as_ref().is_none_or(|output| output == SERVER_FILE)
        }
    };
    if let Some(server) = server.filter(|_| wants_server) {
        return Ok((server, SERVER_FILE.to_owned()));
    }
    let no_name = || PlanError::NoCode { notebook: facts.notebook.to_owned() };
    let service = match &wish.name {
        Some(name) => name.clone(),
        None => service_name(&facts.description.ascii_name).ok_or_else(no_name)?,
    };
    let path = wish.output.clone().unwrap_or_else(|| program_file(&service));
    Ok((service, path))
}

/// Returns true if `server.py` would be the web server's program and doesn't exist.
fn server_is_free(facts: &Facts<'_>) -> bool {
    let server = facts.config.service(ServiceName::SERVER);
    !(facts.exists)(SERVER_FILE) && server.is_some_and(|server| server.enabled && server.command.is_none())
}

fn port(facts: &Facts<'_>) -> Result<u16, PlanError> {
    let taken: Vec<u16> = facts.config.services.iter().filter_map(|service| service.port).collect();
    let free = |port: &u16| !taken.contains(port) && (facts.is_free)(*port);
    (FIRST_PORT..FIRST_PORT + 1000).find(free).ok_or(PlanError::NoPort)
}

fn notes(description: &Description) -> Vec<Note> {
    let form = match description.form_cell {
        Some(cell) if !description.fields.is_empty() => {
            Note::Form { cell, tagged: description.tagged, fields: description.fields.clone() }
        }
        Some(cell) => Note::NoForm(NoForm::NoField { cell }),
        None if description.language != "python" => {
            Note::NoForm(NoForm::Language(description.language.clone()))
        }
        None => Note::NoForm(NoForm::NoCell),
    };
    let mut notes = vec![form];
    let unusable = description.unusable.iter().cloned();
    notes.extend(unusable.map(|part| Note::Unusable { text: part.text, why: part.why }));
    if !description.widgets.is_empty() {
        notes.push(Note::Widgets { cells: description.widgets.clone() });
    }
    if !description.questions.is_empty() {
        notes.push(Note::Questions { cells: description.questions.clone() });
    }
    let modules: Vec<_> = description.missing.iter().filter_map(|module| MissingModule::of(module)).collect();
    if !modules.is_empty() {
        notes.push(Note::NotInstalled { modules });
    }
    notes
}

#[cfg(test)]
mod tests;
