//! `man`: the manual page of the program, or of one verb.

use crate::context::Context;
use crate::error::{Failure, FailureKind};
use crate::exit_code::ExitStatus;

/// Prints `page` in the form that `man` reads; fails if the verb does not exist.
pub(crate) fn man(
    context: &Context,
    verb: Option<&str>,
    page: Option<Vec<u8>>,
) -> Result<ExitStatus, Failure> {
    let page = page.ok_or_else(|| {
        let verb = verb.unwrap_or_default();
        Failure::new(FailureKind::Usage, format!("there is no such verb: {verb}"))
            .hint("see them all with: pipulate help")
    })?;
    context.printer.data_stream(|stream| stream.write_all(&page))?;
    if context.printer.terminal().stdout_is_terminal {
        context.printer.hint("read it with: pipulate man | man -l -");
    }
    Ok(ExitStatus::Success)
}
