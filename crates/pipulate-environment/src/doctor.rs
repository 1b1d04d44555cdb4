//! Examines a home, one finding for each known id, and mends what can be mended without asking.
//!
//! Invariants: the ids and their order never depend on what is found; examining changes nothing;
//! what is healthy, or optional and absent, is neither a warning nor a failure. Whatever other
//! crates know (ports, the configuration) is handed in.

mod browser;
mod fix;
mod modules;
mod ollama;
mod ports;
mod project;
mod python;
mod secrets;
mod settings;
mod venv;

use std::path::{Path, PathBuf};
use std::thread;

use pipulate_core::config::{Config, ConfigError};
use pipulate_core::finding::{Finding, FindingStatus, Fix};
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;

use crate::browser::session::Session;

pub use fix::{FixError, fix, repairs};

/// What a home is examined with.
#[derive(Debug)]
pub struct Examination {
    pub layout: Layout,
    /// What reading `pipulate.toml` gave.
    pub config: Result<Config, ConfigError>,
    pub session: Session,
    /// Our own program.
    pub exe: PathBuf,
    /// Who holds the ports that the services want.
    pub ports: Vec<PortFact>,
    /// Whether a service of this home lives: nothing is installed under it.
    pub alive: bool,
}

/// Who holds a port that a service wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortFact {
    pub service: ServiceName,
    pub port: u16,
    pub owner: PortOwner,
}

/// Whose a port is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortOwner {
    Free,
    /// The service itself has it.
    Ours,
    Foreign {
        pid: i32,
        command: String,
        /// The home that it belongs to, if it is one of ours.
        project: Option<PathBuf>,
    },
    /// Somebody has it whom we may not see.
    Unknown,
}

/// A group of checks that share their evidence.
type Check = fn(&Examination) -> Vec<Finding>;

/// In the order in which they are told.
const CHECKS: [Check; 14] = [
    settings::config,
    project::writable,
    project::disk,
    python::found_and_version,
    venv::whole,
    venv::python,
    venv::requirements,
    modules::numpy,
    modules::jupyterlab,
    modules::fasthtml,
    ports::ports,
    ollama::reachable_and_models,
    browser::opener,
    secrets::permissions,
];

/// Examines everything at once: the slowest check takes as long as all of them.
pub fn examine(examination: &Examination) -> Vec<Finding> {
    thread::scope(|scope| {
        let running = CHECKS.map(|check| scope.spawn(move || check(examination)));
        let findings = running.into_iter().flat_map(|check| match check.join() {
            Ok(findings) => findings,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        findings.chain(settings::library_path(examination)).collect()
    })
}

impl Examination {
    /// The configuration, or why what depends on it is not examined.
    fn config(&self) -> Result<&Config, &'static str> {
        self.config.as_ref().map_err(|_| "Not examined: pipulate.toml can't be read")
    }

    /// A command of ours that works from any folder.
    fn pipulate(&self, words: &[&str]) -> Vec<String> {
        let root = self.layout.root().display().to_string();
        ["pipulate", "-C", root.as_str()].iter().chain(words).map(|&word| word.to_owned()).collect()
    }
}

/// Advice that a command of ours carries out.
fn with_command(mut finding: Finding, text: &str, command: Vec<String>, automatic: bool) -> Finding {
    finding.fix = Some(Fix { text: text.to_owned(), command, automatic });
    finding
}

fn skipped(id: &'static str, title: impl Into<String>) -> Finding {
    Finding::new(id, FindingStatus::Skipped, title)
}

fn warning(id: &'static str, title: impl Into<String>) -> Finding {
    Finding::new(id, FindingStatus::Warning, title)
}

fn failure(id: &'static str, title: impl Into<String>) -> Finding {
    Finding::new(id, FindingStatus::Failure, title)
}

/// Whether a program can be started: a path as it is, a bare name on `PATH`.
fn is_startable(examination: &Examination, program: &Path) -> bool {
    match program.to_str() {
        Some(name) if !name.contains('/') => examination.session.surroundings.programs(name).next().is_some(),
        Some(_) | None => crate::surroundings::is_executable(program),
    }
}

#[cfg(test)]
mod tests;
