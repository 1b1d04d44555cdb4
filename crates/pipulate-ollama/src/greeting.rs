//! The greeting at start: the chosen model and, if it is loaded, a clever line from it.
//!
//! Advisory only. It never fails and never exceeds its deadline; every error becomes one plain sentence.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use pipulate_core::config::Greet;
use pipulate_core::text::capitalized;
use tokio::time::Instant;

use crate::answer::Piece;
use crate::choose::{Choice, Why, choose_model};
use crate::client::Client;
use crate::error::{Error, seconds};
use crate::host::Host;
use crate::model::Model;
use crate::request::{ChatRequest, Message, Options, Role};
use crate::runtime::block_on;

/// The prompt for the clever line.
const PROMPT: &str = "Say 'Ready to pipulate!' in a clever way.";
/// The limit of the line, in tokens: a small model may not stop by itself.
const MOST_TOKENS: u32 = 60;

/// A part of the greeting, in the order of display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GreetingEvent {
    /// A model was chosen; a line of its own.
    Using { model: String, why: Why },
    /// The next part of the clever line: no line break, no terminal controls.
    Text(String),
    /// No server listens at this address; a line of its own.
    Absent { host: String },
    /// Why there is no model or no clever line; a line of its own.
    Note(String),
}

impl fmt::Display for GreetingEvent {
    /// The text of the event.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Using { model, why: Why::ConfiguredCloud } => {
                write!(
                    f,
                    "Ollama says: Using model: {model} (in the cloud: what you write to it leaves this machine)"
                )
            }
            Self::Using { model, .. } => write!(f, "Ollama says: Using model: {model}"),
            Self::Absent { host } => write!(f, "Ollama is not running at {host}"),
            Self::Text(text) | Self::Note(text) => f.write_str(text),
        }
    }
}

/// Greets, and returns within `deadline`. [`Greet::Never`] sends no request.
///
/// To be called from a thread without a tokio runtime.
pub fn greet_blocking(
    host: &Host,
    configured: Option<&str>,
    mode: Greet,
    deadline: Duration,
    on_text: &mut dyn FnMut(GreetingEvent),
) {
    let mut told = Told { host, deadline, so_far: Progress::Nothing, on_text };
    let task = async {
        let until = Instant::now() + deadline;
        let end = match mode {
            Greet::Never => return,
            Greet::Loaded | Greet::Always => {
                tokio::time::timeout_at(until, greet(&mut told, configured, mode)).await
            }
        };
        match end {
            Ok(Ok(())) => {}
            Ok(Err(error)) => told.give_up(&error),
            Err(_elapsed) => told.run_out_of_time(),
        }
    };
    // Without a runtime there is no network either; a greeting does not report that.
    let _greeted = block_on(task);
}

/// The events so far, so that an end at any moment is reported correctly.
struct Told<'a> {
    host: &'a Host,
    deadline: Duration,
    so_far: Progress,
    on_text: &'a mut dyn FnMut(GreetingEvent),
}

enum Progress {
    Nothing,
    Model(String),
    Words,
}

async fn greet(told: &mut Told<'_>, configured: Option<&str>, mode: Greet) -> Result<(), Error> {
    let client = Client::new(told.host)?;
    let model = match choose_model(configured, &client.models().await?) {
        Choice::Chosen { model, why } => {
            (told.on_text)(GreetingEvent::Using { model: model.name.clone(), why });
            told.so_far = Progress::Model(model.name.clone());
            model
        }
        Choice::None(reason) => {
            (told.on_text)(GreetingEvent::Note(format!("Ollama is running, but {reason}")));
            return Ok(());
        }
    };
    let in_memory =
        mode == Greet::Always || client.loaded().await?.iter().any(|loaded| model.is_named(&loaded.name));
    if in_memory { say_something_clever(&client, model, told).await } else { Ok(()) }
}

/// Streams the first line of the model's answer, and stops its generation there.
async fn say_something_clever(client: &Client, model: Model, told: &mut Told<'_>) -> Result<(), Error> {
    let request = ChatRequest {
        think: client.thinks(&model).await.then_some(false),
        model: model.name,
        messages: vec![Message { role: Role::User, content: PROMPT.to_owned() }],
        material: 0,
        options: Options { most_tokens: Some(MOST_TOKENS) },
    };
    let mut answer = client.chat(&request).await?;
    while let Some(piece) = answer.next().await? {
        match piece {
            Piece::LeftOut(_) | Piece::Thinking(_) => {}
            Piece::Text(text) => {
                if told.say(&text).is_break() {
                    break;
                }
            }
            Piece::Done(summary) => {
                if summary.is_cut_off {
                    told.break_off();
                }
                break;
            }
        }
    }
    Ok(())
}

impl Told<'_> {
    /// Passes on text of the first line; breaks at its end.
    fn say(&mut self, text: &str) -> ControlFlow<()> {
        let begun = matches!(self.so_far, Progress::Words);
        let text = if begun { text } else { text.trim_start() };
        let (line, flow) = match text.split_once('\n') {
            Some((line, _)) => (line, ControlFlow::Break(())),
            None => (text, ControlFlow::Continue(())),
        };
        let clean: String = line.chars().filter(|c| !c.is_control()).collect();
        if !clean.is_empty() {
            self.so_far = Progress::Words;
            (self.on_text)(GreetingEvent::Text(clean));
        }
        flow
    }

    /// Marks that the line was cut off.
    fn break_off(&mut self) {
        match self.so_far {
            Progress::Words => (self.on_text)(GreetingEvent::Text("…".to_owned())),
            Progress::Nothing | Progress::Model(_) => {}
        }
    }

    fn give_up(&mut self, error: &Error) {
        let note = match (&self.so_far, error) {
            (Progress::Words, _) => return self.break_off(),
            (Progress::Nothing, Error::Unreachable { host, .. }) => {
                return (self.on_text)(GreetingEvent::Absent { host: host.clone() });
            }
            (Progress::Nothing | Progress::Model(_), error) => capitalized(&error.to_string()),
        };
        (self.on_text)(GreetingEvent::Note(note));
    }

    fn run_out_of_time(&mut self) {
        let limit = seconds(self.deadline);
        let note = match &self.so_far {
            Progress::Words => return self.break_off(),
            Progress::Model(model) => {
                format!("{model} needs more than {limit} to say hello; it is available anyway")
            }
            Progress::Nothing => {
                format!("Ollama at {} did not answer within {limit}; going on without it", self.host)
            }
        };
        (self.on_text)(GreetingEvent::Note(note));
    }
}
