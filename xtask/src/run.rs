//! The only file here that starts programs. No started program can ask a question: stdin is empty.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use anyhow::{Context, Result, ensure};

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// A program that will run in the workspace's folder.
#[expect(clippy::disallowed_methods, reason = "the tasks start programs here and nowhere else")]
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).stdin(Stdio::null());
    // Variables that cargo sets about this package for its subprocesses. With them, ring's build script and
    // every crate that needs TLS would be rebuilt, and again by the next cargo that a developer calls.
    let says_cargo = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    std::env::vars_os().map(|(name, _)| name).filter(says_cargo).for_each(|name| {
        command.env_remove(name);
    });
    command
}

/// The cargo that started this program, so that the toolchain stays the same.
pub(crate) fn cargo() -> Command {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command to its end, with inherited output.
///
/// # Errors
/// It could not be started.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().with_context(|| format!("could not run {}", words(command)))
}

/// As [`status`], for a command that must succeed.
///
/// # Errors
/// It could not be started, or it failed.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    ensure!(status.success(), "{} ended with {status}", words(command));
    Ok(())
}

/// Runs a command and captures its output, which an error includes.
///
/// # Errors
/// It could not be started, or it failed.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("could not run {}", words(command)))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} ended with {}: {}", words(command), output.status, complaint.trim());
    Ok(output)
}

/// The path of this program on `PATH`.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn words(command: &Command) -> String {
    let args = command.get_args().map(|arg| format!(" {}", arg.display()));
    format!("`{}{}`", command.get_program().display(), args.collect::<String>())
}
