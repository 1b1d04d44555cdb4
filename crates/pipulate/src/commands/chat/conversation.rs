//! A conversation at the terminal: a line is read, the answer streams, Ctrl-C stops the answer and
//! not the program.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use pipulate_ollama::answer::Piece;
use pipulate_ollama::conversation::Conversation;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor};

use super::command::{Command, HELP};
use super::history;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::partner::{CtrlC, End, Partner};
use crate::ui::model_table;

/// A conversation under way.
struct Talk<'a> {
    context: &'a Context,
    partner: Partner,
    conversation: Conversation,
}

/// Goes on until the person leaves.
pub(super) fn hold(context: &Context, partner: Partner) -> Result<ExitStatus, Failure> {
    let printer = &context.printer;
    printer.note(format!("You are talking with {}. /help lists what else you can do.", partner.model()));
    let mut talk = Talk { context, partner, conversation: Conversation::default() };
    let mut keyboard = Keyboard::new(context)?;
    loop {
        match keyboard.editor.readline(">>> ") {
            Ok(line) => match Command::read(&line) {
                Command::Quit => return Ok(ExitStatus::Success),
                Command::Nothing => {}
                command => {
                    keyboard.remember(context, line.trim());
                    talk.obey(command)?;
                }
            },
            Err(ReadlineError::Interrupted) => printer.note("Leave with /quit or Ctrl-D"),
            Err(ReadlineError::Eof) => return Ok(ExitStatus::Success),
            Err(error) => return Err(Failure::failed("could not read from the terminal").cause(error)),
        }
    }
}

/// Where lines are typed, with what was typed before under the arrow keys.
struct Keyboard {
    editor: Editor<(), MemHistory>,
    /// `None` once it can't be kept, which is said once.
    typed: Option<Vec<String>>,
}

impl Keyboard {
    fn new(context: &Context) -> Result<Self, Failure> {
        let unusable = |error| Failure::failed("could not use the terminal").cause(error);
        let config = Config::builder().auto_add_history(false).max_history_size(history::KEPT);
        let config = config.map_err(unusable)?.build();
        let history = MemHistory::with_config(&config);
        let mut keyboard =
            Self { editor: Editor::with_history(config, history).map_err(unusable)?, typed: None };
        match history::read(&context.layout) {
            Ok(typed) => {
                for line in &typed {
                    keyboard.add(line);
                }
                keyboard.typed = Some(typed);
            }
            Err(error) => context.printer.warning(format!("what you type is not remembered: {error}")),
        }
        Ok(keyboard)
    }

    fn remember(&mut self, context: &Context, line: &str) {
        self.add(line);
        if let Some(typed) = &mut self.typed {
            typed.push(line.to_owned());
            if let Err(error) = history::write(&context.layout, typed) {
                context.printer.warning(format!("what you type is not remembered: {error}"));
                self.typed = None;
            }
        }
    }

    fn add(&mut self, line: &str) {
        // A line that is not added is the same as the one before it.
        let _added = self.editor.add_history_entry(line);
    }
}

impl Talk<'_> {
    /// Does what a line says. What goes wrong is told, and the conversation goes on.
    fn obey(&mut self, command: Command) -> Result<(), Failure> {
        let printer = &self.context.printer;
        match command {
            Command::Nothing | Command::Quit => {}
            Command::Say(question) => self.say(question)?,
            Command::ShowModels => {
                let current = self.partner.model();
                printer.data(model_table::table(
                    self.partner.models(),
                    &[],
                    Some(current),
                    printer.stdout_style(),
                ))?;
            }
            Command::ChangeModel(name) => match self.partner.change_model(&name) {
                Ok(()) => printer.note(format!("Going on with {}", self.partner.model())),
                Err(failure) => printer.failure(&failure),
            },
            Command::Instruct(text) => {
                self.conversation.instruct(&text);
                printer.note(match self.conversation.system() {
                    Some(_) => "The model is told so from now on",
                    None => "The model is told nothing beforehand",
                });
            }
            Command::New => {
                self.conversation.forget();
                printer.note("What was said is forgotten");
            }
            Command::Save(file) => match self.save(&file) {
                Ok(()) => printer.note(format!("Saved: {}", file.display())),
                Err(failure) => printer.failure(&failure),
            },
            Command::Help => printer.note(HELP),
            Command::Unclear(what) => printer.warning(what),
        }
        Ok(())
    }

    /// Asks, and streams the answer.
    fn say(&mut self, question: String) -> Result<(), Failure> {
        let printer = &self.context.printer;
        let request = self.conversation.ask(self.partner.model(), &question);
        let mut answer = String::new();
        let mut thinks = false;
        let outcome = self.partner.answer(&request, CtrlC::EndsAnswer, &mut |piece| match piece {
            Piece::Thinking(_) => {
                if !std::mem::replace(&mut thinks, true) {
                    printer.note(printer.stderr_style().dim("Thinking…"));
                }
                Ok(())
            }
            Piece::Text(text) => {
                answer.push_str(text);
                printer.data_stream(|stdout| stdout.write_all(text.as_bytes()))
            }
            Piece::Done(_) => Ok(()),
        });
        if !answer.is_empty() {
            printer.data("")?;
        }
        self.conversation.keep(question, answer);
        match outcome {
            Ok(End::Whole(summary)) => {
                if let Some(speed) = summary.speed() {
                    printer.detail(format!("{} tokens, {speed:.0} a second", summary.tokens));
                }
                if summary.is_cut_off {
                    printer.warning(super::CUT_OFF);
                    printer.hint("/new begins another conversation");
                }
            }
            Ok(End::Stopped) => printer.note("Stopped"),
            Err(failure) => printer.failure(&failure),
        }
        Ok(())
    }

    /// Writes the conversation to a file that is not there yet.
    fn save(&self, file: &Path) -> Result<(), Failure> {
        let text = self.conversation.to_markdown(self.partner.model());
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(file)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| {
            let failure = Failure::failed(format!("could not save to {}", file.display()));
            match error.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    failure.cause("the file exists, and is not overwritten").hint("choose another name")
                }
                _ => failure.cause(error),
            }
        })
    }
}
