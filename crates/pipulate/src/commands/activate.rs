//! `activate`: shell code that activates the environment.

use pipulate_environment::shell::{self, Activation, Dialect};

use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;

/// Prints the code. On a terminal it would have no effect, so there the usage is explained.
pub(crate) fn activate(context: &Context, dialect: Dialect) -> Result<ExitStatus, Failure> {
    let hook = shell::hook(dialect, &Activation::of(&context.python()?, &context.project.layout));
    context.printer.exact(&hook)?;
    if context.printer.terminal().stdout_is_terminal {
        context.printer.hint(format!("this is for your shell; use it with: {}", dialect.usage()));
    }
    Ok(ExitStatus::Success)
}
