//! The output instead of a call: the help, the version, or a usage error.

use crate::exit_code::ExitStatus;
use crate::style::Style;
use crate::ui::printer::{Printer, Verbosity};
use crate::ui::terminal::{ColorWish, Terminal};

/// The output instead of a call.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) color: ColorWish,
    pub(super) error: clap::Error,
}

impl Answer {
    /// Returns true for an error; false for the help and the version.
    pub(super) fn is_complaint(&self) -> bool {
        self.error.use_stderr()
    }

    /// Prints it to stdout or stderr.
    pub(crate) fn give(&self, terminal: &Terminal) -> ExitStatus {
        let printer = Printer::new(terminal, self.color, Verbosity::Normal);
        let rendered = self.error.render();
        let adopted = || Style::adopted(&rendered.ansi().to_string()).into_owned();
        let text = |colored| if colored { adopted() } else { rendered.to_string() };
        if self.is_complaint() {
            printer.raw_note(&text(printer.stderr_style().is_colored()));
            return ExitStatus::Usage;
        }
        match printer.data(text(printer.stdout_style().is_colored()).trim_end()) {
            Ok(()) => ExitStatus::Success,
            Err(failure) => {
                printer.failure(&failure);
                failure.kind.exit_status()
            }
        }
    }
}
