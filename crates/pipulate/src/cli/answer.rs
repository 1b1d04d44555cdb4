//! What is printed instead of doing something: the help, the version, or what is wrong with the command line.

use crate::exit_code::ExitStatus;
use crate::style::Style;
use crate::ui::printer::{Printer, Verbosity};
use crate::ui::terminal::{ColorWish, Terminal};

/// What to print instead of doing something.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) color: ColorWish,
    pub(super) error: clap::Error,
}

impl Answer {
    /// Whether something is wrong; the help and the version were asked for.
    pub(super) fn is_complaint(&self) -> bool {
        self.error.use_stderr()
    }

    /// Prints it where it belongs.
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
