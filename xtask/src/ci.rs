//! Every check that a change must pass, quickest failures first.

use std::process::ExitCode;

use anyhow::Result;

use crate::{dist, macos, run, say, suite, tidy, workflows};

/// Format, clippy, macOS, documentation, dependencies, workflows, tests, artifacts, tidy; stops at the first
/// failure.
///
/// # Errors
/// The step that failed, or could not be run.
pub(crate) fn run(may_lack: Vec<String>) -> Result<ExitCode> {
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
    say::progress("macos");
    macos::run(&macos::Options { check: true })?;
    say::progress("doc");
    run::check(run::cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    say::progress("deny");
    licenses_and_sources()?;
    say::progress("workflows");
    let workflows = workflows::run()?;
    if workflows != ExitCode::SUCCESS {
        return Ok(workflows);
    }
    say::progress("test");
    let tests = suite::run(false, &[], &suite::Skips { deny_skips: true, may_lack })?;
    if tests != ExitCode::SUCCESS {
        return Ok(tests);
    }
    say::progress("dist");
    let artefacts = dist::run_quick_tests()?;
    if artefacts != ExitCode::SUCCESS {
        return Ok(artefacts);
    }
    say::progress("tidy");
    tidy::run()
}

/// Checks the dependencies against `deny.toml` if cargo-deny is installed, without the advisories: their
/// database is on the network.
fn licenses_and_sources() -> Result<()> {
    if run::find("cargo-deny").is_none() {
        say::progress("cargo-deny is not installed, so licenses, bans and sources were not checked");
        return Ok(());
    }
    run::check(run::cargo().args(["deny", "check", "licenses", "bans", "sources"]))
}
