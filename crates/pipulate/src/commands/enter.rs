//! `__enter`, for the flake's shell: the greeting of the original shell. No service is started: that is the
//! user's decision.

use pipulate_environment::setup::Mode;

use crate::commands::start::welcome;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::ui::banner;

/// Sets up the environment and prints the commands to type.
pub(crate) fn enter(context: &Context) -> Result<ExitStatus, Failure> {
    interrupt::ends_with_130()?;
    banner::print(&context.printer);
    context.printer.note("");
    if context.project.around.variable("PIPULATE_CUDA").is_some_and(|value| value == "1") {
        context.printer.note("- CUDA support enabled.");
    }
    welcome::prepare(context, context.config()?, Mode::Automatic)?.say_at_entry().finish();
    Ok(ExitStatus::Success)
}
