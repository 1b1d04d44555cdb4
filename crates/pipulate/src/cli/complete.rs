//! Completion of our words with the Tab key: a shell asks this very program, so that names which
//! only this project has are completed too.

use std::ffi::OsString;
use std::io;

use clap::CommandFactory as _;
use clap_complete::env::{CompleteEnv, Shells};
use pipulate_environment::shell::Dialect;

use super::arguments::Arguments;

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
