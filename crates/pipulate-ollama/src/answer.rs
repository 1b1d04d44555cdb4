//! An answer as it is generated, piece by piece.
//!
//! An answer is complete only if its server said so: a connection that ends earlier is an error, and so is an
//! `{"error": …}` line, although the status was 200 before.

mod thoughts;

use std::collections::VecDeque;
use std::time::Duration;

use pipulate_core::chat::LeftOut;
use pipulate_core::text::is_harmless;
use serde::Deserialize;

use crate::error::{Error, ErrorBody, excerpt};
use crate::fit::is_too_long;
use crate::host::Host;
use crate::lines::LineBuffer;
use crate::model::or_default;
use thoughts::Thoughts;

/// A stream of [`Piece`]s. Dropping it closes the connection, which stops Ollama's generation.
#[derive(Debug)]
pub struct Answer {
    response: reqwest::Response,
    host: Host,
    lines: LineBuffer,
    ready: VecDeque<Piece>,
    thoughts: Thoughts,
    /// This was the last one.
    ended: bool,
    /// Timeout for the next bytes: first that of loading, then that of generating.
    patience: Duration,
    next_word: Duration,
}

/// An event in an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// Parts of the request did not fit. If it occurs, the first piece.
    LeftOut(LeftOut),
    /// A part of the model's reasoning before the answer.
    Thinking(String),
    /// A part of the answer.
    Text(String),
    /// The answer is complete. Always the last piece.
    Done(Summary),
}

/// The cost of an answer, as far as the server reports it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// The answer was cut off: by the requested limit, or because it fills the model's context together with
    /// the question.
    pub is_cut_off: bool,
    /// The prompt's length in tokens.
    pub prompt_tokens: u64,
    /// The answer's length in tokens.
    pub tokens: u64,
    /// The time for generating the answer.
    pub writing: Duration,
}

impl Summary {
    /// Returns the share of `context` tokens that the conversation fills with this answer, in percent; `None`
    /// if the server did not count.
    pub fn filled(&self, context: u64) -> Option<u8> {
        let said = (self.prompt_tokens + self.tokens).saturating_mul(100);
        let percent = said.checked_div(context).filter(|_| said > 0)?;
        Some(u8::try_from(percent.min(100)).unwrap_or(100))
    }

    /// Returns tokens per second; `None` if the server did not measure.
    pub fn speed(&self) -> Option<f64> {
        (!self.writing.is_zero()).then(|| self.tokens as f64 / self.writing.as_secs_f64())
    }
}

impl Answer {
    pub(crate) fn new(
        response: reqwest::Response,
        host: &Host,
        first_word: Duration,
        next_word: Duration,
    ) -> Self {
        Self {
            response,
            host: host.clone(),
            lines: LineBuffer::default(),
            ready: VecDeque::new(),
            thoughts: Thoughts::default(),
            ended: false,
            patience: first_word,
            next_word,
        }
    }

    /// Waits for the first piece. An error instead of it is about the request.
    pub(crate) async fn begun(mut self, model: &str) -> Result<Self, Error> {
        match self.next().await {
            Ok(Some(piece)) => self.ready.push_front(piece),
            Ok(None) => {}
            Err(Error::BrokeOff { message }) if is_too_long(&message) => {
                return Err(Error::TooLong { model: model.to_owned(), reason: message });
            }
            Err(error) => return Err(error),
        }
        Ok(self)
    }

    /// Adds the parts that were left out of the request.
    pub(crate) fn without(mut self, left_out: LeftOut) -> Self {
        if !left_out.is_nothing() {
            self.ready.push_front(Piece::LeftOut(left_out));
        }
        self
    }

    /// Returns the next piece; `None` after the last. Cancel-safe: may be dropped and called again.
    ///
    /// # Errors
    /// The answer was interrupted. There is nothing after an error.
    pub async fn next(&mut self) -> Result<Option<Piece>, Error> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            if self.ended {
                return Ok(None);
            }
            if let Err(error) = self.read_on().await {
                self.ended = true;
                return Err(error);
            }
        }
    }

    /// Reads the next buffered line, or else more bytes.
    async fn read_on(&mut self) -> Result<(), Error> {
        let too_long = |_| Error::LineTooLong { host: self.host.to_string() };
        if let Some(line) = self.lines.next_line().map_err(too_long)? {
            let pieces = pieces_of(line, &self.host)?;
            self.take(pieces);
            return Ok(());
        }
        let slow = |_| Error::Slow { host: self.host.to_string(), activity: "go on", limit: self.patience };
        match tokio::time::timeout(self.patience, self.response.chunk()).await.map_err(slow)? {
            Ok(Some(chunk)) => {
                self.patience = self.next_word;
                self.lines.push(&chunk);
                Ok(())
            }
            Ok(None) => self.finish("it has no end"),
            Err(error) => {
                let reason = if error.is_body() || error.is_decode() {
                    "the connection was cut"
                } else {
                    "the connection failed"
                };
                self.finish(reason)
            }
        }
    }

    /// Handles the end of the stream: the rest may be a last line without a line break.
    fn finish(&mut self, reason: &str) -> Result<(), Error> {
        let cut_off = Error::CutOff { host: self.host.to_string(), reason: reason.to_owned() };
        let Some(rest) = self.lines.rest() else { return Err(cut_off) };
        match pieces_of(&rest, &self.host) {
            Ok(pieces) => self.take(pieces),
            // An incomplete line of JSON is a sign of a broken connection, not of a foreign server.
            Err(Error::NotOllama { .. }) if rest.starts_with(b"{") => return Err(cut_off),
            Err(other) => return Err(other),
        }
        if self.ended { Ok(()) } else { Err(cut_off) }
    }

    fn take(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.ready.extend(self.thoughts.take(&text)),
                Piece::Done(_) => {
                    self.ended = true;
                    self.ready.extend(self.thoughts.finish());
                    self.ready.push_back(piece);
                }
                Piece::Thinking(_) | Piece::LeftOut(_) => self.ready.push_back(piece),
            }
        }
    }
}

/// One line of `/api/chat`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ChatLine {
    #[serde(deserialize_with = "or_default")]
    message: Spoken,
    #[serde(deserialize_with = "or_default")]
    done: bool,
    done_reason: Option<String>,
    #[serde(deserialize_with = "or_default")]
    prompt_eval_count: u64,
    #[serde(deserialize_with = "or_default")]
    eval_count: u64,
    /// In nanoseconds.
    #[serde(deserialize_with = "or_default")]
    eval_duration: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spoken {
    #[serde(deserialize_with = "or_default")]
    content: String,
    #[serde(deserialize_with = "or_default")]
    thinking: String,
}

fn pieces_of(line: &[u8], host: &Host) -> Result<Vec<Piece>, Error> {
    let foreign = |_| Error::NotOllama { host: host.to_string(), excerpt: excerpt(line) };
    let value: serde_json::Value = serde_json::from_slice(line).map_err(foreign)?;
    if let Some(said) = ErrorBody::of(&value) {
        return Err(Error::BrokeOff { message: said.message });
    }
    let line: ChatLine = serde_json::from_value(value).map_err(foreign)?;
    let texts =
        [Piece::Thinking(harmless(line.message.thinking)), Piece::Text(harmless(line.message.content))];
    let mut pieces: Vec<Piece> = texts.into_iter().filter(|piece| !piece.is_empty()).collect();
    if line.done {
        pieces.push(Piece::Done(Summary {
            is_cut_off: line.done_reason.as_deref() == Some("length"),
            prompt_tokens: line.prompt_eval_count,
            tokens: line.eval_count,
            writing: Duration::from_nanos(line.eval_duration),
        }));
    }
    Ok(pieces)
}

/// Removes characters that could control a terminal or reverse the writing direction. Line breaks and tabs
/// stay.
fn harmless(mut text: String) -> String {
    text.retain(|c| is_harmless(c) || matches!(c, '\n' | '\t'));
    text
}

impl Piece {
    fn is_empty(&self) -> bool {
        match self {
            Self::Thinking(text) | Self::Text(text) => text.is_empty(),
            Self::LeftOut(_) | Self::Done(_) => false,
        }
    }
}
