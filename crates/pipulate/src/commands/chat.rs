//! `chat`: the local LLM from the terminal. With a question it is a filter for scripts, which prints only the
//! answer; without one it is a conversation.

mod command;
mod conversation;
mod history;
mod keyboard;

use std::io::{self, IsTerminal as _, Read};

use pipulate_core::chat::LeftOut;
use pipulate_core::units;
use pipulate_ollama::answer::{Piece, Summary};
use pipulate_ollama::conversation::{Conversation, Question};
use pipulate_ollama::request::ChatRequest;

use crate::call::ChatSettings;
use crate::context::Context;
use crate::error::{Failure, FailureKind};
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::llm_session::{AnswerEnd, CtrlC, LlmSession};

/// The number of bytes that are used from the end of stdin. No local model takes in more.
const MAX_INPUT: usize = 1 << 20;
/// The number of bytes that are read from stdin, which may be endless.
const MAX_READ: u64 = 1 << 30;

/// The warning when the model had to stop: Ollama limits the context.
const CUT_OFF: &str =
    "the answer was cut off: with all that was said before, it is as long as the model can handle";

/// Asks once, or holds a conversation until the user leaves.
pub(crate) fn chat(context: &Context, settings: ChatSettings) -> Result<ExitStatus, Failure> {
    let piped = if io::stdin().is_terminal() { None } else { Some(read_stdin(context)?) };
    let prompt = settings.prompt.as_deref();
    // The question comes last, after its subject.
    let question = match (prompt, piped.as_deref()) {
        (prompt, Some(piped)) if !piped.trim().is_empty() => {
            Question { material: piped, text: prompt.unwrap_or_default() }
        }
        (Some(prompt), Some(_) | None) => Question::from(prompt),
        (None, None) if context.printer.terminal().stdout_is_terminal => {
            return conversation::hold(context, LlmSession::find(context, settings.model.as_deref())?);
        }
        (None, Some(_) | None) => {
            return Err(Failure::new(FailureKind::Usage, "there is nothing to ask")
                .hint("write it behind the verb: pipulate chat \"What is a closure?\""));
        }
    };
    let session = LlmSession::find(context, settings.model.as_deref())?;
    let request = Conversation::default().ask(session.model(), question);
    if print_answer(context, &session, &request)?.is_cut_off {
        context.printer.warning(CUT_OFF);
    }
    Ok(ExitStatus::Success)
}

/// Streams an answer to stdout, without the model's thinking; Ctrl-C ends the program.
pub(crate) fn print_answer(
    context: &Context,
    session: &LlmSession,
    request: &ChatRequest,
) -> Result<Summary, Failure> {
    interrupt::ends_with_130()
        .map_err(|error| Failure::failed("could not prepare for Ctrl-C").cause(error))?;
    let mut line_is_open = false;
    let mut is_empty = true;
    let outcome = session.answer(request, CtrlC::EndsProgram, &mut |piece| match piece {
        Piece::Text(text) => {
            is_empty = false;
            line_is_open = !text.ends_with('\n');
            context.printer.part(text)
        }
        Piece::LeftOut(left_out) => {
            warn_of_what_did_not_fit(context, *left_out);
            Ok(())
        }
        Piece::Thinking(_) | Piece::Done(_) => Ok(()),
    });
    if line_is_open {
        context.printer.data("")?;
    }
    match outcome? {
        // As after a request that only loads a model.
        AnswerEnd::Whole(summary) if is_empty && !summary.is_cut_off => {
            Err(Failure::failed(format!("{} gave an empty answer", session.model()))
                .hint("ask again, or another model: pipulate models"))
        }
        AnswerEnd::Whole(summary) => Ok(summary),
        // Stopping it has ended the program.
        AnswerEnd::Stopped => Ok(Summary::default()),
    }
}

/// Warns of messages that were left out.
fn warn_of_what_did_not_fit(context: &Context, left_out: LeftOut) {
    context.printer.warning(format!("the model can't handle that much, and was not told: {left_out}"));
    context.printer.hint("start Ollama with a larger OLLAMA_CONTEXT_LENGTH, or ask about less");
}

/// The end of the piped input: in a log, the relevant part.
fn read_stdin(context: &Context) -> Result<String, Failure> {
    let (tail, length) = tail_of(io::stdin().lock().take(MAX_READ), MAX_INPUT)
        .map_err(|error| Failure::failed("could not read what is piped into chat").cause(error))?;
    if length == MAX_READ {
        context.printer.warning(format!("only the first {} of stdin were read", units::size(MAX_READ)));
    }
    let skipped = length - tail.len() as u64;
    if skipped > 0 {
        context.printer.warning(format!(
            "only the last {} of stdin are used; left out before them: {}",
            units::size(tail.len() as u64),
            units::size(skipped)
        ));
    }
    Ok(String::from_utf8_lossy(&tail).into_owned())
}

/// The last bytes of a stream, and its length.
fn tail_of(mut stream: impl Read, most: usize) -> io::Result<(Vec<u8>, u64)> {
    let (mut tail, mut length) = (Vec::new(), 0);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        length += count as u64;
        tail.extend_from_slice(&buffer[..count]);
        if tail.len() > 2 * most {
            tail.drain(..tail.len() - most);
        }
    }
    tail.drain(..tail.len().saturating_sub(most));
    // Skip a partial character.
    let begin = tail.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
    tail.drain(..begin);
    Ok((tail, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_stream_the_end_counts() {
        assert_eq!(tail_of(&b"short"[..], 8).unwrap(), (b"short".to_vec(), 5));
        let long: Vec<u8> = (0..300_000_u32).flat_map(|number| number.to_string().into_bytes()).collect();
        for most in [1, 7, 4_096, 100_000] {
            let (tail, length) = tail_of(&long[..], most).unwrap();
            assert_eq!((tail.as_slice(), length), (&long[long.len() - most..], long.len() as u64));
        }
        assert_eq!(tail_of("aüb".as_bytes(), 2).unwrap().0, b"b");
    }
}
