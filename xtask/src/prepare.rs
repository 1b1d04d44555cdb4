//! The tests' requirements beyond cargo: a Python environment (required), an older kernel, a browser, axe and
//! some programs.
//!
//! Everything is installed in `target/`, except missing Debian packages, which only root installs. If nothing
//! is missing, no program is started.

mod axe;
mod debian;
mod model;
pub(crate) mod npm;
pub(crate) mod python;
pub(crate) mod rust;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::{run, say};

/// The names of the browser in Debian and elsewhere.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The paths of the tests' requirements.
pub(crate) struct Prepared {
    pub(crate) python: PathBuf,
    model: PathBuf,
    chromium: Option<PathBuf>,
    axe: Option<PathBuf>,
}

impl Prepared {
    /// The paths as environment variables.
    pub(crate) fn variables(&self) -> Vec<(&'static str, PathBuf)> {
        let mut variables =
            vec![("PIPULATE_TEST_PYTHON", self.python.clone()), ("PIPULATE_TEST_MODEL", self.model.clone())];
        variables.extend(self.axe.clone().map(|path| ("PIPULATE_TEST_AXE", path)));
        variables.extend(self.chromium.clone().map(|path| ("PIPULATE_TEST_CHROMIUM", path)));
        variables
    }
}

/// Prepares, and prints the variables as `NAME=value` lines.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn run() -> Result<ExitCode> {
    for (name, value) in prepare()?.variables() {
        say::result(&format!("{name}={}", value.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Installs missing requirements of the tests.
///
/// # Errors
/// A requirement is missing and could not be installed: why, and what to do.
pub(crate) fn prepare() -> Result<Prepared> {
    debian::install_missing();
    let python = python::environment(run::root())?;
    if let Err(error) = python::older_kernel(run::root(), &python) {
        say::progress(&format!("warning: the tests that need ipykernel 6 cannot pass without it: {error:#}"));
    }
    if let Err(error) = python::app_packages(run::root(), &python) {
        say::progress(&format!(
            "warning: the tests of apps cannot pass without matplotlib and ruff: {error:#}"
        ));
    }
    if let Err(error) = python::notebooks_of_others(run::root(), &python) {
        say::progress(&format!(
            "warning: the test of other people's notebooks cannot pass without them: {error:#}"
        ));
    }
    if let Err(error) = python::assistant_packages(run::root(), &python) {
        say::progress(&format!("warning: the tests of assistants cannot pass without mcp: {error:#}"));
    }
    if let Err(error) = python::example_packages(run::root(), &python) {
        say::progress(&format!(
            "warning: the tests of examples cannot pass without their packages: {error:#}"
        ));
    }
    if let Err(error) = debian::unpack_web_servers(run::root()) {
        say::progress(&format!("warning: the tests of reverse proxies are skipped without them: {error:#}"));
    }
    let chromium = BROWSERS.into_iter().find_map(run::find);
    let model = model::packages(run::root(), &python);
    Ok(Prepared { python, model, chromium, axe: axe::script(run::root()) })
}
