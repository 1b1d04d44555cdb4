//! Examines a home, with one finding for each known id, and applies fixes that need no question.
//!
//! Invariants: the ids and their order never depend on the result; examining changes nothing; healthy or
//! optional and absent things are neither a warning nor a failure. Facts from other crates (ports, the
//! services' status, the configuration) are passed in. Each group of checks is in a file of its own, with its
//! ids; [`catalog`] lists them.

pub mod catalog;
mod check;
mod evidence;
mod fix;
mod git;
mod imports;
mod jupyter;
mod machine;
mod nix;
mod ollama;
mod packages;
mod ports;
mod project;
mod python;
mod secrets;
mod server;
mod services;
mod session;
mod venv;

use std::path::{Path, PathBuf};
use std::thread;

use pipulate_core::config::{Config, ConfigError};
use pipulate_core::finding::{Finding, FindingStatus};
use pipulate_core::identity::Pid;
use pipulate_core::layout::Layout;
use pipulate_core::resources::Resources;
use pipulate_core::service::ServiceName;
use pipulate_core::status::ProjectStatus;
use pipulate_store::files;

use crate::bare_words;
use crate::browser::session::Session;
use crate::surroundings::Surroundings;
use crate::venv::{self as environment, bin_dir, existing_python};

pub use fix::{FixError, fix, repairs};

/// The input of an examination.
#[derive(Debug)]
pub struct Examination {
    pub layout: Layout,
    /// The result of reading `pipulate.toml`.
    pub config: Result<Config, ConfigError>,
    pub session: Session,
    /// Our own program.
    pub exe: PathBuf,
    /// The holders of the ports that the services want.
    pub ports: Vec<PortFact>,
    /// The state of the services.
    pub status: ProjectStatus,
    /// True if the running JupyterLab accepts any client; `None` if none runs.
    pub jupyter_is_open: Option<bool>,
    /// True if a running service of this home may have loaded packages, which must not be replaced then.
    pub alive: bool,
    /// The machine's memory, load and disk space.
    pub resources: Resources,
    /// The root of the machine's own files: `/`, except in tests.
    pub machine: PathBuf,
}

/// The state of a port that a service wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortFact {
    pub service: ServiceName,
    pub port: u16,
    pub state: PortState,
}

/// The state of a port, with its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortState {
    Free,
    /// The service itself has it.
    Ours,
    Foreign {
        pid: Pid,
        command: String,
        /// The home of the holder, if it belongs to one.
        project: Option<PathBuf>,
    },
    /// Another user's process has it, which can't be identified.
    Unknown,
}

/// Runs all checks concurrently: together they take as long as the slowest one.
pub fn examine(examination: &Examination) -> Vec<Finding> {
    thread::scope(|scope| {
        let running = catalog::GROUPS.map(|group| scope.spawn(move || (group.examine)(examination)));
        let findings = running.into_iter().flat_map(|group| match group.join() {
            Ok(findings) => findings,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        findings.map(|finding| said_how_to_use(finding, examination)).collect()
    })
}

/// Returns true if the next `git add .` would add the project's `.env`; false if git can't be run.
pub fn secrets_would_be_published(layout: &Layout, around: &Surroundings) -> bool {
    secrets::would_be_published(layout, around)
}

/// The reason why an untrusted Python was not run.
const NOT_USED_YET: &str =
    "Not run: this folder's Python was not set up or started here, or has changed since";

/// Adds how to allow it: examining a folder is no consent to run its programs; a set-up is.
fn said_how_to_use(finding: Finding, examination: &Examination) -> Finding {
    match finding.title == NOT_USED_YET {
        true => finding.command("if you trust this folder", examination.pipulate(&["setup"])),
        false => finding,
    }
}

impl Examination {
    /// The configuration, or why checks that need it are skipped.
    fn config(&self) -> Result<&Config, &'static str> {
        self.config.as_ref().map_err(|_| "Not checked: pipulate.toml can't be read")
    }

    /// The home's Python, if it may be run.
    fn python(&self) -> Result<PathBuf, &'static str> {
        let python = existing_python(&self.layout, &self.config()?.python);
        let python = python.ok_or("Not checked: there is no Python environment")?;
        self.may_run_python().then_some(python).ok_or(NOT_USED_YET)
    }

    /// Returns true if a set-up or a start has used the home's Python before: only then it may be run.
    fn may_run_python(&self) -> bool {
        self.config().is_ok_and(|config| environment::is_known(&self.layout, &config.python))
    }

    /// Returns true if pipulate.toml names an existing interpreter that was not used yet: it
    /// may be any program.
    fn is_unused(&self, interpreter: &Path) -> bool {
        self.layout.inside(interpreter).exists() && !self.may_run_python()
    }

    /// The surroundings without this folder's programs, unless they may be run.
    fn trusted_surroundings(&self) -> Surroundings {
        let around = self.session.surroundings.clone();
        if self.may_run_python() {
            return around;
        }
        let path = around.variable("PATH").unwrap_or_default().to_owned();
        let is_elsewhere = |folder: &PathBuf| !real(folder).starts_with(self.layout.root());
        // Entries that were split at the separators can be joined again.
        let path = std::env::join_paths(std::env::split_paths(&path).filter(is_elsewhere));
        around.with("PATH", path.unwrap_or_default())
    }

    /// A command of ours that works in any folder.
    fn pipulate(&self, words: &[&str]) -> Vec<String> {
        let root = self.layout.root().display().to_string();
        ["pipulate", "-C", root.as_str()].iter().chain(words).map(|&word| word.to_owned()).collect()
    }

    /// The command for this verb here: `start`, or `pipulate start`.
    fn typed(&self, word: &'static str) -> String {
        let bin = self.config().map(|config| bin_dir(&self.layout, &config.python)).unwrap_or_default();
        bare_words::typed(&bin, word, &self.session.surroundings)
    }

    /// A variable's text; an empty one counts as unset.
    fn variable(&self, name: &str) -> Option<&str> {
        self.session.surroundings.text(name)
    }

    /// The first program with that name on `PATH`.
    fn program(&self, name: &str) -> Option<PathBuf> {
        self.trusted_surroundings().programs(name).next()
    }

    /// One of the machine's own files, by its path without the leading slash.
    fn machine_file(&self, path: &str) -> PathBuf {
        self.machine.join(path)
    }

    /// The text of one of the machine's own files.
    fn read_machine(&self, path: &str) -> Option<String> {
        files::read_foreign_text(&self.machine_file(path)).ok()
    }
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

/// The canonical path; the path itself if it doesn't exist.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Returns true if a program can be started: a path as it is, a bare name from `PATH`.
fn is_startable(examination: &Examination, program: &Path) -> bool {
    match program.to_str() {
        Some(name) if !name.contains('/') => examination.program(name).is_some(),
        Some(_) | None => crate::surroundings::is_executable(program),
    }
}

#[cfg(test)]
mod tests;
