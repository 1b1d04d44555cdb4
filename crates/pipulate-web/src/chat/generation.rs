//! One answer: the model is chosen and asked, and what it says is shown and kept until it has ended.

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

/// How long a piece of the answer may be missing on disk.
const FLUSH: Duration = Duration::from_secs(2);
/// The longest answer, in bytes.
const LONGEST: usize = 128 << 10;
/// After this much silence the page says what is waited for.
const SILENCE: Duration = Duration::from_secs(5);

/// One answer that is being written, and what was said before it.
pub(crate) struct Generation {
    before: Chat,
    progress: watch::Sender<Progress>,
    stop: Notify,
    /// The page that asked, as long as its own request carries the answer.
    asker: watch::Sender<Option<PageId>>,
    /// Whether it is on disk to its end. From then on other code may write the chat.
    is_kept: Mutex<bool>,
}

/// An answer as far as it has come.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(crate) turn: Turn,
    pub(crate) phase: Phase,
}

/// What goes on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Phase {
    Asking,
    /// The model is not in memory yet, which may take minutes.
    Loading,
    /// It is, and says nothing.
    Waiting,
    Writing,
    /// Nothing more: the end is in the turn. It may have happened that it could not be kept.
    Over(Option<String>),
}

/// One page in one browser, by chance. Nothing is trusted to it: two of the same name would show
/// some answers late.
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
    /// An answer of which nothing was said yet.
    pub(super) fn new(before: Chat, turn: Turn, asker: Option<PageId>) -> Self {
        Self {
            before,
            progress: watch::Sender::new(Progress { turn, phase: Phase::Asking }),
            stop: Notify::new(),
            asker: watch::Sender::new(asker),
            is_kept: Mutex::new(false),
        }
    }

    /// Listens to the answer.
    pub(crate) fn listen(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// What was said before it.
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
        // It can't fail: the sender is part of this.
        self.listen().wait_for(|progress| matches!(progress.phase, Phase::Over(_))).await.map(drop).ok();
    }

    /// Returns once a page needs its stream for the answer: its own request does not carry it.
    pub(crate) async fn needs_stream(&self, page: PageId) {
        self.asker.subscribe().wait_for(|asker| *asker != Some(page)).await.map(drop).ok();
    }

    /// The whole chat as it is now.
    pub(crate) fn chat(&self) -> Chat {
        let mut chat = self.before.clone();
        chat.turns.push(self.progress.borrow().turn.clone());
        chat
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(change);
    }

    /// Adds a piece and tells how long all of it is.
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

    /// Writes one at a time, and each time what is true then: a save may be slow, and an earlier one must not
    /// overwrite a later one.
    fn write(&self, world: &World, id: ChatId, save: Save) -> Result<(), StoreError> {
        let mut is_kept = self.is_kept.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_kept {
            return Ok(());
        }
        *is_kept = save == Save::Last;
        world.chat.chats().write(id, &self.chat())
    }
}

/// What is saved of an answer.
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

/// Chooses a model, asks it, and takes in its answer. An error is a fragment.
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

/// Sends the request, and shows what is waited for.
async fn ask(
    client: &Client,
    model: &Model,
    request: &ChatRequest,
    generation: &Generation,
) -> Result<Answer, Error> {
    generation.change(|progress| progress.turn.model.clone_from(&model.name));
    // A server too old to tell what is in memory is no reason not to ask.
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

/// Takes in all of an answer, and writes it to disk at most [`FLUSH`] late.
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
                // The end is saved again, and says why if it can't be.
                let _saved = generation.save(world, id, Save::SoFar).await;
                unsaved_since = None;
            }
        }
    }
}

/// Leaves of a piece what there is room for, in bytes; returns whether that is less than all of it.
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

/// What was said in a chat, as a model is told it.
fn conversation(chat: &Chat) -> Conversation {
    let mut conversation = Conversation::default();
    conversation.instruct(chat.instructions.as_deref().unwrap_or_default());
    for turn in &chat.turns {
        let question = [turn.material().as_str(), &turn.question].concat();
        conversation.keep(question, turn.answer.clone());
    }
    conversation
}

/// As long as it lives, the request of the page that asked carries the answer.
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
