//! Installing packages: uv when it can be had, pip when it must be.

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

pub(crate) use rules::{Choice, choose};

/// What installs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Installer {
    Uv(Uv),
    Pip,
}

impl Installer {
    /// Which it is.
    pub(crate) fn kind(&self) -> InstallerKind {
        match self {
            Self::Uv(_) => InstallerKind::Uv,
            Self::Pip => InstallerKind::Pip,
        }
    }

    /// Installs the requirements into the environment of `python`.
    ///
    /// # Errors
    /// Why it failed, in its own words.
    pub(crate) fn install(
        &self,
        job: &Job<'_>,
        on_progress: &mut dyn FnMut(InstallProgress),
    ) -> Result<(), InstallFailure> {
        let mut reader = ProgressReader::new(self.kind());
        let mut said = Vec::new();
        let ended = self.command(job).lines(|_stream: Stream, line| {
            if let Some(progress) = reader.line(line) {
                on_progress(progress);
            }
            said.push(line.to_owned());
        });
        let failure = |cause, said: &[String]| InstallFailure {
            installer: self.kind(),
            cause,
            last_words: last_words(said),
        };
        match ended {
            Ok(End::Code(0)) => Ok(()),
            Ok(End::Code(_) | End::Signal(_) | End::TimedOut | End::Unknown) => {
                Err(failure(classify(&said.join("\n")), &said))
            }
            Err(error) => Err(failure(Cause::NotStarted, &[error.to_string()])),
        }
    }

    fn command(&self, job: &Job<'_>) -> Command {
        let command = match self {
            Self::Uv(uv) => uv_command(uv, job.around)
                .args(["pip", "install", "--compile-bytecode", "--python"])
                .arg(job.python)
                .args(given_links(job))
                // Without it uv would look for another environment to install into.
                .env_remove("VIRTUAL_ENV")
                .env_remove("CONDA_PREFIX"),
            Self::Pip => Command::new(job.python)
                .args(["-m", "pip", "install", "--no-input", "--disable-pip-version-check"])
                .args(["--progress-bar", "off"])
                .env("PIP_USER", "0")
                .env_remove("PYTHONHOME")
                // Packages found there would count as installed.
                .env_remove("PYTHONPATH"),
        };
        command.args(job.requirements.arguments()).directory(job.project)
    }
}

/// What to install where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub around: &'a Surroundings,
    pub project: &'a Path,
    pub venv: &'a Path,
    /// The environment's own Python.
    pub python: &'a Path,
    pub requirements: &'a Requirements,
}

/// Where pip is told to look besides the index, unless uv is told so itself.
fn given_links(job: &Job<'_>) -> Vec<String> {
    if job.around.variable("UV_FIND_LINKS").is_some() {
        return Vec::new();
    }
    let links = pip_config::links(job.around, job.project, job.venv);
    links.into_iter().flat_map(|link| ["--find-links".to_owned(), link]).collect()
}

/// uv, without colors and bars, with the certificates that pip was given.
pub(crate) fn uv_command(uv: &Uv, around: &Surroundings) -> Command {
    let command = Command::new(&uv.program)
        .env("UV_NO_PROGRESS", "1")
        .env("NO_COLOR", "1")
        .env_remove("FORCE_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env("UV_PYTHON_DOWNLOADS", "never");
    match certificates(around) {
        Some(file) => command.env("SSL_CERT_FILE", file),
        None => command,
    }
}

/// pip reads these, uv only `SSL_CERT_FILE`.
fn certificates(around: &Surroundings) -> Option<PathBuf> {
    if around.variable("SSL_CERT_FILE").is_some() {
        return None;
    }
    let names = ["PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];
    let mut files = names.iter().filter_map(|name| around.variable(name)).map(PathBuf::from);
    // A folder of certificates is fine for pip, not for this variable.
    files.find(|file| file.is_file())
}
