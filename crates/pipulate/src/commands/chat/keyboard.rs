//! Line input with history on the arrow keys, and commands and models on Tab. The only file
//! that uses the line editor.

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Editor, Helper};

use super::{command, history};
use crate::context::Context;
use crate::error::Failure;

/// The line editor of a conversation.
pub(super) struct Keyboard<'a> {
    context: &'a Context,
    editor: Editor<Orders, MemHistory>,
    /// False once the history can't be saved, which is reported once.
    remembers: bool,
}

/// The result of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Typed {
    /// Several lines if several were pasted.
    Line(String),
    CtrlC,
    CtrlD,
}

impl<'a> Keyboard<'a> {
    /// `models` are the completions of model names.
    ///
    /// # Errors
    /// There is no usable terminal.
    pub(super) fn new(context: &'a Context, models: Vec<String>) -> Result<Self, Failure> {
        let unusable = |error| Failure::failed("could not use the terminal").cause(error);
        let config = Config::builder()
            .auto_add_history(false)
            .completion_type(CompletionType::List)
            .max_history_size(history::KEPT)
            .map_err(unusable)?
            .build();
        let history = MemHistory::with_config(&config);
        let mut editor = Editor::with_history(config, history).map_err(unusable)?;
        editor.set_helper(Some(Orders { models }));
        let mut keyboard = Self { context, editor, remembers: true };
        match history::read(&context.project.layout) {
            Ok(typed) => typed.iter().for_each(|line| keyboard.add(line)),
            Err(error) => keyboard.forget(&error),
        }
        Ok(keyboard)
    }

    /// Waits for a line.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(super) fn read_line(&mut self) -> Result<Typed, Failure> {
        match self.editor.readline(">>> ") {
            Ok(line) => Ok(Typed::Line(line)),
            Err(ReadlineError::Interrupted) => Ok(Typed::CtrlC),
            Err(ReadlineError::Eof) => Ok(Typed::CtrlD),
            Err(error) => Err(Failure::failed("could not read from the terminal").cause(error)),
        }
    }

    /// Replaces the completions of model names.
    pub(super) fn offer(&mut self, models: Vec<String>) {
        self.editor.set_helper(Some(Orders { models }));
    }

    /// Keeps a line, for this conversation and for later ones.
    pub(super) fn remember(&mut self, line: &str) {
        self.add(line);
        if self.remembers
            && let Err(error) = history::add(&self.context.project.layout, line)
        {
            self.forget(&error);
        }
    }

    fn add(&mut self, line: &str) {
        // A line that equals the one before is not added.
        let _added = self.editor.add_history_entry(line);
    }

    fn forget(&mut self, error: &pipulate_store::error::StoreError) {
        self.remembers = false;
        self.context.printer.warning(format!("what you type is not remembered: {error}"));
    }
}

/// Completes the typed text.
struct Orders {
    models: Vec<String>,
}

impl Completer for Orders {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(command::completions(&line[..position], &self.models))
    }
}

impl Hinter for Orders {
    type Hint = String;
}

impl Highlighter for Orders {}

impl Validator for Orders {}

impl Helper for Orders {}
