//! Progress on a terminal: one line that changes and leaves nothing behind. A bar if the total
//! is known, else a spinner.

use std::fmt;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use pipulate_core::text;

use super::printer::{Printer, Verbosity};

const MOVING: &str = "{spinner} {wide_msg}";
const BAR: &str = "{spinner} [{bar:30}] {pos}/{len} {wide_msg}";

/// The interval of the spinner, slow because it only shows that the program runs.
const TICK: Duration = Duration::from_millis(120);

/// A line with the current step, shown until this is dropped.
pub(crate) struct Progress<'a> {
    printer: &'a Printer,
    /// `None` without a terminal.
    spinner: Option<ProgressBar>,
}

impl<'a> Progress<'a> {
    /// Starts without a text.
    pub(crate) fn new(printer: &'a Printer) -> Self {
        let is_shown = printer.terminal().stderr_is_terminal && printer.verbosity() != Verbosity::Quiet;
        let spinner = is_shown.then(|| {
            let spinner = ProgressBar::new_spinner();
            set_style(&spinner, MOVING);
            spinner.enable_steady_tick(TICK);
            spinner
        });
        Self { printer, spinner }
    }

    /// Sets the current step.
    pub(crate) fn now(&self, what: impl fmt::Display) {
        if let Some(spinner) = &self.spinner {
            set_style(spinner, MOVING);
            spinner.set_message(text::printable(&what.to_string()));
        }
    }

    /// Sets the current step and count.
    pub(crate) fn so_far(&self, done: usize, total: usize, what: impl fmt::Display) {
        if let Some(spinner) = &self.spinner {
            set_style(spinner, BAR);
            spinner.set_length(total as u64);
            spinner.set_position(done as u64);
            spinner.set_message(text::printable(&what.to_string()));
        }
    }

    /// Prints a line that stays.
    pub(crate) fn note(&self, text: impl fmt::Display) {
        match &self.spinner {
            Some(spinner) => spinner.suspend(|| self.printer.note(text)),
            None => self.printer.note(text),
        }
    }

    /// Prints a detail that stays.
    pub(crate) fn detail(&self, text: impl fmt::Display) {
        match &self.spinner {
            Some(spinner) => spinner.suspend(|| self.printer.detail(text)),
            None => self.printer.detail(text),
        }
    }
}

fn set_style(spinner: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        spinner.set_style(style.progress_chars("=> "));
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
