//! The test suite, by cargo-nextest where it is installed and by `cargo test` where it is not.
//!
//! The runner builds the `pipulate` program that the end-to-end tests drive: they belong to its
//! package. A whole run begins with what systems other than Linux would run, where that can be
//! chosen on Linux too. Nothing is printed after the runner's own summary.

use std::ffi::OsString;
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::Result;

use crate::{prepare, run, say};

/// The packages with a portable sibling of what they do by Linux's own means.
pub(crate) const PORTABLE: [&str; 4] =
    ["--package", "pipulate-store", "--features", "pipulate-store/portable"];

/// What becomes of tests that are skipped and that [`ALLOWED`] doesn't name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skips {
    Tell,
    Fail,
}

/// Prepares (unless `quick`) and runs the tests; `args` go to the runner. The exit code is the runner's.
///
/// # Errors
/// Something required could not be prepared, or the runner could not be started.
pub(crate) fn run(quick: bool, args: &[OsString], skips: Skips) -> Result<ExitCode> {
    let mut runner = runner();
    if quick {
        runner.args(["--lib", "--bins"]);
    } else {
        runner.envs(prepare::prepare()?.variables());
    }
    if args.is_empty() && !run_portable()?.success() {
        return Ok(ExitCode::FAILURE);
    }
    // Cargo would let --workspace win over a package that was asked for.
    if !args.iter().any(|arg| names_a_package(&arg.to_string_lossy())) {
        runner.arg("--workspace");
    }
    let list = std::env::temp_dir().join(format!("pipulate-skips-{}", std::process::id()));
    let status = run::status(runner.args(args).env("PIPULATE_TEST_SKIPS", &list))?;
    let skipped = std::fs::read_to_string(&list).unwrap_or_default();
    let _never_there = std::fs::remove_file(&list);
    if !are_allowed(&skipped) && skips == Skips::Fail {
        return Ok(ExitCode::FAILURE);
    }
    Ok(status.code().map_or(ExitCode::FAILURE, |code| ExitCode::from(u8::try_from(code).unwrap_or(1))))
}

/// End-to-end tests that `cargo xtask ci` may skip, where root runs them and all that they need is installed.
const ALLOWED: [&str; 1] = ["fasthtml::the_programs_of_the_article_run_as_they_are_printed"];

/// Names the tests that were skipped; whether all of them may be.
fn are_allowed(skipped: &str) -> bool {
    skipped.lines().for_each(|line| say::progress(&format!("skipped: {line}")));
    skipped.lines().all(|line| line.split(": ").next().is_some_and(|test| ALLOWED.contains(&test)))
}

fn run_portable() -> Result<ExitStatus> {
    run::status(runner().arg("--lib").args(PORTABLE))
}

fn runner() -> Command {
    let mut cargo = run::cargo();
    if run::find("cargo-nextest").is_some() {
        cargo.args(["nextest", "run"]);
    } else {
        say::progress("cargo-nextest is not installed, so `cargo test` runs the tests");
        cargo.arg("test");
    }
    cargo.arg("--no-fail-fast");
    cargo
}

fn names_a_package(arg: &str) -> bool {
    arg == "--package" || arg.starts_with("--package=") || (arg.starts_with("-p") && !arg.starts_with("--"))
}

#[cfg(test)]
mod tests {
    use super::names_a_package;

    #[test]
    fn a_package_is_noticed_however_it_is_written() {
        assert!(["-p", "-pxtask", "--package", "--package=xtask"].into_iter().all(names_a_package));
        assert!(!["--profile", "stop", "--", "--nocapture"].into_iter().any(names_a_package));
    }
}
