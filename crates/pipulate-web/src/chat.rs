//! Answers of the local LLM while they are written.
//!
//! Invariants: an answer belongs to the app and not to the page that asked for it, so it goes on when
//! the page is reloaded or closed. A chat has one answer at a time, and no more than [`MOST`] are
//! written at once. To stop one closes its connection, which makes Ollama stop. What was said is on
//! disk soon ([`speaking`]), and all of it when the app is asked to end.

mod speaking;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pipulate_ollama::answer::Piece;
use pipulate_ollama::client::ChatRequest;
use pipulate_ollama::conversation::{Conversation, Question};
use pipulate_ollama::why;
use pipulate_store::chat::{Chat, ChatId, LeftOut, Turn};
use pipulate_store::error::StoreError;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, watch};

use crate::problem::Problem;
use crate::state::AppState;
use crate::world::World;

/// How many answers are written at once: a model shares one machine with everything else.
const MOST: usize = 4;

/// The answers that are being written.
#[derive(Clone, Default)]
pub(crate) struct Answers {
    running: Arc<Mutex<BTreeMap<ChatId, Option<Arc<Running>>>>>,
    news: watch::Sender<()>,
}

/// One answer, and what was said before it.
pub(crate) struct Running {
    before: Chat,
    live: watch::Sender<Live>,
    stop: Notify,
    /// The page that asked, as long as it hears the answer over the request that it asked with.
    asker: watch::Sender<Option<PageId>>,
    /// Whether it is on disk to its end: from then on the chat is somebody else's to write.
    is_kept: Mutex<bool>,
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
    /// It is, and says nothing.
    Waiting,
    Writing,
    /// Nothing more: the end is in the turn. It may have happened that it could not be kept.
    Over(Option<String>),
}

/// What is to be answered, by whom, and who wants to know.
pub(crate) struct Wish {
    pub(crate) prompt: Prompt,
    /// Another one than usual.
    pub(crate) model: Option<String>,
    /// The page that will hear the answer over this very request.
    pub(crate) page: Option<PageId>,
}

/// What is to be answered.
pub(crate) enum Prompt {
    Question(String),
    /// The last question once more, or what should have been asked in its place.
    Again {
        edited: Option<String>,
        /// The [`mark`] of the question that the page showed as the last one.
        seen: Option<String>,
    },
    /// Something that comes with instructions of its own and wants a short answer.
    About {
        instructions: String,
        question: String,
    },
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

impl Answers {
    /// The answer that is being written in a chat.
    pub(crate) fn of(&self, id: ChatId) -> Option<Arc<Running>> {
        self.lock().get(&id).cloned().flatten()
    }

    /// Changes whenever a chat does, other than by an answer that is listened to.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Tells all who watch to look again.
    pub(crate) fn tell(&self) {
        self.news.send_replace(());
    }

    /// Has what was said so far on disk: the app ends.
    pub(crate) async fn keep(state: &AppState) {
        let running: Vec<_> =
            state.answers().lock().iter().filter_map(|(id, one)| Some((*id, one.clone()?))).collect();
        for (id, running) in running {
            // There is nobody left to tell.
            let _unsaid = running.save(state, id, Save::SoFar).await;
        }
    }

    /// While it is held nobody else changes the chat.
    pub(crate) fn claim(&self, id: ChatId) -> Result<Place, Problem> {
        self.claim_one_of(usize::MAX, id)
    }

    fn claim_one_of(&self, most: usize, id: ChatId) -> Result<Place, Problem> {
        let mut running = self.lock();
        if running.contains_key(&id) {
            let busy = "an answer is being written in this chat already; wait for it, or stop it";
            return Err(Problem::Refused(busy.to_owned()));
        }
        if running.len() >= most {
            return Err(Problem::TooManyAnswers);
        }
        running.insert(id, None);
        Ok(Place { answers: self.clone(), id })
    }

    /// No invariant spans two statements under this lock, so a poisoned one is as good as new.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChatId, Option<Arc<Running>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Given back when it is dropped.
pub(crate) struct Place {
    answers: Answers,
    id: ChatId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.answers.lock().remove(&self.id);
    }
}

/// Begins to answer; the work goes on by itself, also when whoever asked leaves before this returns: a
/// question that is kept is asked.
///
/// # Errors
/// There is nothing to answer, too much is answered already, or the chat can't be read.
pub(crate) async fn begin(state: &AppState, id: ChatId, wish: Wish) -> Result<Hearing, Problem> {
    let state = state.clone();
    to_its_end(async move { begin_here(&state, id, wish).await }).await
}

/// Does something that must not be left half done when a browser hangs up.
pub(crate) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    tokio::spawn(work).await.map_err(|_| Problem::broken_off())?
}

async fn begin_here(state: &AppState, id: ChatId, wish: Wish) -> Result<Hearing, Problem> {
    let place = state.answers().claim_one_of(MOST, id)?;
    let mut before = state.ask(move |world| world.chat.chats().read(id)).await??;
    let turn = turn_for(wish.prompt, &mut before)?;
    let running = Arc::new(Running {
        before,
        live: watch::Sender::new(Live { turn, phase: Phase::Asking }),
        stop: Notify::new(),
        asker: watch::Sender::new(wish.page),
        is_kept: Mutex::new(false),
    });
    // A question that can't be kept is not asked: its answer would be lost, too.
    running.save(state, id, Save::SoFar).await?;
    place.answers.lock().insert(id, Some(Arc::clone(&running)));
    state.answers().tell();
    tokio::spawn(speaking::write(state.clone(), place, Arc::clone(&running), wish.model));
    Ok(Hearing(running))
}

/// Names a text in a few letters.
pub(crate) fn mark(text: &str) -> String {
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The turn that a prompt begins, after what then was said before it.
fn turn_for(prompt: Prompt, before: &mut Chat) -> Result<Turn, Problem> {
    Ok(match prompt {
        Prompt::Question(question) => Turn::new(question),
        Prompt::Again { edited, seen } => {
            let nothing = || Problem::Refused("nothing was asked in this chat yet".to_owned());
            let last = before.turns.pop().ok_or_else(nothing)?;
            if seen.is_some_and(|seen| seen != mark(&last.question)) {
                let elsewhere = "this chat has gone on in another window; reload this page first";
                return Err(Problem::Refused(elsewhere.to_owned()));
            }
            let is_brief = last.is_brief && edited.is_none();
            Turn { is_brief, ..Turn::new(edited.unwrap_or(last.question)) }
        }
        Prompt::About { instructions, question } => {
            before.instructions = Some(instructions);
            Turn { is_brief: true, ..Turn::new(question) }
        }
    })
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

    /// Returns when a page does not hear the answer by itself, or no longer.
    pub(crate) async fn needs_telling(&self, page: PageId) {
        self.asker.subscribe().wait_for(|asker| *asker != Some(page)).await.map(drop).ok();
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
            if !matches!(piece, Piece::LeftOut(_)) {
                live.phase = Phase::Writing;
            }
            match piece {
                Piece::LeftOut(left_out) => {
                    live.turn.left_out = LeftOut { turns: left_out.turns, bytes: left_out.bytes };
                }
                Piece::Thinking(text) => live.turn.thinking.push_str(&text),
                Piece::Text(text) => live.turn.answer.push_str(&text),
                Piece::Done(_) => {}
            }
            length = live.turn.thinking.len() + live.turn.answer.len();
        });
        length
    }

    fn request(&self, model: &str) -> ChatRequest {
        let turn = &self.live.borrow().turn;
        let question = match turn.is_brief {
            true => why::split(&turn.question),
            false => Question::from(turn.question.as_str()),
        };
        conversation(&self.before).ask(model, question)
    }

    async fn save(self: &Arc<Self>, state: &AppState, id: ChatId, save: Save) -> Result<(), Problem> {
        let running = Arc::clone(self);
        Ok(state.ask(move |world| running.write(world, id, save)).await??)
    }

    /// One at a time, and each writes what is true then: a save may be slow, and nothing that was begun
    /// earlier has the last word.
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
enum Save {
    SoFar,
    /// All of it.
    Last,
}

/// What was said in a chat, as a model is told it.
pub(crate) fn conversation(chat: &Chat) -> Conversation {
    let mut conversation = Conversation::default();
    conversation.instruct(chat.instructions.as_deref().unwrap_or_default());
    for turn in &chat.turns {
        conversation.keep(turn.question.clone(), turn.answer.clone());
    }
    conversation
}

/// As long as it lives, the page that asked hears the answer over its own request.
pub(crate) struct Hearing(Arc<Running>);

impl Hearing {
    /// The answer.
    pub(crate) fn running(&self) -> &Running {
        &self.0
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.0.asker.send_replace(None);
    }
}
