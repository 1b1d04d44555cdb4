//! A session with the local LLM at a terminal: finds the server, chooses a model, sends requests.
//!
//! If the model runs elsewhere, the user is told before anything is sent to it.

use std::path::Path;
use std::time::Duration;

use pipulate_core::text::shell_word;
use pipulate_environment::browser::session::Session;
use pipulate_environment::ollama::{Absence, Place, VARIABLE};
use pipulate_environment::surroundings::Surroundings;
use pipulate_ollama::answer::{Piece, Summary};
use pipulate_ollama::choose::{Choice, Why, choose_model};
use pipulate_ollama::client::Client;
use pipulate_ollama::error::Error;
use pipulate_ollama::host::Host;
use pipulate_ollama::model::Model;
use pipulate_ollama::request::ChatRequest;
use pipulate_store::consent;
use tokio::runtime::{Builder, Runtime};

use crate::context::Context;
use crate::error::{Failure, FailureKind};
use crate::ui::ask;
use crate::ui::printer::Printer;

/// The silence after which the user is told the reason for the wait.
const SILENCE: Duration = Duration::from_secs(5);
/// The smallest context of any model, in tokens.
const SMALLEST_CONTEXT: usize = 512;

/// A server and the chosen model.
pub(crate) struct LlmSession {
    runtime: Runtime,
    client: Client,
    models: Vec<Model>,
    model: Model,
    printer: Printer,
    around: Surroundings,
}

/// The end of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AnswerEnd {
    Whole(Summary),
    /// By Ctrl-C: the model was stopped.
    Stopped,
}

/// The effect of Ctrl-C during an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CtrlC {
    /// It ends the program.
    EndsProgram,
    /// It ends the answer.
    EndsAnswer,
}

impl LlmSession {
    /// Gets Ollama's models and chooses `wanted`, else the configured one, else the best.
    ///
    /// # Errors
    /// Ollama can't be reached, or has no such model; the failure has advice.
    pub(crate) fn find(context: &Context, wanted: Option<&str>) -> Result<Self, Failure> {
        let (config, around) = (&context.config()?.ollama, &context.project.around);
        // A separate thread closes the connection of a stopped answer while the user types.
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| Failure::failed("could not get ready to talk with Ollama").cause(error))?;
        let client = Client::new(&host(context)?)?;
        if !client.host().is_loopback() {
            let host = client.host();
            context.printer.note(format!("What you write leaves this machine, for Ollama at {host}"));
        }
        let models = runtime.block_on(client.models()).map_err(|error| told(error, client.host(), around))?;
        let (model, why) = choose(wanted.or(config.model.as_deref()), &models)?;
        let (printer, around) = (context.printer.clone(), around.clone());
        let session = Self { runtime, client, models, model, printer, around };
        session.introduce(why);
        Ok(session)
    }

    /// The model's name.
    pub(crate) fn model(&self) -> &str {
        &self.model.name
    }

    /// Returns true if the model thinks before it answers.
    pub(crate) fn thinks(&self) -> bool {
        self.runtime.block_on(self.client.thinks(&self.model))
    }

    /// The installed models.
    pub(crate) fn models(&self) -> &[Model] {
        &self.models
    }

    /// The names of the models that can chat.
    pub(crate) fn talkers(&self) -> Vec<String> {
        talkers(&self.models).into_iter().map(str::to_owned).collect()
    }

    /// Gets Ollama's models again: one may have been installed or deleted meanwhile.
    ///
    /// # Errors
    /// It can't be reached.
    pub(crate) fn look_again(&mut self) -> Result<(), Failure> {
        let models = self.runtime.block_on(self.client.models());
        self.models = models.map_err(|error| told(error, self.client.host(), &self.around))?;
        Ok(())
    }

    /// Switches to another model.
    ///
    /// # Errors
    /// Ollama can't be reached, there is no such model, or it can't chat.
    pub(crate) fn change_model(&mut self, wanted: &str) -> Result<(), Failure> {
        self.look_again()?;
        let (model, why) = choose(Some(wanted), &self.models)?;
        self.model = model;
        self.introduce(why);
        Ok(())
    }

    /// Sends a request and passes each piece of the answer to `on_piece`.
    ///
    /// # Errors
    /// The answer was interrupted, or `on_piece` failed. The model is stopped in any case.
    pub(crate) fn answer(
        &self,
        request: &ChatRequest,
        ctrl_c: CtrlC,
        on_piece: &mut dyn FnMut(&Piece) -> Result<(), Failure>,
    ) -> Result<AnswerEnd, Failure> {
        self.runtime.block_on(async {
            let answering = self.stream(request, on_piece);
            match ctrl_c {
                CtrlC::EndsProgram => answering.await,
                CtrlC::EndsAnswer => tokio::select! {
                    end = answering => end,
                    pressed = tokio::signal::ctrl_c() => match pressed {
                        Ok(()) => Ok(AnswerEnd::Stopped),
                        Err(error) => Err(Failure::failed("could not prepare for Ctrl-C").cause(error)),
                    },
                },
            }
        })
    }

    async fn stream(
        &self,
        request: &ChatRequest,
        on_piece: &mut dyn FnMut(&Piece) -> Result<(), Failure>,
    ) -> Result<AnswerEnd, Failure> {
        let mut is_told = self.tell_of_loading().await;
        let answering = self.client.chat(request);
        tokio::pin!(answering);
        let mut answer = loop {
            tokio::select! {
                answer = &mut answering => break answer?,
                () = tokio::time::sleep(SILENCE), if !is_told => {
                    self.note_to_a_person(format!("Waiting for {}: it may be busy with something else…", self.model.name));
                    is_told = true;
                }
            }
        };
        while let Some(piece) = answer.next().await? {
            on_piece(&piece)?;
            if let Piece::Done(summary) = piece {
                self.warn_of_a_full_prompt(request, &summary).await;
                return Ok(AnswerEnd::Whole(summary));
            }
        }
        // Unreachable: a stream always ends with a summary.
        Ok(AnswerEnd::Whole(Summary::default()))
    }

    /// An old server can't refuse a long prompt, and drops its beginning. A prompt that fills the
    /// whole context is a sign of that.
    async fn warn_of_a_full_prompt(&self, request: &ChatRequest, summary: &Summary) {
        let length: usize = request.messages.iter().map(|message| message.content.len()).sum();
        // A token has at least one byte.
        if length < SMALLEST_CONTEXT || summary.prompt_tokens == 0 {
            return;
        }
        let context = self.client.context_of(&self.model).await;
        if context.is_some_and(|context| summary.prompt_tokens >= context) {
            self.printer.warning(
                "the model can't handle that much, and this Ollama is too old to say so: the beginning was left out",
            );
            self.printer.hint("update Ollama, or ask about less");
        }
    }

    /// Says that the model is loading, which takes a while; returns true if it did.
    async fn tell_of_loading(&self) -> bool {
        // A server too old to answer can still be asked.
        let Ok(loaded) = self.client.loaded().await else { return false };
        let in_memory = loaded.iter().any(|loaded| self.model.is_named(&loaded.name));
        let is_loading = !in_memory && !self.model.is_cloud();
        if is_loading {
            self.note_to_a_person(format!("Loading {} into memory…", self.model.name));
        }
        is_loading
    }

    /// Prints a note that only concerns a user who waits.
    fn note_to_a_person(&self, text: String) {
        if self.printer.terminal().stderr_is_terminal {
            self.printer.note(self.printer.stderr_style().dim(text));
        }
    }

    fn introduce(&self, why: Why) {
        match why {
            Why::ConfiguredCloud => self.printer.warning(format!(
                "{} runs in Ollama's cloud: what you write to it leaves this machine",
                self.model.name
            )),
            Why::Configured
            | Why::ConfiguredOtherTag
            | Why::Preferred
            | Why::NewestLlama
            | Why::FirstLocal => self.printer.detail(format!("model: {} ({why})", self.model.name)),
        }
    }
}

/// Ollama's address: environment, then file, then Ollama's default.
///
/// # Errors
/// The configured value is no address.
pub(crate) fn place(context: &Context) -> Result<Place, Failure> {
    let place =
        Place::find(&context.project.layout, context.config()?, context.project.around.text(VARIABLE))?;
    let host = place.host();
    if let Some(port) = host.ignored_port() {
        context.printer.warning(format!("{port:?} is not a port; Ollama is looked for at {host}"));
    }
    Ok(place)
}

/// Ollama's host, if it may be contacted: asks once about a host on another machine that only the folder's
/// files name.
///
/// # Errors
/// There is no address, or the user didn't allow it.
pub(crate) fn host(context: &Context) -> Result<Host, Failure> {
    let host = match place(context)? {
        Place::Open(host) => return Ok(host),
        Place::Unasked(host) => host,
    };
    let wants = format!("This folder's pipulate.toml wants to use Ollama on another machine: {host}");
    let question = format!("{wants}\nWhat you write and your services' logs would go there. Allow it?");
    if ask::yes(&context.printer, &question) {
        allow(context, &host)?;
        return Ok(host);
    }
    let setting = format!("{VARIABLE}={}", shell_word(&host.to_string()));
    let what = format!("nothing was sent: pipulate.toml names Ollama on another machine: {host}");
    Err(Failure::new(FailureKind::Refused, what)
        .hint("to allow it for this folder, run at a terminal: pipulate models")
        .hint(format!("to allow it for one command, put before it: {setting}")))
}

/// Remembers that this project may send prompts to a host.
///
/// # Errors
/// It can't be remembered.
pub(crate) fn allow(context: &Context, host: &Host) -> Result<(), Failure> {
    Ok(consent::give(&context.project.layout, &host.to_string())?)
}

/// An error of Ollama's, with advice for this machine.
pub(crate) fn told(error: Error, host: &Host, around: &Surroundings) -> Failure {
    let way = matches!(error, Error::Unreachable { .. }).then(|| absence(host, around).way()).flatten();
    let failure = Failure::from(error);
    match way {
        Some(way) => failure.hint(way),
        None => failure,
    }
}

/// The reason why Ollama doesn't answer at `host`.
pub(crate) fn absence(host: &Host, around: &Surroundings) -> Absence {
    Absence::look(host.is_loopback(), &Session::gather(around.clone()), Path::new("/"))
}

fn talkers(models: &[Model]) -> Vec<&str> {
    models.iter().filter(|model| model.can_chat()).map(|model| model.name.as_str()).collect()
}

fn choose(wanted: Option<&str>, models: &[Model]) -> Result<(Model, Why), Failure> {
    match choose_model(wanted, models) {
        Choice::Chosen { model, why } => Ok((model, why)),
        Choice::None(reason) => {
            let failure = Failure::failed(reason.to_string());
            let talkers = talkers(models);
            match talkers.is_empty() {
                true => Err(failure),
                false => Err(failure.hint(format!("installed are: {}", talkers.join(", ")))),
            }
        }
    }
}
