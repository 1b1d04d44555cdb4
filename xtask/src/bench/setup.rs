//! Set-up beside the tools that it replaces: `python -m venv` with `pip install`, and bare uv, which is the
//! floor. And `doctor` beside its longest single check.
//!
//! Every side installs the same packages with the same uv or pip, byte-compiled, into an empty folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::place::Place;
use super::process;
use super::results::{Results, Value};

const UV: &str = "uv venv, uv pip install";
const PIP: &str = "python -m venv, pip install";
const PIPULATE: &str = "pipulate";

/// The default packages of a folder without a list.
const PACKAGES: [&str; 4] = ["jupyterlab", "numpy", "python-fasthtml", "python-dotenv"];

/// Measures all set-up rows. pip has one turn only: it takes most of a minute.
pub(super) fn measure(bench: &Bench, results: &mut Results) -> Result<()> {
    let tools = Tools::get(bench)?;
    for round in 0..bench.rounds {
        let cache = tools.folder.path().join(format!("cache{round}"));
        // The first turn fills the cache of the second.
        for what in ["set-up, nothing cached", "set-up, packages cached"] {
            results.add(what, UV, Value::Time(tools.uv(bench, &cache.join("1"))?.1));
            results.add(what, PIPULATE, Value::Time(tools.pipulate(bench, &cache.join("2"))?.1));
            if round == 0 {
                results.add(what, PIP, Value::Time(tools.pip(bench, &cache.join("3"))?.1));
            }
        }
    }
    nothing_to_do(bench, &tools, results)
}

/// Measures a second set-up of a finished environment.
fn nothing_to_do(bench: &Bench, tools: &Tools, results: &mut Results) -> Result<()> {
    const WHAT: &str = "set-up, nothing to do";
    const DOCTOR: &str = "doctor, of a home that is well";
    let cache = &tools.folder.path().join("cache0/2");
    let (place, _) = tools.pipulate(bench, cache)?;
    let python = place.root().join(".venv/bin/python");
    for _ in 0..bench.rounds {
        let mut pip = tools.command(&place, &python, cache);
        let pip = taken(pip.args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
        results.add(WHAT, "pip install", Value::Time(pip));
        let mut uv = tools.command(&place, &tools.uv, cache);
        let uv = taken(uv.args(["pip", "install", "--quiet", "--python", ".venv"]).args(PACKAGES))?;
        results.add(WHAT, "uv pip install", Value::Time(uv));
        let own = taken(tools.command(&place, &bench.program, cache).arg("setup"))?;
        results.add(WHAT, PIPULATE, Value::Time(own));
        let mut imports = tools.command(&place, &python, cache);
        let imports = taken(imports.args(["-c", "import numpy, ipykernel, jupyterlab"]))?;
        results.add(DOCTOR, "the imports that it tries", Value::Time(imports));
        let doctor = taken(tools.command(&place, &bench.program, cache).arg("doctor"))?;
        results.add(DOCTOR, PIPULATE, Value::Time(doctor));
    }
    Ok(())
}

/// The tools of every side.
struct Tools {
    /// Removed at the end, with all caches in it.
    folder: tempfile::TempDir,
    uv: PathBuf,
    /// The interpreter that the tests' environment is based on.
    python: PathBuf,
}

impl Tools {
    /// Installs a separate uv, so that no user's cache is read or changed.
    fn get(bench: &Bench) -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("pipulate-bench-").tempdir().context("no folder for uv")?;
        let python = bench.venv.join("bin/python").canonicalize().context("the tests have no Python")?;
        let place = folder.path().join("uv");
        let mut pip = crate::run::program(bench.venv.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]);
        crate::run::check(pip.arg(&place).arg("uv"))?;
        Ok(Self { uv: place.join("bin/uv"), folder, python })
    }

    fn uv(&self, bench: &Bench, cache: &Path) -> Result<(Place, Duration)> {
        let place = empty(bench)?;
        let mut venv = self.command(&place, &self.uv, cache);
        let venv = taken(venv.args(["venv", "--quiet", "--seed", ".venv", "--python"]).arg(&self.python))?;
        let mut install = self.command(&place, &self.uv, cache);
        install.args(["pip", "install", "--quiet", "--compile-bytecode", "--python", ".venv"]);
        let install = taken(install.args(PACKAGES))?;
        Ok((place, venv + install))
    }

    fn pip(&self, bench: &Bench, cache: &Path) -> Result<(Place, Duration)> {
        let place = empty(bench)?;
        let venv = taken(self.command(&place, &self.python, cache).args(["-m", "venv", ".venv"]))?;
        let python = place.root().join(".venv/bin/python");
        let mut install = self.command(&place, &python, cache);
        let install = taken(install.args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
        Ok((place, venv + install))
    }

    fn pipulate(&self, bench: &Bench, cache: &Path) -> Result<(Place, Duration)> {
        let place = empty(bench)?;
        let time = taken(self.command(&place, &bench.program, cache).arg("setup"))?;
        Ok((place, time))
    }

    /// A program with uv on `PATH`, these caches, and the caller's network settings.
    fn command(&self, place: &Place, program: &Path, cache: &Path) -> Command {
        let mut command = place.command(program);
        let bin = self.uv.parent().unwrap_or(Path::new("/")).to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path)));
        command.env("PATH", path.unwrap_or_default()).env("PIPULATE_PYTHON", &self.python);
        command.env("UV_CACHE_DIR", cache.join("uv")).env("PIP_CACHE_DIR", cache.join("pip"));
        let network = std::env::vars_os().filter(|(name, _)| {
            let name = name.to_string_lossy().to_ascii_lowercase();
            name.ends_with("_proxy") || name.starts_with("ssl_cert")
        });
        command.envs(network);
        command
    }
}

/// A new project without an environment.
fn empty(bench: &Bench) -> Result<Place> {
    let place = Place::new(bench, "")?;
    fs::remove_file(place.root().join(".venv")).context("could not unlink .venv")?;
    Ok(place)
}

/// The duration of a command that must succeed.
fn taken(command: &mut Command) -> Result<Duration> {
    let (spent, status) = process::run(command)?;
    ensure!(status.success(), "{:?} ended with {status}", command.get_program());
    Ok(spent.time)
}
