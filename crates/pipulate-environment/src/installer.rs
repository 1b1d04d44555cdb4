//! Installs packages: with uv if it is available, with pip where it must be.

mod choice;
mod dry_run;
mod pip_config;
mod rules;
mod uv_config;

use std::path::{Path, PathBuf};

use pipulate_process::command::{Command, End, Stream};

use crate::failure::{Cause, InstallFailure, classify, last_words};
use crate::installer_kind::InstallerKind;
use crate::progress::{InstallProgress, ProgressReader};
use crate::requirements::Requirements;
use crate::surroundings::Surroundings;
use crate::uv::Uv;
use crate::venv::{Packages, sees_the_system};
use crate::version::Version;

pub(crate) use choice::{Choice, choose};
pub use dry_run::Replacement;
use pip_config::elsewhere;

/// An installer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Installer {
    Uv(Uv),
    Pip,
}

impl Installer {
    /// The name of the installer.
    pub(crate) fn kind(&self) -> InstallerKind {
        match self {
            Self::Uv(_) => InstallerKind::Uv,
            Self::Pip => InstallerKind::Pip,
        }
    }

    /// Installs the requirements into the environment of `python`, and verifies that they are there.
    ///
    /// # Errors
    /// The cause, with the installer's output.
    pub(crate) fn install(
        &self,
        job: &Job<'_>,
        on_progress: &mut dyn FnMut(InstallProgress),
    ) -> Result<(), InstallFailure> {
        let mut reader = ProgressReader::new(self.kind());
        self.run(job, self.command(job), &mut |line| {
            if let Some(progress) = reader.line(line) {
                on_progress(progress);
            }
        })?;
        match job.missing() {
            missing if missing.is_empty() => Ok(()),
            missing => {
                let rule = elsewhere(job.around, job.venv);
                Err(self.failure(Cause::Elsewhere { missing, rule }, &[]))
            }
        }
    }

    /// The packages that an installation would replace. Nothing is changed.
    ///
    /// # Errors
    /// It would fail.
    pub(crate) fn replaced(&self, job: &Job<'_>) -> Result<Vec<Replacement>, InstallFailure> {
        let mut said = Vec::new();
        self.run(job, self.command(job).arg("--dry-run"), &mut |line| said.push(line.to_owned()))?;
        let lines = said.iter().map(String::as_str);
        Ok(match self {
            Self::Uv(_) => dry_run::of_uv(lines),
            Self::Pip => dry_run::of_pip(lines, &Packages::below(job.venv).versions()),
        })
    }

    fn run(
        &self,
        job: &Job<'_>,
        command: Command,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<(), InstallFailure> {
        let mut said = Vec::new();
        let ended = command.lines(|_stream: Stream, line| {
            on_line(line);
            said.push(line.to_owned());
        });
        match ended {
            Ok(End::Code(0)) => Ok(()),
            Ok(End::Code(_) | End::Signal(_) | End::TimedOut | End::Unknown) => {
                Err(self.failure(classify(&said.join("\n")).behind(job.around), &said))
            }
            Err(error) => Err(self.failure(Cause::NotStarted, &[error.to_string()])),
        }
    }

    fn failure(&self, cause: Cause, said: &[String]) -> InstallFailure {
        InstallFailure { installer: self.kind(), cause, last_words: last_words(said) }
    }

    fn command(&self, job: &Job<'_>) -> Command {
        let command = match self {
            // Packages outside of the lock file stay: pip, and manually installed ones.
            Self::Uv(uv) if job.requirements.is_locked() => uv_project_command(uv, job.around, job.venv)
                .args(["sync", "--inexact", "--python"])
                .arg(job.python)
                .args(job.compile.then_some("--compile-bytecode")),
            Self::Uv(uv) => uv_command(uv, job.around)
                .args(["pip", "install", "--python"])
                .arg(job.python)
                .args(job.compile.then_some("--compile-bytecode"))
                .args(given_links(job))
                // Otherwise uv would install into another environment.
                .env_remove("VIRTUAL_ENV")
                .env_remove("CONDA_PREFIX"),
            Self::Pip => Command::new(job.python)
                .args(["-m", "pip", "install", "--no-input", "--disable-pip-version-check"])
                .args(["--progress-bar", "off"])
                .args((!job.compile).then_some("--no-compile"))
                .env("PIP_USER", "0")
                .env_remove("PYTHONHOME")
                // Packages found there would count as installed.
                .env_remove("PYTHONPATH"),
        };
        command.args(job.requirements.arguments()).directory(job.project)
    }
}

/// The packages to install and their place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub around: &'a Surroundings,
    pub project: &'a Path,
    pub venv: &'a Path,
    /// The environment's own Python.
    pub python: &'a Path,
    pub version: Version,
    pub requirements: &'a Requirements,
    /// As [`SetupRequest::compile`](crate::setup::SetupRequest::compile).
    pub compile: bool,
}

impl Job<'_> {
    /// The missing packages among those required by name.
    fn missing(&self) -> Vec<String> {
        missing(self.requirements, self.venv, Some(self.version))
    }
}

/// The packages required by name that the environment lacks. Empty for one that sees the packages of its base
/// Python, where that is unknown.
pub(crate) fn missing(wanted: &Requirements, venv: &Path, version: Option<Version>) -> Vec<String> {
    let there = Packages::below(venv).names();
    let missing: Vec<String> = wanted.names_for(version).difference(&there).cloned().collect();
    if missing.is_empty() || sees_the_system(venv) { Vec::new() } else { missing }
}

/// pip's additional places for packages, unless uv has its own setting.
fn given_links(job: &Job<'_>) -> Vec<String> {
    if job.around.variable("UV_FIND_LINKS").is_some() {
        return Vec::new();
    }
    let links = pip_config::links(job.around, job.project, job.venv);
    links.into_iter().flat_map(|link| ["--find-links".to_owned(), link]).collect()
}

/// uv, without colors and progress bars, with pip's certificates.
pub(crate) fn uv_command(uv: &Uv, around: &Surroundings) -> Command {
    let command = Command::new(&uv.program)
        .env("UV_NO_PROGRESS", "1")
        .env("NO_COLOR", "1")
        .env_remove("FORCE_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env("UV_PYTHON_DOWNLOADS", "never");
    // As for all variables: the caller's count, not those of this process.
    let command = match around.variable("UV_CACHE_DIR") {
        Some(folder) => command.env("UV_CACHE_DIR", folder),
        None => command,
    };
    match certificates(around) {
        Some(file) => command.env("SSL_CERT_FILE", file),
        None => command,
    }
}

/// uv for the project itself, with that environment.
pub(crate) fn uv_project_command(uv: &Uv, around: &Surroundings, venv: &Path) -> Command {
    uv_command(uv, around)
        .env("UV_PROJECT_ENVIRONMENT", venv)
        .env_remove("VIRTUAL_ENV")
        .env_remove("CONDA_PREFIX")
}

/// pip's variables; uv reads only `SSL_CERT_FILE`.
fn certificates(around: &Surroundings) -> Option<PathBuf> {
    if around.variable("SSL_CERT_FILE").is_some() {
        return None;
    }
    let names = ["PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];
    let mut files = names.iter().filter_map(|name| around.variable(name)).map(PathBuf::from);
    // pip accepts a folder of certificates, this variable doesn't.
    files.find(|file| file.is_file())
}
