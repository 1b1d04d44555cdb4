//! Completion of our words with the Tab key: a shell asks this very program, so that names which
//! only this project has are completed too.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};
use pipulate_environment::shell::Dialect;

use super::arguments::Arguments;
use super::{ConfigVerb, Global, Request, Verb};
use crate::commands::secret;
use crate::context::Context;
use crate::ui::printer::{Printer, Verbosity};
use crate::ui::terminal::{ColorWish, Terminal};

/// Set by the shell that asks, to its name.
const VARIABLE: &str = "PIPULATE_COMPLETE";

/// Answers a shell that asks; tells whether one did.
///
/// # Errors
/// The shell is unknown, or the answer can't be written.
pub(crate) fn answer(args: &[OsString]) -> io::Result<bool> {
    if std::env::var_os(VARIABLE).is_none() {
        return Ok(false);
    }
    let current = crate::context::current_directory().ok();
    CompleteEnv::with_factory(with_one_name_for_each)
        .var(VARIABLE)
        .try_complete(args, current.as_deref())
        .map_err(io::Error::other)
}

/// Our words without their other names, which are taken all the same: of two names for one verb, the completer
/// offers the one that comes first in the alphabet alone.
fn with_one_name_for_each() -> clap::Command {
    let command = Arguments::command();
    let verbs = command.get_subcommands().map(|verb| {
        // clap keeps no name that it would have to free. This process ends with the answer.
        let others: Vec<&'static str> = verb.get_all_aliases().map(|name| &*name.to_owned().leak()).collect();
        (verb.get_name().to_owned(), others)
    });
    let verbs: Vec<_> = verbs.filter(|(_, others)| !others.is_empty()).collect();
    verbs.into_iter().fold(command, |command, (verb, others)| {
        command.mut_subcommand(verb, |verb| verb.visible_alias(None).aliases(others))
    })
}

/// What a shell evaluates, so that it asks `program` from then on.
///
/// # Errors
/// None that could happen: it is written into memory.
pub(crate) fn registration(dialect: Dialect, program: &str) -> io::Result<Vec<u8>> {
    let shells = Shells::builtins();
    let shell = shells.completer(dialect.name()).ok_or(io::ErrorKind::Unsupported)?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "pipulate", "pipulate", program, &mut script)?;
    if dialect == Dialect::Zsh {
        // It may be evaluated before anything is completed. The first line is for who installs it as a file.
        let after_first = script.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let begin = b"(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n";
        script.splice(after_first..after_first, begin.iter().copied());
    }
    Ok(script)
}

/// The services of the project that the line is about.
pub(super) fn services() -> Vec<CompletionCandidate> {
    let known = context().and_then(|context| context.known_services().ok());
    known.into_iter().flatten().map(|name| CompletionCandidate::new(name.as_str())).collect()
}

/// The names of its secrets.
pub(super) fn secrets() -> Vec<CompletionCandidate> {
    let names = context().map(|context| secret::names(&context)).unwrap_or_default();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// The verbs that people type.
pub(super) fn verbs() -> Vec<CompletionCandidate> {
    let command = Arguments::command();
    let shown = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    shown.map(|verb| CompletionCandidate::new(verb.get_name())).collect()
}

/// The project of the line that is being typed: the one of `-C`, else the one around us. Nothing is
/// printed: it would land in the middle of that line.
fn context() -> Option<Context> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let named = words.windows(2).find(|pair| pair[0] == "-C" || pair[0] == "--project");
    let project = named.map(|pair| PathBuf::from(&pair[1]));
    let global = Global { project, color: ColorWish::Never, verbosity: Verbosity::Quiet };
    let printer = Printer::new(&Terminal::of_this_process(), ColorWish::Never, Verbosity::Quiet);
    let verb = Verb::Config(ConfigVerb::Show);
    Context::find(&Request { global, verb }, printer).ok()
}
