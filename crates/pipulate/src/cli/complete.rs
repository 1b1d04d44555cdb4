//! Completion with the Tab key: the shell runs this program, so that this project's own names
//! are completed too.

use std::ffi::OsString;
use std::io;

use clap::CommandFactory as _;
use clap_complete::env::{CompleteEnv, Shells};
use pipulate_environment::shell::Dialect;

use super::arguments::Arguments;

/// Set to the name of the shell that asks for completions.
const VARIABLE: &str = "PIPULATE_COMPLETE";

/// Answers a shell's request for completions; returns false if there was none.
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

/// The command without visible aliases, which still work: the completer would offer only the alphabetically
/// first of two names.
fn with_one_name_for_each() -> clap::Command {
    let command = Arguments::command();
    let verbs = command.get_subcommands().map(|verb| {
        // clap takes only `'static` names. This process ends with the answer.
        let others: Vec<&'static str> = verb.get_all_aliases().map(|name| &*name.to_owned().leak()).collect();
        (verb.get_name().to_owned(), others)
    });
    let verbs: Vec<_> = verbs.filter(|(_, others)| !others.is_empty()).collect();
    verbs.into_iter().fold(command, |command, (verb, others)| {
        command.mut_subcommand(verb, |verb| verb.visible_alias(None).aliases(others))
    })
}

/// The shell code that completes with `program`.
///
/// # Errors
/// None in practice: it is written to memory.
pub(crate) fn registration(dialect: Dialect, program: &str) -> io::Result<Vec<u8>> {
    let shells = Shells::builtins();
    let shell = shells.completer(dialect.name()).ok_or(io::ErrorKind::Unsupported)?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "pipulate", "pipulate", program, &mut script)?;
    if dialect == Dialect::Zsh {
        // It may run before compinit. The first line stays first, for installing the script as a file.
        let after_first = script.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let begin = b"(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n";
        script.splice(after_first..after_first, begin.iter().copied());
    }
    Ok(script)
}
