//! The test suite, by cargo-nextest if installed, otherwise by `cargo test`.
//!
//! The runner builds the `pipulate` program for the end-to-end tests, which belong to its package. A whole
//! run begins with the code of other systems than Linux, if a feature selects it on Linux, and the examples in
//! the documentation of public items. Nothing is printed after the runner's own summary.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, Result};

use crate::{prepare, run, say};

/// The packages with a portable alternative to their Linux code.
pub(crate) const PORTABLE: [&str; 4] =
    ["--package", "pipulate-store", "--features", "pipulate-store/portable"];

/// The number of concurrent tests. A caller's value stays; nextest reads the first.
const THREADS: [&str; 2] = ["NEXTEST_TEST_THREADS", "RUST_TEST_THREADS"];

/// The policy for tests that can't run on this machine (`tests/it/support/ledger.rs`).
#[derive(clap::Args, Default)]
pub(crate) struct Skips {
    /// Fail if a test was skipped; it is in CI
    #[arg(long)]
    pub(crate) deny_skips: bool,
    /// What this machine may lack, so that tests that need it may be skipped: root, namespaces, disks, model,
    /// network
    #[arg(long, value_name = "LACK,…", value_delimiter = ',')]
    pub(crate) may_lack: Vec<String>,
}

/// Prepares (unless `quick`) and runs the tests; `args` go to the runner. Returns the runner's exit code.
///
/// # Errors
/// A requirement could not be prepared, or the runner could not be started.
pub(crate) fn run(quick: bool, args: &[OsString], skips: &Skips) -> Result<ExitCode> {
    let mut runner = runner();
    if quick {
        runner.args(["--lib", "--bins"]);
    } else {
        runner.envs(prepare::prepare()?.variables());
    }
    if args.is_empty() && !(run_portable()?.success() && run_examples()?.success()) {
        return Ok(ExitCode::FAILURE);
    }
    // Cargo would let --workspace override a package option.
    if !args.iter().any(|arg| names_a_package(&arg.to_string_lossy())) {
        runner.arg("--workspace");
    }
    skips.run(runner.args(args))
}

impl Skips {
    /// Runs the tests, prints what was skipped, and fails if that is not allowed; else the exit code is the runner's.
    fn run(&self, runner: &mut Command) -> Result<ExitCode> {
        let list = tempfile::NamedTempFile::new().context("could not make the list of skipped tests")?;
        let status = run::status(runner.env("PIPULATE_TEST_SKIPS", list.path()))?;
        let skipped =
            std::fs::read_to_string(list.path()).context("could not read the list of skipped tests")?;
        skipped.lines().for_each(|line| say::progress(&format!("skipped: {line}")));
        let denied = self.denied(&skipped);
        if denied > 0 {
            say::progress(&format!("error: {denied} tests were skipped for what this machine must not lack"));
            return Ok(ExitCode::FAILURE);
        }
        Ok(status.code().map_or(ExitCode::FAILURE, |code| ExitCode::from(u8::try_from(code).unwrap_or(1))))
    }

    /// The number of skips on a list that are not allowed. Its lines are `PACKAGE TEST`, the
    /// lack and details.
    fn denied(&self, list: &str) -> usize {
        let is_allowed = |line: &&str| {
            line.split('\t').nth(1).is_some_and(|lack| self.may_lack.iter().any(|may| may == lack))
        };
        if self.deny_skips { list.lines().filter(|line| !is_allowed(line)).count() } else { 0 }
    }
}

/// Runs the tests that install the packages in `folder`; returns the runner's exit code.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_artefacts(folder: &Path) -> Result<ExitCode> {
    let mut tests = runner();
    // All packages, as for the other tests: for a single one, cargo would rebuild the dependencies.
    tests.args(["--workspace", "artefacts::"]);
    match has_nextest() {
        true => tests.args(["--run-ignored", "only"]),
        false => tests.args(["--", "--ignored"]),
    };
    tests.envs(prepare::prepare()?.variables()).env("PIPULATE_TEST_DIST", folder);
    let status = run::status(&mut tests)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_portable() -> Result<ExitStatus> {
    run::status(runner().arg("--lib").args(PORTABLE))
}

/// The examples in doc comments, which cargo-nextest does not run. All packages, so that no dependency is rebuilt.
fn run_examples() -> Result<ExitStatus> {
    run::status(run::cargo().args(["test", "--workspace", "--doc", "--quiet"]))
}

fn runner() -> Command {
    let mut cargo = run::cargo();
    if has_nextest() {
        cargo.args(["nextest", "run"]);
    } else {
        say::progress("cargo-nextest is not installed, so `cargo test` runs the tests");
        cargo.arg("test");
    }
    cargo.arg("--no-fail-fast");
    if THREADS.iter().all(|name| std::env::var_os(name).is_none()) {
        // The longest tests mostly wait: one thread per processor would leave half of the time idle.
        let threads = 2 * std::thread::available_parallelism().map_or(1, usize::from);
        cargo.envs(THREADS.map(|name| (name, threads.to_string())));
    }
    cargo
}

fn has_nextest() -> bool {
    run::find("cargo-nextest").is_some()
}

fn names_a_package(arg: &str) -> bool {
    arg == "--package" || arg.starts_with("--package=") || (arg.starts_with("-p") && !arg.starts_with("--"))
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use anyhow::Result;

    use super::{Skips, names_a_package};
    use crate::run;

    #[test]
    fn a_run_whose_tests_pass_fails_for_a_skip_that_is_not_allowed() -> Result<()> {
        // A skip as `tests/it/support/ledger.rs` writes it.
        let skip = r#"printf 'pipulate a::b\troot\tonly root can\n' >>"$PIPULATE_TEST_SKIPS""#;
        let run = |may_lack: &[&str], script: &str| {
            let may_lack = may_lack.iter().map(ToString::to_string).collect();
            Skips { deny_skips: true, may_lack }.run(run::program("sh").args(["-c", script]))
        };
        assert_eq!(run(&[], skip)?, ExitCode::FAILURE);
        assert_eq!(run(&["disks"], skip)?, ExitCode::FAILURE);
        assert_eq!(run(&["root"], skip)?, ExitCode::SUCCESS);
        assert_eq!(run(&[], "true")?, ExitCode::SUCCESS, "nothing was skipped");
        assert_eq!(run(&["root"], &format!("{skip}; exit 100"))?, ExitCode::from(100), "the runner's own");
        Ok(())
    }

    #[test]
    fn a_skip_is_denied_unless_the_machine_may_lack_what_it_names() {
        let list = "pipulate a::b\troot\tonly root can\npipulate c\tdisks\tno loop device\n";
        let denied = |deny_skips, may_lack: &[&str]| {
            Skips { deny_skips, may_lack: may_lack.iter().map(ToString::to_string).collect() }.denied(list)
        };
        assert_eq!((denied(false, &[]), denied(true, &[])), (0, 2));
        assert_eq!((denied(true, &["root"]), denied(true, &["root", "disks"])), (1, 0));
    }

    #[test]
    fn a_package_is_noticed_however_it_is_written() {
        assert!(["-p", "-pxtask", "--package", "--package=xtask"].into_iter().all(names_a_package));
        assert!(!["--profile", "stop", "--", "--nocapture"].into_iter().any(names_a_package));
    }
}
