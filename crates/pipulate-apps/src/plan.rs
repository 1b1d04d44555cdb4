//! Which files make a notebook an app.

use pipulate_core::config::Config;
use pipulate_core::service::ServiceName;

use crate::config_text::{ConfigTextError, with_service};
use crate::description::Description;
use crate::kernel::install_command;
use crate::name::{program_file, service_name};
use crate::note::{NoForm, Note};
use crate::program::{RUNNER, RUNNER_FILE, program};

/// The program of the built-in web server.
pub const SERVER_FILE: &str = "server.py";

/// The first port for apps; those before it are the built-in services'.
const FIRST_PORT: u16 = 5003;

/// What is known about a notebook and its project. Paths are relative to the project.
pub struct Facts<'a> {
    pub notebook: &'a str,
    pub description: &'a Description,
    pub config: &'a Config,
    /// The text of `pipulate.toml`; empty if there is none.
    pub config_text: &'a str,
    /// The names of the kernels that are installed.
    pub kernels: &'a [String],
    /// Whether something of that name is there.
    pub exists: &'a dyn Fn(&str) -> bool,
    /// The text of a file, if there is one.
    pub text: &'a dyn Fn(&str) -> Option<String>,
    /// Whether a port can be listened on.
    pub is_free: &'a dyn Fn(u16) -> bool,
}

/// What was asked for beside the notebook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// The program's file, relative to the project.
    pub output: Option<String>,
    pub name: Option<ServiceName>,
    /// Leaves the web server as it is, also where there is no program for it.
    pub beside_server: bool,
}

/// What has to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub service: ServiceName,
    /// Files that are not there yet; the program is the first one.
    pub files: Vec<NewFile>,
    /// The new text of `pipulate.toml`, if it changes.
    pub config: Option<String>,
    pub notes: Vec<Note>,
}

/// A file to be written; its path is relative to the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    pub path: String,
    pub text: String,
}

/// Why no app is made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("{notebook} has no code to run")]
    NoCode { notebook: String },
    #[error("{path} is there already, and is not overwritten")]
    FileExists { path: String },
    #[error("there is a service {service} already")]
    ServiceExists { service: ServiceName },
    #[error("{path} is not the name of a Python program: it has to end with .py")]
    NotAProgram { path: String },
    #[error("{kernel}, the kernel of {notebook}, is not installed")]
    MissingKernel {
        notebook: String,
        kernel: String,
        /// What installs it.
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
/// Why it can't become an app, or not under that name.
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
    let runner = format!("{}{RUNNER_FILE}", &path[..path.rfind('/').map_or(0, |slash| slash + 1)]);
    let mut notes = notes(description);
    let text = program(&description.title, facts.notebook, &format!("pipulate restart {service}"));
    let mut files = vec![NewFile { path, text }];
    match (facts.text)(&runner) {
        Some(text) if text == RUNNER => {}
        Some(_) => notes.push(Note::RunnerKept { path: runner }),
        None => files.push(NewFile { path: runner, text: RUNNER.to_owned() }),
    }
    Ok(Plan { service, files, config, notes })
}

/// The service and its program: the web server if there is none yet, else one of its own.
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

/// Whether `server.py` would be the web server, and is not there.
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
    notes
}

#[cfg(test)]
mod tests;
