//! Benchmarks of the program beside the tools that it replaces: `cargo xtask bench [SUBJECT…]`.
//!
//! The release build and its rivals take turns, round by round, in one run on one machine: the ratios count,
//! and the spread shows how far to trust them. To measure something else, add rows to a subject's file, or
//! add a subject: a file below `bench/` and a variant of [`Subject`].

mod chat;
mod home;
mod logs;
mod peers;
mod place;
mod privacy;
mod process;
mod results;
mod setup;
mod web;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::{prepare, run, say};
use results::Results;

/// The options of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Options {
    /// What to measure; all of it by default
    #[arg(value_enum)]
    subjects: Vec<Subject>,
    /// How often each side has its turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Search a log of 10 GiB instead of one of 2: needs 13 GiB of disk, and minutes
    #[arg(long)]
    full: bool,
    /// Measure this program instead of building one
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Write every sample to this file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// A script that measures other supervisors beside the one in $PIPULATE_BIN
    #[arg(long, value_name = "FILE")]
    peers: Option<PathBuf>,
}

/// A group of rows that are measured together.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// A home with a real JupyterLab, beside a bare one and the shell scripts of old; its set-up, beside
    /// pip and uv alone
    Home,
    /// Logs, beside other loggers, `tail`, `grep` and `cat`
    Logs,
    /// The web app, beside FastHTML under uvicorn
    Web,
    /// Chats with the local LLM, beside Ollama's API read by curl
    Chat,
    /// Kernels over sockets beside TCP, and new connections to the web app
    Privacy,
    /// Other supervisors; only with --peers
    Peers,
}

impl Subject {
    fn measure(self, bench: &Bench, options: &Options, results: &mut Results) -> Result<()> {
        match self {
            Self::Home => home::measure(bench, results).and_then(|()| setup::measure(bench, results)),
            Self::Logs => logs::measure(bench, results),
            Self::Web => web::measure(bench, results),
            Self::Chat => chat::measure(bench, results),
            Self::Privacy => privacy::measure(bench, results),
            Self::Peers => peers::measure(bench, options.peers.as_deref()),
        }
    }
}

/// The input of every subject.
struct Bench {
    /// The release build of the program.
    program: PathBuf,
    /// The tests' Python environment, with JupyterLab.
    venv: PathBuf,
    rounds: u32,
    /// Includes the biggest sizes.
    is_full: bool,
}

/// Measures, and prints one table.
///
/// # Errors
/// A program could not be built, started or measured.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let prepared = prepare::prepare()?;
    let venv = prepared.python.parent().and_then(Path::parent).context("the test Python is in no venv")?;
    let bench = Bench {
        program: options.program.clone().map_or_else(release_build, Ok)?,
        venv: venv.to_owned(),
        rounds: options.rounds,
        is_full: options.full,
    };
    let mut results = Results::default();
    let by_default = |subject: &Subject| *subject != Subject::Peers || options.peers.is_some();
    let subjects = match options.subjects.as_slice() {
        [] => Subject::value_variants().iter().copied().filter(by_default).collect(),
        chosen => chosen.to_vec(),
    };
    for subject in subjects {
        subject.measure(&bench, options, &mut results)?;
    }
    say::result(&results.table());
    if let Some(path) = &options.json {
        results.write_json(path)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn release_build() -> Result<PathBuf> {
    run::check(run::cargo().args(["build", "--quiet", "--release", "--package", "pipulate"]))?;
    Ok(run::root().join("target/release/pipulate"))
}
