//! The verbs that take less time than making the arguments of all verbs: a call of one of these is read by these
//! alone. What they don't accept is read, or complained about, by all.

use std::ffi::OsString;

use clap::{Parser, Subcommand};

use super::{GlobalArguments, StatusArguments, StopArguments, resolve};
use crate::call::{Call, Verb};

#[derive(Debug, Parser)]
#[command(name = "pipulate", version)]
pub(in crate::cli) struct ShortArguments {
    #[command(flatten)]
    global: GlobalArguments,
    #[command(subcommand)]
    verb: ShortVerb,
}

#[derive(Debug, Subcommand)]
enum ShortVerb {
    #[command(alias = "down")]
    Stop(StopArguments),
    #[command(alias = "ps")]
    Status(StatusArguments),
}

impl ShortArguments {
    /// Whether a call may be one of these.
    pub(in crate::cli) fn may_be(args: &[OsString]) -> bool {
        let verbs = ["stop", "down", "status", "ps"];
        args.iter().any(|arg| arg.to_str().is_some_and(|arg| verbs.contains(&arg)))
    }

    /// What they mean.
    pub(in crate::cli) fn resolve(self) -> Call {
        let verb = match self.verb {
            ShortVerb::Stop(arguments) => Verb::Stop(arguments.resolve()),
            ShortVerb::Status(arguments) => Verb::Status(arguments.resolve()),
        };
        resolve(self.global, verb)
    }
}
