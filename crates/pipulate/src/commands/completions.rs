//! `completions`: prints a shell's completion script.

use std::io;

use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;

/// Prints the script, which runs the `pipulate` on `PATH`, or this program if there is none.
pub(crate) fn completions(
    context: &Context,
    script: impl FnOnce(&str) -> io::Result<Vec<u8>>,
) -> Result<ExitStatus, Failure> {
    let on_path = context.project.around.programs("pipulate").next();
    let ours = context.project.exe.to_string_lossy();
    let script = script(if on_path.is_some() { "pipulate" } else { &ours })?;
    context.printer.exact(&script)?;
    if context.printer.terminal().stdout_is_terminal {
        context.printer.hint("this is for your shell; see: pipulate help completions");
    }
    Ok(ExitStatus::Success)
}
