//! A conversation at the terminal: a line is read, the answer streams, Ctrl-C stops the
//! answer and not the program.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use pipulate_environment::surroundings::Surroundings;
use pipulate_ollama::answer::Piece;
use pipulate_ollama::conversation::Conversation;

use super::command::{Command, HELP};
use super::keyboard::{Keyboard, Typed};
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::llm_session::{AnswerEnd, CtrlC, LlmSession};
use crate::ui::model_table;

/// A running conversation.
struct Talk<'a> {
    context: &'a Context,
    session: LlmSession,
    conversation: Conversation,
}

/// Continues until the user leaves.
pub(super) fn hold(context: &Context, session: LlmSession) -> Result<ExitStatus, Failure> {
    let printer = &context.printer;
    printer.note(format!("You are talking with {}. /help lists what else you can do.", session.model()));
    let mut talk = Talk { context, session, conversation: Conversation::default() };
    let mut keyboard = Keyboard::new(context, talk.session.talkers())?;
    loop {
        match keyboard.read_line()? {
            Typed::Line(line) => match Command::read(&line) {
                Command::Quit => return Ok(ExitStatus::Success),
                Command::Nothing => {}
                command => {
                    keyboard.remember(line.trim());
                    talk.obey(command)?;
                    keyboard.offer(talk.session.talkers());
                }
            },
            Typed::CtrlC => printer.note("Leave with /quit or Ctrl-D"),
            Typed::CtrlD => return Ok(ExitStatus::Success),
        }
    }
}

impl Talk<'_> {
    /// Carries out a line. Errors are printed, and the conversation continues.
    fn obey(&mut self, command: Command) -> Result<(), Failure> {
        let printer = &self.context.printer;
        match command {
            Command::Nothing | Command::Quit => {}
            Command::Say(question) => self.say(question)?,
            Command::ShowModels => match self.session.look_again() {
                Ok(()) => {
                    let (models, current) = (self.session.models(), Some(self.session.model()));
                    printer.data(model_table::table(models, &[], current, printer.stdout_style()))?;
                }
                Err(failure) => printer.failure(&failure),
            },
            Command::ChangeModel(name) => match self.session.change_model(&name) {
                Ok(()) => printer.note(format!("Now using {}", self.session.model())),
                Err(failure) => printer.failure(&failure),
            },
            Command::Instruct(text) => {
                self.conversation.instruct(&text);
                printer.note(match self.conversation.system() {
                    Some(_) => "The model follows this from now on",
                    None => "The instructions were removed",
                });
            }
            Command::New => {
                self.conversation.forget();
                printer.note("The conversation so far was cleared");
            }
            Command::Save(file) => {
                let file = at_home(file, &self.context.project.around);
                match self.save(&file) {
                    Ok(()) => printer.note(format!("Saved: {}", file.display())),
                    Err(failure) => printer.failure(&failure),
                }
            }
            Command::Help => printer.note(HELP),
            Command::Unclear(what) => printer.warning(what),
        }
        Ok(())
    }

    /// Asks, and streams the answer.
    fn say(&mut self, question: String) -> Result<(), Failure> {
        let printer = &self.context.printer;
        let request = self.conversation.ask(self.session.model(), question.as_str());
        let mut answer = String::new();
        let mut thinks = false;
        let outcome = self.session.answer(&request, CtrlC::EndsAnswer, &mut |piece| match piece {
            Piece::LeftOut(left_out) => {
                super::warn_of_what_did_not_fit(self.context, *left_out);
                Ok(())
            }
            Piece::Thinking(_) => {
                if !std::mem::replace(&mut thinks, true) {
                    printer.note(printer.stderr_style().dim("Thinking…"));
                }
                Ok(())
            }
            Piece::Text(text) => {
                answer.push_str(text);
                printer.part(text)
            }
            Piece::Done(_) => Ok(()),
        });
        match answer.is_empty() {
            // The line shows `^C` after the typed text.
            true => printer.clear_line(),
            false => printer.data("")?,
        }
        self.conversation.keep(question, answer);
        match outcome {
            Ok(AnswerEnd::Whole(summary)) => {
                if let Some(speed) = summary.speed() {
                    printer.detail(format!("{} tokens, {speed:.0} a second", summary.tokens));
                }
                if summary.is_cut_off {
                    printer.warning(super::CUT_OFF);
                    printer.hint("/new begins another conversation");
                }
            }
            Ok(AnswerEnd::Stopped) => printer.note("Stopped"),
            Err(failure) => printer.failure(&failure),
        }
        Ok(())
    }

    /// Writes the conversation to a new file.
    fn save(&self, file: &Path) -> Result<(), Failure> {
        let text = self.conversation.to_markdown(self.session.model());
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(file)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| {
            let failure = Failure::failed(format!("could not save to {}", file.display()));
            match error.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    failure.cause("the file exists and is not overwritten").hint("choose another name")
                }
                _ => failure.cause(error),
            }
        })
    }
}

/// Expands a `~` at the beginning as a shell would.
fn at_home(file: PathBuf, around: &Surroundings) -> PathBuf {
    let rest = file.strip_prefix("~").ok().map(Path::to_owned);
    match (rest, around.variable("HOME")) {
        (Some(rest), Some(home)) => Path::new(home).join(rest),
        (Some(_), None) | (None, _) => file,
    }
}
