//! Failures of a verb: the failed step, the reason, and the remedy.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io;

use pipulate_core::fault::Fault;
use pipulate_words::advice_against;

use crate::exit_code::ExitStatus;
use crate::style::Style;
use crate::wrap::wrapped;

/// A verb's failure.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
}

/// The kind of a failure, for the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// An error, or a refusal.
    Failed,
    /// The folder's contents may not be used.
    Refused,
    /// A name that does not exist.
    Usage,
    TimedOut,
    /// Ctrl-C at a question.
    Interrupted,
    /// The output's reader is gone, so we end, too.
    ReaderGone,
}

impl FailureKind {
    /// The exit status of this kind.
    pub(crate) fn exit_status(self) -> ExitStatus {
        match self {
            Self::Failed | Self::Refused => ExitStatus::Failed,
            Self::Usage => ExitStatus::Usage,
            Self::TimedOut => ExitStatus::TimedOut,
            Self::Interrupted => ExitStatus::Interrupted,
            Self::ReaderGone => ExitStatus::Success,
        }
    }
}

impl Failure {
    /// A failure in one line, without a full stop.
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    /// [`Failure::new`] with the usual kind.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Failed, message)
    }

    /// A failed write to our own output.
    pub(crate) fn of_output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => {
                Self::new(FailureKind::ReaderGone, "the reader of the output is gone")
            }
            _ => Self::failed(format!("could not write the output: {error}")),
        }
    }

    /// A failure below the engine.
    pub(crate) fn of_fault(fault: &Fault) -> Self {
        let failure = Self::failed(fault.to_string());
        match advice_against(fault.kind()) {
            Some(advice) => failure.hint(advice),
            None => failure,
        }
    }

    /// Adds the reason.
    pub(crate) fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds the remedy.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The whole text; ends with a line break. Empty if the reader is gone.
    pub(crate) fn render(&self, style: Style) -> String {
        self.render_within(style, None)
    }

    /// [`Failure::render`] for a terminal of this many columns.
    pub(crate) fn render_within(&self, style: Style, width: Option<u16>) -> String {
        let mut text = String::new();
        if self.kind == FailureKind::ReaderGone {
            return text;
        }
        let _infallible = writeln!(text, "{} {}", style.bad("error:"), wrapped(&self.message, 7, width));
        for cause in &self.causes {
            let _infallible = writeln!(text, "  {} {}", style.dim("because:"), wrapped(cause, 11, width));
        }
        for hint in &self.hints {
            let _infallible = writeln!(text, "{} {}", style.hint("hint:"), wrapped(hint, 6, width));
        }
        text
    }

    /// The whole text line by line, for a page.
    pub(crate) fn lines(&self) -> Vec<String> {
        let said = std::iter::once(&self.message).chain(&self.causes).map(|line| indented(line));
        said.chain(self.hints.iter().map(|hint| format!("hint: {}", indented(hint)))).collect()
    }

    /// The whole text as one fragment, for a page.
    pub(crate) fn in_one_line(&self) -> String {
        let parts = std::iter::once(&self.message).chain(&self.causes).chain(&self.hints);
        parts.map(String::as_str).collect::<Vec<_>>().join("; ")
    }
}

/// Any library error becomes a failure; its sources are the causes, each mentioned once.
impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut failure = Self::failed(error.to_string());
        let mut next: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(error) = next {
            failure.hints.extend(error.downcast_ref().and_then(advice));
            let text = error.to_string();
            let said =
                std::iter::once(&failure.message).chain(&failure.causes).any(|line| line.contains(&text));
            if !said {
                failure.causes.push(text);
            }
            next = error.source();
        }
        failure
    }
}

/// The general remedy for some errors.
fn advice(error: &io::Error) -> Option<String> {
    advice_against(error.kind().into()).map(str::to_owned)
}

/// Indents the lines after the first one.
pub(crate) fn indented(text: &str) -> String {
    wrapped(text, 0, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_what_next() {
        let failure = Failure::failed("could not start jupyter")
            .cause("port 8888 is held by another program:\nnginx, pid 12")
            .hint("stop it, or set another port in pipulate.toml");
        insta::assert_snapshot!(failure.render(Style::plain()), @r"
        error: could not start jupyter
          because: port 8888 is held by another program:
            nginx, pid 12
        hint: stop it, or set another port in pipulate.toml
        ");
        assert!(failure.render(Style::colored()).contains("\x1b["));
    }

    #[test]
    fn the_sources_of_an_error_are_said_once_each() {
        #[derive(Debug, thiserror::Error)]
        #[error("could not read /x: {source}")]
        struct Outer {
            source: io::Error,
        }
        let failure = Failure::from(Outer { source: io::Error::other("disk on fire") });
        assert_eq!(failure.render(Style::plain()), "error: could not read /x: disk on fire\n");
    }

    #[test]
    fn a_reader_that_is_gone_is_no_failure() {
        let failure = Failure::of_output(io::ErrorKind::BrokenPipe.into());
        assert_eq!(
            (failure.render(Style::plain()).as_str(), failure.kind.exit_status()),
            ("", ExitStatus::Success)
        );
        assert_eq!(Failure::of_output(io::ErrorKind::StorageFull.into()).kind, FailureKind::Failed);
    }
}
