//! The arguments of `secret`. The comments are the help.
//!
//! Whatever stands where a name is expected may be a value in the wrong place, so clap is not let to
//! judge it: it would repeat it in its complaint.

use std::ffi::OsString;

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;

use crate::call::SecretVerb;
use crate::cli::candidates;

#[derive(Debug, Subcommand)]
pub(super) enum SecretArguments {
    /// Save a secret: it is asked for without being shown, or read from what is piped in
    Set(SetArguments),
    /// List the names of the secrets, and where each is set
    List,
    /// Take a secret out of .env
    Unset(UnsetArguments),
}

#[derive(Debug, Args)]
pub(super) struct SetArguments {
    /// The name, such as OPENAI_API_KEY
    #[arg(value_name = "KEY")]
    name: OsString,
    #[arg(hide = true, allow_hyphen_values = true)]
    value: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(super) struct UnsetArguments {
    /// The name, such as OPENAI_API_KEY
    #[arg(value_name = "KEY", add = ArgValueCandidates::new(candidates::secrets))]
    name: OsString,
}

impl SecretArguments {
    /// What they mean. A value in the arguments is not passed on.
    pub(super) fn resolve(self) -> SecretVerb {
        match self {
            Self::Set(arguments) => {
                SecretVerb::Set { name: arguments.name, is_given: !arguments.value.is_empty() }
            }
            Self::List => SecretVerb::List,
            Self::Unset(arguments) => SecretVerb::Unset { name: arguments.name },
        }
    }
}
