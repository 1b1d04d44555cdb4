//! The only module that writes to the terminal: stdout is data that could be piped, stderr is the rest.
//!
//! Names, paths, answers and programs' output are untrusted. Text that is printed here can't control the
//! terminal: only the escape sequences of [`Style`] pass, and only if colors are enabled.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, PoisonError};

use pipulate_core::text;

use super::terminal::{ColorWish, Terminal};
use crate::error::{Failure, FailureKind};
use crate::style::Style;
use crate::wrap::wrapped;

/// The buffer size of a data stream, in bytes.
const AT_ONCE: usize = 64 << 10;

/// The amount of messages beside the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Errors.
    Quiet,
    /// Also progress and warnings.
    Normal,
    /// Also details.
    Verbose,
}

/// Prints. Copies of it print to the same place.
#[derive(Clone)]
pub(crate) struct Printer {
    terminal: Terminal,
    verbosity: Verbosity,
    stdout_style: Style,
    stderr_style: Style,
    stdout: Arc<Mutex<dyn Write + Send>>,
    stderr: Arc<Mutex<dyn Write + Send>>,
}

impl Printer {
    /// Prints to the standard streams.
    pub(crate) fn new(terminal: &Terminal, color: ColorWish, verbosity: Verbosity) -> Self {
        Self {
            stdout_style: Style::new(terminal.wants_color(color, terminal.stdout_is_terminal)),
            stderr_style: Style::new(terminal.wants_color(color, terminal.stderr_is_terminal)),
            terminal: terminal.clone(),
            verbosity,
            stdout: Arc::new(Mutex::new(io::stdout())),
            stderr: Arc::new(Mutex::new(io::stderr())),
        }
    }

    /// Returns a printer that keeps its output, as for a pipe and without colors.
    pub(crate) fn captured(&self) -> (Self, Captured) {
        let captured = Captured::default();
        let (stdout, stderr) = (captured.stdout.clone(), captured.stderr.clone());
        let mut terminal = self.terminal.clone();
        (terminal.stdout_is_terminal, terminal.stderr_is_terminal, terminal.width) = (false, false, None);
        let plain = Style::plain();
        (
            Self {
                terminal,
                verbosity: self.verbosity,
                stdout_style: plain,
                stderr_style: plain,
                stdout,
                stderr,
            },
            captured,
        )
    }

    /// The terminal behind it.
    pub(crate) fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// The amount of messages.
    pub(crate) fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// The colors of stdout.
    pub(crate) fn stdout_style(&self) -> Style {
        self.stdout_style
    }

    /// The colors of stderr.
    pub(crate) fn stderr_style(&self) -> Style {
        self.stderr_style
    }

    /// Prints one or more lines of data.
    ///
    /// # Errors
    /// The output can't be written; if its reader is gone, that ends the program quietly.
    pub(crate) fn data(&self, text: impl fmt::Display) -> Result<(), Failure> {
        self.part(&format!("{text}\n"))
    }

    /// Prints a part of a line.
    ///
    /// # Errors
    /// As [`Printer::data`].
    pub(crate) fn part(&self, text: &str) -> Result<(), Failure> {
        let text = self.stdout_style.shown(text);
        self.data_stream(|stream| stream.write_all(text.as_bytes()))
    }

    /// Prints data that a program compares or evaluates: exact in a pipe or a file.
    ///
    /// # Errors
    /// As [`Printer::data`].
    pub(crate) fn exact(&self, bytes: &[u8]) -> Result<(), Failure> {
        match self.terminal.stdout_is_terminal {
            true => self.part(&String::from_utf8_lossy(bytes)),
            false => self.data_stream(|stream| stream.write_all(bytes)),
        }
    }

    /// Prints JSON with escaped control characters.
    ///
    /// # Errors
    /// As [`Printer::data`].
    pub(crate) fn json(&self, json: &str) -> Result<(), Failure> {
        self.data_stream(|stream| writeln!(stream, "{}", text::escaped_json(json)))
    }

    /// Replaces the terminal's contents with data.
    ///
    /// # Errors
    /// As [`Printer::data`].
    pub(crate) fn screen(&self, text: &str) -> Result<(), Failure> {
        let text = self.stdout_style.shown(text);
        self.data_stream(|stream| writeln!(stream, "\x1b[H\x1b[2J{text}"))
    }

    /// Writes large data with few system calls, unchanged: the caller must make it safe for a terminal.
    ///
    /// # Errors
    /// As [`Printer::data`], or an error of `write` itself.
    pub(crate) fn data_stream<E: Into<OutputError>>(
        &self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), Failure> {
        let mut stdout = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stream = BufWriter::with_capacity(AT_ONCE, &mut *stdout);
        let written = write(&mut stream).map_err(Into::into);
        let written = written.and_then(|()| Ok(stream.flush()?));
        written.map_err(|error| match error {
            OutputError::Write(error) => Failure::of_output(error),
            OutputError::Failure(failure) => failure,
        })
    }

    /// Prints progress.
    pub(crate) fn note(&self, text: impl fmt::Display) {
        if self.verbosity != Verbosity::Quiet {
            self.raw_note(&format!("{text}\n"));
        }
    }

    /// Prints a detail.
    pub(crate) fn detail(&self, text: impl fmt::Display) {
        if self.verbosity == Verbosity::Verbose {
            self.raw_note(&format!("{}\n", self.stderr_style.dim(text)));
        }
    }

    /// Prints a warning.
    pub(crate) fn warning(&self, text: impl fmt::Display) {
        self.labeled(self.stderr_style.warning("warning:"), 9, &text.to_string());
    }

    /// Prints advice.
    pub(crate) fn hint(&self, text: impl fmt::Display) {
        self.labeled(self.stderr_style.hint("hint:"), 6, &text.to_string());
    }

    /// Prints a sentence, wrapped between words on a narrow terminal.
    pub(crate) fn sentence(&self, text: impl fmt::Display) {
        self.note(wrapped(&text.to_string(), 0, self.width()));
    }

    fn labeled(&self, label: impl fmt::Display, columns: usize, text: &str) {
        self.note(format!("{label} {}", wrapped(text, columns, self.width())));
    }

    /// The width of the terminal at stderr.
    fn width(&self) -> Option<u16> {
        self.terminal.width.filter(|_| self.terminal.stderr_is_terminal)
    }

    /// Prints a failure.
    pub(crate) fn failure(&self, failure: &Failure) {
        match failure.kind {
            FailureKind::ReaderGone => {}
            FailureKind::Failed
            | FailureKind::Refused
            | FailureKind::Usage
            | FailureKind::TimedOut
            | FailureKind::Interrupted => {
                self.raw_note(&failure.render_within(self.stderr_style, self.width()))
            }
        }
    }

    /// Clears the terminal's line: an interrupted progress, or `^C`.
    pub(crate) fn clear_line(&self) {
        if self.terminal.stderr_is_terminal {
            self.write_note("\r\x1b[2K");
        }
    }

    /// Writes to stderr, without a line break and at any verbosity.
    pub(crate) fn raw_note(&self, text: &str) {
        self.write_note(&self.stderr_style.shown(text));
    }

    fn write_note(&self, text: &str) {
        // An error of stderr can't be reported anywhere.
        let _unsaid = self.stderr.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes());
    }
}

/// The kept output of a printer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Captured {
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
}

impl Captured {
    pub(crate) fn stdout(&self) -> String {
        text_of(&self.stdout)
    }

    pub(crate) fn stderr(&self) -> String {
        text_of(&self.stderr)
    }
}

fn text_of(stream: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&stream.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

/// The reason why data could not be written: the stream, or the data's source.
#[derive(Debug)]
pub(crate) enum OutputError {
    Write(io::Error),
    Failure(Failure),
}

impl From<io::Error> for OutputError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<pipulate_store::error::StoreError> for OutputError {
    fn from(error: pipulate_store::error::StoreError) -> Self {
        Self::Failure(error.into())
    }
}

#[cfg(test)]
pub(crate) mod memory {
    //! A printer whose output a test can read.

    use super::*;

    /// The output so far.
    pub(crate) type Printed = Captured;

    /// A printer without colors, and its output.
    pub(crate) fn printer(verbosity: Verbosity) -> (Printer, Printed) {
        let (terminal, printed) = (Terminal::of_this_process(), Printed::default());
        let printer = Printer::new(&terminal, ColorWish::Never, verbosity);
        let (stdout, stderr) = (printed.stdout.clone(), printed.stderr.clone());
        (Printer { stdout, stderr, ..printer }, printed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_prints_data_and_failures_only() {
        let (printer, printed) = memory::printer(Verbosity::Quiet);
        printer.note("a");
        printer.warning("b");
        printer.hint("c");
        printer.detail("d");
        printer.data("data").unwrap();
        printer.failure(&Failure::failed("no"));
        assert_eq!((printed.stdout().as_str(), printed.stderr().as_str()), ("data\n", "error: no\n"));
    }

    const HOSTILE: &str = "a\x1b]52;c;QQ==\x07\x1b[8mb\u{9b}2J\u{202e}c\r\x1b[32md";

    #[test]
    fn what_is_printed_steers_no_terminal() {
        let (printer, printed) = memory::printer(Verbosity::Verbose);
        printer.data(HOSTILE).unwrap();
        printer.part(HOSTILE).unwrap();
        for print in [Printer::note, Printer::detail, Printer::warning, Printer::hint] {
            print(&printer, HOSTILE);
        }
        printer.failure(&Failure::failed(HOSTILE).cause(HOSTILE).hint(HOSTILE));
        printer.raw_note(HOSTILE);
        let all = printed.stdout() + &printed.stderr();
        assert!(all.chars().all(|c| c == '\n' || text::is_harmless(c)), "{all:?}");
        assert_eq!(all.matches("a]52;c;QQ==b2Jcd").count(), 10, "{all:?}");
    }

    #[test]
    fn on_a_terminal_only_our_own_colors_pass() {
        let (printer, printed) = memory::printer(Verbosity::Normal);
        let printer = Printer { stdout_style: Style::colored(), ..printer };
        // Neither beside painted text nor inside it.
        printer.data(format!("{}{HOSTILE}", Style::colored().bad("x\x1b[0m\x1b[31m"))).unwrap();
        assert_eq!(printed.stdout(), "\x1b[1;31mx\x1b[0ma]52;c;QQ==b2Jcd\n");
    }

    #[test]
    fn what_is_exact_is_so_in_a_pipe_and_json_is_escaped() {
        for (is_terminal, wanted) in [(false, "a\x1b[2J\u{9b}"), (true, "a")] {
            let (printer, printed) = memory::printer(Verbosity::Normal);
            let mut terminal = printer.terminal.clone();
            terminal.stdout_is_terminal = is_terminal;
            Printer { terminal, ..printer }.exact("a\x1b[2J\u{9b}".as_bytes()).unwrap();
            assert_eq!(printed.stdout(), wanted);
        }
        let (printer, printed) = memory::printer(Verbosity::Normal);
        printer.json("[\"\u{9b}\"]").unwrap();
        assert_eq!(printed.stdout(), "[\"\\u009b\"]\n");
    }

    #[test]
    fn details_are_for_the_verbose() {
        for (verbosity, expected) in [(Verbosity::Normal, "note\n"), (Verbosity::Verbose, "note\ndetail\n")] {
            let (printer, printed) = memory::printer(verbosity);
            printer.note("note");
            printer.detail("detail");
            assert_eq!(printed.stderr(), expected);
        }
    }
}
