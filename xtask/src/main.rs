//! The project's own tasks: `cargo xtask
//! ci|test|tidy|dist|macos|workflows|licenses|book|words|prepare|bench|torture`.
//!
//! Developers, CI and the README use the same commands. Only [`run`] starts programs and only [`say`] prints.

mod bench;
mod book;
mod ci;
mod dist;
mod licenses;
mod macos;
mod prepare;
mod run;
mod say;
mod suite;
mod tidy;
mod torture;
mod words;
mod workflows;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own tasks")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that a change must pass: format, clippy, documentation, tests, tidy
    Ci {
        /// As for `test`
        #[arg(long, value_name = "LACK,…", value_delimiter = ',')]
        may_lack: Vec<String>,
    },
    /// Prepare what the tests need, then run all of them
    Test {
        /// Only the tests that need nothing prepared: no Python, no browser, no end-to-end tests
        #[arg(long)]
        quick: bool,
        #[command(flatten)]
        skips: suite::Skips,
        /// For the test runner: a word that chooses tests, `-p CRATE`, `--nocapture`, …
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Check the rules that the compiler doesn't: crate arrows, module cycles, module docs, file sizes, documents
    Tidy,
    /// Kill supervisors, services and upgrades at random moments, for as long as you like
    Torture(torture::Options),
    /// Make under target/dist what is installed without Rust: a wheel, an sdist, a tarball, checksums
    Dist(dist::Options),
    /// Check for macOS, and link for both of its processors under target/macos; nothing of it is run
    Macos(macos::Options),
    /// Check the workflows, issue forms and other files that GitHub reads
    Workflows,
    /// Write target/dist/THIRD-PARTY-LICENSES.txt: what the program contains of others, with its licenses
    #[command(alias = "licences")]
    Licenses(licenses::Options),
    /// Make the documentation as pages in target/book
    Book,
    /// Print every sentence that the program can say, with the place that it comes from
    Words,
    /// Install what the tests need and lacks: a Python environment, a browser, shells
    Prepare,
    /// Measure what the program costs, beside what it replaces
    Bench(bench::Options),
}

/// The names of the tasks after `cargo xtask`.
fn tasks() -> BTreeSet<String> {
    Cli::command().get_subcommands().map(|task| task.get_name().to_owned()).collect()
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Ci { may_lack } => ci::run(may_lack),
        Task::Test { quick, skips, args } => suite::run(quick, &args, &skips),
        Task::Tidy => tidy::run(),
        Task::Torture(options) => torture::run(&options),
        Task::Dist(options) => dist::run(&options),
        Task::Macos(options) => macos::run(&options),
        Task::Workflows => workflows::run(),
        Task::Licenses(options) => licenses::run(&options),
        Task::Book => book::run(),
        Task::Words => words::run(),
        Task::Prepare => prepare::run(),
        Task::Bench(options) => bench::run(&options),
    };
    outcome.unwrap_or_else(|error| {
        say::progress(&format!("error: {error:#}"));
        ExitCode::FAILURE
    })
}
