//! The command line ([`arguments`]), parsed into a [`Call`].
//!
//! No type of clap leaves this module.

mod answer;
mod arguments;
mod candidates;
pub(crate) mod complete;
pub(crate) mod man;
#[cfg(test)]
mod reference;

use std::ffi::OsString;

use clap::error::ContextKind;
use clap::{CommandFactory as _, FromArgMatches};

use crate::call::Call;

pub(crate) use answer::Answer;
use arguments::{Arguments, ShortArguments};

/// Parses the arguments, the first of which is the program's name.
///
/// # Errors
/// The output instead of a call: the help, the version, or a usage error.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Call, Answer> {
    let args: Vec<OsString> = args.into_iter().collect();
    if ShortArguments::may_be(&args)
        && let Ok(arguments) = read(ShortArguments::command(), &args)
    {
        return Ok(ShortArguments::resolve(arguments));
    }
    parse_with(Arguments::command(), args)
}

fn parse_with(command: clap::Command, args: impl IntoIterator<Item = OsString>) -> Result<Call, Answer> {
    let args: Vec<OsString> = args.into_iter().collect();
    match read(command, &args) {
        Ok(arguments) => Ok(Arguments::resolve(arguments)),
        Err(error) => {
            let error = if args.iter().any(|arg| arg == "secret") { without_words(error) } else { error };
            Err(Answer { color: arguments::color_of(&args), error })
        }
    }
}

fn read<A: FromArgMatches>(mut command: clap::Command, args: &[OsString]) -> Result<A, clap::Error> {
    let matches = command.try_get_matches_from_mut(args);
    // In a short command, freeing it would be a tenth of all instructions.
    std::mem::forget(command);
    A::from_arg_matches(&matches?)
}

/// Removes the typed words from an error about `secret`: they may be a misplaced value.
fn without_words(mut error: clap::Error) -> clap::Error {
    for word in [
        ContextKind::InvalidArg,
        ContextKind::InvalidSubcommand,
        ContextKind::InvalidValue,
        ContextKind::Suggested,
        ContextKind::SuggestedArg,
        ContextKind::TrailingArg,
    ] {
        error.remove(word);
    }
    error
}

/// The help of all verbs, as text.
pub(crate) fn help() -> String {
    let mut command = arguments::Arguments::command().term_width(100);
    command.build();
    let verbs = command.get_subcommands_mut().filter(|verb| !verb.is_hide_set());
    let verbs: Vec<String> = verbs.map(|verb| verb.render_long_help().to_string()).collect();
    verbs.join("\n\n")
}

#[cfg(test)]
mod tests;
