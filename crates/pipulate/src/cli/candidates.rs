//! Completion of this project's own names with the Tab key.

use std::ffi::OsString;
use std::path::PathBuf;

use clap_complete::engine::CompletionCandidate;
use pipulate_core::secret::EnvKey;
use pipulate_store::dotenv::EnvFile;

use crate::call::{Call, ConfigVerb, Global, Verb};
use crate::context::Context;
use crate::ui::printer::{Printer, Verbosity};
use crate::ui::terminal::{ColorWish, Terminal};

/// The services of the command line's project.
pub(super) fn services() -> Vec<CompletionCandidate> {
    let known = context().and_then(|context| context.known_services().ok());
    known.into_iter().flatten().map(|name| CompletionCandidate::new(name.as_str())).collect()
}

/// The names of its secrets.
pub(super) fn secrets() -> Vec<CompletionCandidate> {
    let Some(context) = context() else { return Vec::new() };
    let in_file = EnvFile::of(&context.project.layout).names().unwrap_or_default();
    let required = context.config().map(|config| config.secrets.iter().map(EnvKey::to_string).collect());
    let names = in_file.into_iter().chain(required.unwrap_or_else(|_| Vec::new()));
    names.map(CompletionCandidate::new).collect()
}

/// The project of the command line: that of `-C`, else the one around the current folder. Nothing is printed:
/// it would appear in the middle of the line.
fn context() -> Option<Context> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let named = words.windows(2).find(|pair| pair[0] == "-C" || pair[0] == "--project");
    let project = named.map(|pair| PathBuf::from(&pair[1]));
    let global = Global { project, color: ColorWish::Never, verbosity: Verbosity::Quiet };
    let printer = Printer::new(&Terminal::of_this_process(), ColorWish::Never, Verbosity::Quiet);
    let verb = Verb::Config(ConfigVerb::Show);
    Context::find(&Call { global, verb }, printer).ok()
}
