//! Answers of the local LLM while they are written.
//!
//! Invariants: an answer belongs to the app and not to the page that asked for it, so it goes on when
//! the page is reloaded or closed. A chat has one answer at a time, and no more than [`MOST`] are
//! written at once. To stop one closes its connection, which makes Ollama stop. What was said so
//! far is on disk, at most [`FLUSH`] old.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pipulate_ollama::answer::Piece;
use pipulate_ollama::choose::{Choice, choose_model};
use pipulate_ollama::client::{ChatRequest, Client};
use pipulate_ollama::conversation::Conversation;
use pipulate_store::chat::{Chat, ChatId, End, Turn};
use tokio::sync::{Notify, watch};

use crate::problem::Problem;
use crate::state::AppState;

/// How many answers are written at once: a model shares one machine with everything else.
const MOST: usize = 4;
/// How old what is on disk may be, while something is added.
const FLUSH: Duration = Duration::from_secs(2);
/// The longest answer, in bytes; what a model rambles beyond is of no use to anybody.
const LONGEST: usize = 256 << 10;

/// The answers that are being written.
#[derive(Clone, Default)]
pub(crate) struct Answers(Arc<Mutex<BTreeMap<ChatId, Option<Arc<Running>>>>>);

/// One answer, and what was said before it.
pub(crate) struct Running {
    before: Chat,
    live: watch::Sender<Live>,
    stop: Notify,
}

/// An answer as far as it has come.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    pub(crate) turn: Turn,
    pub(crate) phase: Phase,
}

/// What goes on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Phase {
    Asking,
    /// The model is not in memory yet, which may take minutes.
    Loading,
    Writing,
    /// Nothing more: the end is in the turn. It may have happened that it could not be kept.
    Over(Option<String>),
}

/// What is to be answered.
pub(crate) enum Prompt {
    Question(String),
    /// The last question once more.
    Again,
    /// Something that comes with instructions of its own.
    About {
        instructions: String,
        question: String,
    },
}

impl Answers {
    /// The answer that is being written in a chat.
    pub(crate) fn of(&self, id: ChatId) -> Option<Arc<Running>> {
        self.lock().get(&id).cloned().flatten()
    }

    /// A place for one more answer.
    fn claim(&self, id: ChatId) -> Result<Place, Problem> {
        let mut running = self.lock();
        if running.contains_key(&id) {
            let busy = "an answer is being written in this chat already; wait for it, or stop it";
            return Err(Problem::Refused(busy.to_owned()));
        }
        if running.len() >= MOST {
            return Err(Problem::TooManyAnswers);
        }
        running.insert(id, None);
        Ok(Place { answers: self.clone(), id })
    }

    /// No invariant spans two statements under this lock, so a poisoned one is as good as new.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChatId, Option<Arc<Running>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Given back when it is dropped.
struct Place {
    answers: Answers,
    id: ChatId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.answers.lock().remove(&self.id);
    }
}

/// Begins to answer; the work goes on by itself.
///
/// # Errors
/// There is nothing to answer, too much is answered already, or the chat can't be read.
pub(crate) async fn begin(
    state: &AppState,
    id: ChatId,
    prompt: Prompt,
    model: Option<String>,
) -> Result<Arc<Running>, Problem> {
    let place = state.answers().claim(id)?;
    let mut before = state.ask(move |world| world.chat.chats().read(id)).await??;
    let question = match prompt {
        Prompt::Question(question) => question,
        Prompt::Again => {
            let nothing = || Problem::Refused("nothing was asked in this chat yet".to_owned());
            before.turns.pop().ok_or_else(nothing)?.question
        }
        Prompt::About { instructions, question } => {
            before.instructions = Some(instructions);
            question
        }
    };
    let live = Live { turn: Turn::new(question), phase: Phase::Asking };
    let running = Arc::new(Running { before, live: watch::Sender::new(live), stop: Notify::new() });
    // A question that can't be kept is not asked: its answer would be lost, too.
    running.save(state, id).await?;
    place.answers.lock().insert(id, Some(Arc::clone(&running)));
    tokio::spawn(write(state.clone(), place, Arc::clone(&running), model));
    Ok(running)
}

async fn write(state: AppState, place: Place, running: Arc<Running>, model: Option<String>) {
    let end = tokio::select! {
        () = running.stop.notified() => End::Stopped,
        end = speak(&state, place.id, &running, model) => end.unwrap_or_else(End::Broken),
    };
    running.change(|live| live.turn.end = end);
    let trouble = running.save(&state, place.id).await.err().map(|problem| problem.text().into_owned());
    // Whoever looks from now on finds it on disk.
    drop(place);
    running.change(|live| live.phase = Phase::Over(trouble));
}

/// Has the model answer; why it could not is told as a fragment.
async fn speak(
    state: &AppState,
    id: ChatId,
    running: &Running,
    model: Option<String>,
) -> Result<End, String> {
    let said = |error: pipulate_ollama::error::Error| error.to_string();
    let ollama =
        state.ask(|world| world.chat.ollama()).await.map_err(|problem| problem.text().into_owned())??;
    let client = Client::new(&ollama.host).map_err(said)?;
    let models = client.models().await.map_err(said)?;
    let model = match choose_model(model.as_deref().or(ollama.model.as_deref()), &models) {
        Choice::Chosen { model, .. } => model,
        Choice::None(reason) => return Err(reason.to_string()),
    };
    running.change(|live| live.turn.model.clone_from(&model.name));
    // A server too old to tell what is in memory is no reason not to ask.
    let loaded = client.loaded().await;
    if loaded.is_ok_and(|loaded| !model.is_cloud() && !loaded.iter().any(|one| model.is_named(&one.name))) {
        running.change(|live| live.phase = Phase::Loading);
    }
    let mut answer = client.chat(&running.request(&model.name)).await.map_err(said)?;
    let mut flushed = Instant::now();
    while let Some(piece) = answer.next().await.map_err(said)? {
        if let Piece::Done(summary) = piece {
            return Ok(End::Whole { tokens: summary.tokens, seconds: summary.writing.as_secs_f64() });
        }
        if running.add(piece) > LONGEST {
            return Err(format!("the answer grew longer than {} KiB and was stopped", LONGEST >> 10));
        }
        if flushed.elapsed() > FLUSH {
            // The end is saved again, and says why if it can't be.
            let _saved = running.save(state, id).await;
            flushed = Instant::now();
        }
    }
    Err("the answer ended early".to_owned())
}

impl Running {
    /// Listens to the answer.
    pub(crate) fn listen(&self) -> watch::Receiver<Live> {
        self.live.subscribe()
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
        self.listen().wait_for(|live| matches!(live.phase, Phase::Over(_))).await.map(drop).ok();
    }

    /// The whole chat as it is now.
    pub(crate) fn chat(&self) -> Chat {
        let mut chat = self.before.clone();
        chat.turns.push(self.live.borrow().turn.clone());
        chat
    }

    fn change(&self, change: impl FnOnce(&mut Live)) {
        self.live.send_modify(change);
    }

    /// Adds a piece and tells how long all of it is.
    fn add(&self, piece: Piece) -> usize {
        let mut length = 0;
        self.change(|live| {
            live.phase = Phase::Writing;
            match piece {
                Piece::Thinking(text) => live.turn.thinking.push_str(&text),
                Piece::Text(text) => live.turn.answer.push_str(&text),
                Piece::Done(_) => {}
            }
            length = live.turn.thinking.len() + live.turn.answer.len();
        });
        length
    }

    fn request(&self, model: &str) -> ChatRequest {
        let mut conversation = Conversation::default();
        conversation.instruct(self.before.instructions.as_deref().unwrap_or_default());
        for turn in &self.before.turns {
            conversation.keep(turn.question.clone(), turn.answer.clone());
        }
        conversation.ask(model, &self.live.borrow().turn.question)
    }

    async fn save(&self, state: &AppState, id: ChatId) -> Result<(), Problem> {
        let chat = self.chat();
        Ok(state.ask(move |world| world.chat.chats().write(id, &chat)).await??)
    }
}
