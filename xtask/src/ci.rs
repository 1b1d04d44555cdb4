//! Everything that a change must pass, in the order that fails soonest.

use std::process::ExitCode;

use anyhow::Result;

use crate::{run, say, suite, tidy};

/// Format, clippy, documentation, tests, tidy; ends at the first that fails.
///
/// # Errors
/// The step that failed, or could not be run.
pub(crate) fn run() -> Result<ExitCode> {
    say::progress("format");
    run::check(run::cargo().args(["fmt", "--all", "--check"]))?;
    say::progress("clippy");
    run::check(run::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    run::check(run::cargo().arg("clippy").args(suite::PORTABLE).args([
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    say::progress("doc");
    run::check(run::cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    say::progress("test");
    let tests = suite::run(false, &[], suite::Skips::Fail)?;
    if tests != ExitCode::SUCCESS {
        return Ok(tests);
    }
    say::progress("tidy");
    tidy::run()
}
