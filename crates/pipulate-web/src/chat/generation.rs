//! One answer: chooses a model, asks it, and shows and saves the answer until its end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pipulate_core::chat::{Chat, ChatId, Effort, Outcome, Turn};
use pipulate_ollama::answer::{Answer, Piece, Summary};
use pipulate_ollama::choose::{Choice, choose_model};
use pipulate_ollama::client::Client;
use pipulate_ollama::conversation::{Conversation, Question};
use pipulate_ollama::error::Error;
use pipulate_ollama::model::Model;
use pipulate_ollama::request::ChatRequest;
use pipulate_ollama::why;
use pipulate_store::error::StoreError;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::problem::Problem;
use crate::world::{NoOllama, World};

/// The longest delay of saving a piece of the answer.
const FLUSH: Duration = Duration::from_secs(2);
/// The longest answer, in bytes.
const LONGEST: usize = 128 << 10;
/// The silence after which the page shows the reason for the wait.
const SILENCE: Duration = Duration::from_secs(5);

/// One answer that is being generated, and the chat before it.
pub(crate) struct Generation {
    before: Chat,
    progress: watch::Sender<Progress>,
    stop: Notify,
    /// The page that asked, while its own request carries the answer.
    asker: watch::Sender<Option<PageId>>,
    /// True once it is completely on disk. From then on other code may write the chat.
    is_kept: Mutex<bool>,
}

/// The current state of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(crate) turn: Turn,
    pub(crate) phase: Phase,
}

/// The phase of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Phase {
    Asking,
    /// The model is not in memory yet, which may take minutes.
    Loading,
    /// The model is in memory, but silent.
    Waiting,
    Writing,
    /// Finished: the outcome is in the turn. The error if it could not be saved.
    Over(Option<String>),
}

/// A random id of one page in one browser. Not relevant for security: with a duplicate, some
/// answers would appear late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageId(u64);

impl PageId {
    pub(crate) fn new() -> Self {
        Self(getrandom::u64().unwrap_or_default())
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl std::fmt::Display for PageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Generation {
    /// An answer without any text yet.
    pub(super) fn new(before: Chat, turn: Turn, asker: Option<PageId>) -> Self {
        Self {
            before,
            progress: watch::Sender::new(Progress { turn, phase: Phase::Asking }),
            stop: Notify::new(),
            asker: watch::Sender::new(asker),
            is_kept: Mutex::new(false),
        }
    }

    /// Subscribes to the answer.
    pub(crate) fn listen(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// The chat before the answer.
    pub(crate) fn before(&self) -> &Chat {
        &self.before
    }

    /// Stops it, and returns when it has ended.
    pub(crate) async fn stop(&self) {
        self.stop.notify_one();
        self.over().await;
    }

    /// Returns when it has ended.
    pub(crate) async fn over(&self) {
        // It can't fail: `self` owns the sender.
        self.listen().wait_for(|progress| matches!(progress.phase, Phase::Over(_))).await.map(drop).ok();
    }

    /// Returns once a page needs its stream for the answer, because its own request does not carry it.
    pub(crate) async fn needs_stream(&self, page: PageId) {
        self.asker.subscribe().wait_for(|asker| *asker != Some(page)).await.map(drop).ok();
    }

    /// The whole chat with the current answer.
    pub(crate) fn chat(&self) -> Chat {
        let mut chat = self.before.clone();
        chat.turns.push(self.progress.borrow().turn.clone());
        chat
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(change);
    }

    /// Adds a piece and returns the total length.
    fn add(&self, piece: Piece) -> usize {
        let mut length = 0;
        self.change(|Progress { turn, phase }| {
            if !matches!(piece, Piece::LeftOut(_)) {
                *phase = Phase::Writing;
            }
            match piece {
                Piece::LeftOut(left_out) => turn.left_out = left_out,
                Piece::Thinking(text) => turn.thinking.push_str(&text),
                Piece::Text(text) => turn.answer.push_str(&text),
                Piece::Done(_) => {}
            }
            length = turn.thinking.len() + turn.answer.len();
        });
        length
    }

    fn request(&self, model: &str) -> ChatRequest {
        let turn = &self.progress.borrow().turn;
        let material = turn.material();
        let question = match turn.is_brief {
            true => why::split(&turn.question),
            false => Question { material: &material, text: &turn.question },
        };
        conversation(&self.before).ask(model, question)
    }

    pub(super) async fn save(self: &Arc<Self>, world: &World, id: ChatId, save: Save) -> Result<(), Problem> {
        let own = Arc::clone(self);
        Ok(world.ask(move |world| own.write(world, id, save)).await??)
    }

    /// Writes the current state, one write at a time: a slow earlier save must not overwrite a later one.
    fn write(&self, world: &World, id: ChatId, save: Save) -> Result<(), StoreError> {
        let mut is_kept = self.is_kept.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_kept {
            return Ok(());
        }
        *is_kept = save == Save::Last;
        world.chat.chats().write(id, &self.chat())
    }
}

/// The extent of a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Save {
    SoFar,
    /// All of it.
    Last,
}

/// Runs a generation to its end.
pub(super) async fn run(
    world: World,
    id: ChatId,
    chat_lock: impl Send,
    generation: Arc<Generation>,
    model: Option<String>,
) {
    let outcome = tokio::select! {
        () = generation.stop.notified() => Outcome::Stopped,
        outcome = generate(&world, id, &generation, model) => outcome.unwrap_or_else(Outcome::Broken),
    };
    generation.change(|progress| progress.turn.outcome = outcome);
    let error = generation.save(&world, id, Save::Last).await.err().map(told);
    // From now on it is read from disk.
    drop(chat_lock);
    generation.change(|progress| progress.phase = Phase::Over(error));
}

/// Chooses a model, asks it, and receives its answer. The error is a fragment.
async fn generate(
    world: &World,
    id: ChatId,
    generation: &Arc<Generation>,
    model: Option<String>,
) -> Result<Outcome, String> {
    let ollama = world.ask(|world| world.chat.ollama()).await.map_err(|panicked| told(panicked.into()))?;
    let ollama = ollama.map_err(|none| match none {
        NoOllama::Unusable(reason) => reason,
        NoOllama::Unasked(host) => {
            format!("nothing was sent: Ollama on another machine isn't allowed here yet: {host}")
        }
    })?;
    let client = Client::new(&ollama.host).map_err(|error| error.to_string())?;
    let models = client.models().await.map_err(|error| error.to_string())?;
    let model = match choose_model(model.as_deref().or(ollama.model.as_deref()), &models) {
        Choice::Chosen { model, .. } => model,
        Choice::None(reason) => return Err(reason.to_string()),
    };
    let mut request = generation.request(&model.name);
    if generation.progress.borrow().turn.is_brief {
        why::keep_short(&mut request, client.thinks(&model).await);
    }
    let answer = ask(&client, &model, &request, generation).await.map_err(|error| error.to_string())?;
    let summary = receive(answer, world, id, generation).await?;
    let filled = client.context_of(&model).await.and_then(|context| summary.filled(context));
    let effort = Effort { tokens: summary.tokens, seconds: summary.writing.as_secs_f64(), filled };
    Ok(if summary.is_cut_off { Outcome::CutOff(effort) } else { Outcome::Whole(effort) })
}

/// Sends the request, and shows the reason for the wait.
async fn ask(
    client: &Client,
    model: &Model,
    request: &ChatRequest,
    generation: &Generation,
) -> Result<Answer, Error> {
    generation.change(|progress| progress.turn.model.clone_from(&model.name));
    // A server too old to list its loaded models can still be asked.
    let is_known =
        |loaded: &[_]| loaded.iter().any(|one: &pipulate_ollama::model::Loaded| model.is_named(&one.name));
    if client.loaded().await.is_ok_and(|loaded| !model.is_cloud() && !is_known(&loaded)) {
        generation.change(|progress| progress.phase = Phase::Loading);
    }
    let answer = client.chat(request);
    tokio::pin!(answer);
    match tokio::time::timeout(SILENCE, &mut answer).await {
        Ok(answer) => answer,
        Err(_silence) => {
            generation.change(|progress| {
                if progress.phase == Phase::Asking {
                    progress.phase = Phase::Waiting;
                }
            });
            answer.await
        }
    }
}

/// Receives the whole answer, and writes it to disk at most [`FLUSH`] late.
async fn receive(
    mut answer: Answer,
    world: &World,
    id: ChatId,
    generation: &Arc<Generation>,
) -> Result<Summary, String> {
    let mut unsaved_since: Option<Instant> = None;
    let mut length = 0;
    loop {
        let due = unsaved_since.unwrap_or_else(Instant::now) + FLUSH;
        tokio::select! {
            piece = answer.next() => match piece.map_err(|error| error.to_string())? {
                Some(Piece::Done(summary)) => return Ok(summary),
                Some(mut piece) => {
                    let is_cut = cut(&mut piece, LONGEST.saturating_sub(length));
                    length = generation.add(piece);
                    if is_cut {
                        return Err(format!("the answer grew longer than {} KiB and was stopped", LONGEST >> 10));
                    }
                    unsaved_since.get_or_insert_with(Instant::now);
                }
                None => return Err("the answer ended early".to_owned()),
            },
            () = tokio::time::sleep_until(due), if unsaved_since.is_some() => {
                // The final save repeats this, and reports errors.
                let _saved = generation.save(world, id, Save::SoFar).await;
                unsaved_since = None;
            }
        }
    }
}

/// Cuts a piece to `room` bytes; returns true if it was longer.
fn cut(piece: &mut Piece, room: usize) -> bool {
    let (Piece::Thinking(text) | Piece::Text(text)) = piece else { return false };
    let is_longer = text.len() > room;
    text.truncate(text.floor_char_boundary(room));
    is_longer
}

fn told(problem: Problem) -> String {
    problem.text().into_owned()
}

/// A chat as Markdown, for people; `model` is the one that answered.
pub(crate) fn to_markdown(chat: &Chat, model: &str) -> String {
    conversation(chat).to_markdown(model)
}

/// The messages of a chat for the model.
fn conversation(chat: &Chat) -> Conversation {
    let mut conversation = Conversation::default();
    conversation.instruct(chat.instructions.as_deref().unwrap_or_default());
    for turn in &chat.turns {
        let question = [turn.material().as_str(), &turn.question].concat();
        conversation.keep(question, turn.answer.clone());
    }
    conversation
}

/// While this exists, the request of the page that asked carries the answer.
pub(crate) struct DirectListener(Arc<Generation>);

impl DirectListener {
    pub(super) fn new(generation: Arc<Generation>) -> Self {
        Self(generation)
    }

    pub(crate) fn generation(&self) -> &Generation {
        &self.0
    }
}

impl Drop for DirectListener {
    fn drop(&mut self) {
        self.0.asker.send_replace(None);
    }
}
