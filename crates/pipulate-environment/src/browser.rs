//! Opens pages in the user's browser, or says why not and what to do instead.
//!
//! Invariants: no secret is ever in a program's arguments; nothing here fails a start or delays it for longer
//! than [`PATIENCE`]; started programs belong to no service. Reading order: [`session`] (the facts), [`plan`]
//! (the decision), then [`hand_over`], which runs in a small process of its own because a browser may take
//! longer than `start` does.

mod one_time_urls;
mod opener;
mod opener_helper;
pub mod plan;
pub mod session;

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pipulate_core::marker;
use pipulate_process::command::{Command, CommandError};

use opener_helper::{Instructions, ReportSocket};
use plan::Plan;

/// The hidden verb of our own program that calls [`hand_over`].
pub const VERB: &str = "__hand-over";

/// The longest time that [`open_pages`] waits for a report from its openers.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// A page to open in the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The service's name, for messages.
    pub name: String,
    pub url: String,
    /// True if the URL contains a token or a code; then the browser gets a one-time URL instead.
    pub secret: bool,
}

/// The result for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    pub name: String,
    pub outcome: Outcome,
}

/// The result of handing a page to a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An opener accepted it, or the browser has already requested it.
    Opened,
    /// No opener accepted it; the reason is one line for people.
    NotOpened { reason: String },
}

/// The reason why pages could not be handed over.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    #[error("could not {activity} to hand pages to the browser: {source}")]
    Io { activity: &'static str, source: io::Error },
    #[error("could not get random bytes from the system for a one-time address: {0}")]
    Random(getrandom::Error),
    #[error("the pages to hand over are not readable JSON: {0}")]
    Instructions(#[from] serde_json::Error),
    #[error("the helper that hands pages to the browser did not start: {0}")]
    Helper(#[from] CommandError),
}

/// Opens `pages` by `plan`. `exe` is our own program: its verb [`VERB`] serves the one-time URLs.
pub fn open_pages(plan: &Plan, pages: Vec<Page>, exe: &Path) -> Vec<Opened> {
    open_within(plan, pages, exe, PATIENCE)
}

/// Runs the hidden verb: opens the pages in `input`, then serves their one-time URLs until each was used or a
/// minute has passed. The process should end after it.
///
/// # Errors
/// `input` was not written by [`open_pages`], or the machine has no free loopback socket.
pub fn hand_over(input: impl Read) -> Result<(), BrowserError> {
    opener_helper::run(serde_json::from_reader(input)?)
}

/// The programs to try, in order.
pub(crate) fn opener_programs(plan: &Plan) -> Vec<PathBuf> {
    let programs = match plan {
        Plan::Print { .. } => return Vec::new(),
        Plan::BrowserVariable(programs) => Some(programs.as_slice()),
        Plan::System => None,
    };
    let commands = opener::candidates(programs, "http://127.0.0.1/");
    commands.iter().map(|command| command.program().to_owned()).collect()
}

fn open_within(plan: &Plan, pages: Vec<Page>, exe: &Path, patience: Duration) -> Vec<Opened> {
    let programs = match plan {
        Plan::Print { reason, hint: _ } => return refuse(pages, reason),
        Plan::BrowserVariable(programs) => Some(programs.clone()),
        Plan::System => None,
    };
    if pages.is_empty() {
        return Vec::new();
    }
    match send(programs, &pages, exe, patience) {
        Ok(reasons) => pages.into_iter().zip(reasons).map(|(page, reason)| opened(page, reason)).collect(),
        Err(error) => refuse(pages, &error.to_string()),
    }
}

fn send(
    programs: Option<Vec<String>>,
    pages: &[Page],
    exe: &Path,
    patience: Duration,
) -> Result<Vec<Option<String>>, BrowserError> {
    let socket = ReportSocket::new()?;
    let instructions = Instructions::new(programs, pages, &socket, patience);
    helper(exe).stdin(serde_json::to_vec(&instructions)?).detached()?;
    let answer = socket.answer(patience)?;
    Ok(answer.unwrap_or_else(|| {
        let silence =
            format!("the program that opens the browser did not respond within {} s", patience.as_secs());
        vec![Some(silence); pages.len()]
    }))
}

/// The helper and its openers get no variables of a service or of its Python.
fn helper(exe: &Path) -> Command {
    let python = std::env::vars_os().map(|(name, _)| name);
    let python = python.filter(|name| name.as_encoded_bytes().starts_with(b"PYTHON"));
    [marker::VARIABLE, "LD_LIBRARY_PATH", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT"]
        .into_iter()
        .map(OsString::from)
        .chain(python)
        .fold(Command::new(exe).arg(VERB), Command::env_remove)
}

fn opened(page: Page, reason: Option<String>) -> Opened {
    let outcome = reason.map_or(Outcome::Opened, |reason| Outcome::NotOpened { reason });
    Opened { name: page.name, outcome }
}

fn refuse(pages: Vec<Page>, reason: &str) -> Vec<Opened> {
    pages.into_iter().map(|page| opened(page, Some(reason.to_owned()))).collect()
}

#[cfg(test)]
mod tests;
