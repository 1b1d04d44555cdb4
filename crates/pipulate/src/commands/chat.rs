//! `chat`: the local LLM from the terminal. With a question it is a filter for scripts, which prints
//! the answer and nothing else; without one it is a conversation.

mod command;
mod conversation;
mod history;
mod keyboard;

use std::io::{self, IsTerminal as _, Read as _};

use pipulate_ollama::answer::{Piece, Summary};
use pipulate_ollama::client::ChatRequest;
use pipulate_ollama::conversation::Conversation;

use crate::cli::ChatSettings;
use crate::context::Context;
use crate::error::{Failure, FailureKind};
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::partner::{CtrlC, End, Partner};

/// More than this of stdin is not read, in bytes. No model that runs here looks at so much.
const MAX_INPUT: u64 = 1 << 20;

/// What is said when the model had to stop: Ollama bounds what a model can take in.
const CUT_OFF: &str =
    "the answer was cut off: with all that was said before, it is as long as the model can take in";

/// Asks once, or goes on until the person leaves.
pub(crate) fn chat(context: &Context, settings: ChatSettings) -> Result<ExitStatus, Failure> {
    let piped = if io::stdin().is_terminal() { None } else { Some(read_stdin(context)?) };
    let question = match (settings.prompt, piped) {
        (Some(prompt), Some(piped)) if !piped.trim().is_empty() => format!("{prompt}\n\n{piped}"),
        (Some(prompt), Some(_) | None) => prompt,
        (None, Some(piped)) if !piped.trim().is_empty() => piped,
        (None, None) if context.printer.terminal().stdout_is_terminal => {
            return conversation::hold(context, Partner::find(context, settings.model.as_deref())?);
        }
        (None, Some(_) | None) => {
            return Err(Failure::new(FailureKind::Usage, "there is nothing to ask")
                .hint("write it behind the verb: pipulate chat \"What is a closure?\""));
        }
    };
    let partner = Partner::find(context, settings.model.as_deref())?;
    let request = Conversation::default().ask(partner.model(), &question);
    if print_answer(context, &partner, &request)?.is_cut_off {
        context.printer.warning(CUT_OFF);
    }
    Ok(ExitStatus::Success)
}

/// Streams an answer to stdout, without what the model thinks first; Ctrl-C ends the program.
pub(crate) fn print_answer(
    context: &Context,
    partner: &Partner,
    request: &ChatRequest,
) -> Result<Summary, Failure> {
    interrupt::ends_with_130()
        .map_err(|error| Failure::failed("could not prepare for Ctrl-C").cause(error))?;
    let mut line_is_open = false;
    let outcome = partner.answer(request, CtrlC::EndsProgram, &mut |piece| match piece {
        Piece::Text(text) => {
            line_is_open = !text.ends_with('\n');
            context.printer.data_stream(|stdout| stdout.write_all(text.as_bytes()))
        }
        Piece::Thinking(_) | Piece::Done(_) => Ok(()),
    });
    if line_is_open {
        context.printer.data("")?;
    }
    match outcome? {
        End::Whole(summary) => Ok(summary),
        // Whoever stops this has ended the program.
        End::Stopped => Ok(Summary::default()),
    }
}

fn read_stdin(context: &Context) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_INPUT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::failed("could not read what is piped into chat").cause(error))?;
    if bytes.len() as u64 > MAX_INPUT {
        context.printer.warning("only the last part of the first MiB of stdin counts");
    }
    bytes.truncate(MAX_INPUT as usize);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
