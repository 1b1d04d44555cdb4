//! Answers of the local LLM while they are generated.
//!
//! Invariants: an answer belongs to the app and not to the page that requested it, so it continues when the
//! page is reloaded or closed. A chat has one answer at a time, and no more than [`MOST`] are generated at
//! once. Stopping one closes its connection, which makes Ollama stop. Text is written to disk soon
//! ([`generation`]), and completely when the app is asked to end.

pub(crate) mod about;
mod generation;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pipulate_core::chat::{About, Chat, ChatId, Turn};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

pub(crate) use generation::{DirectListener, Generation, PageId, Phase, Progress, to_markdown};

use self::generation::Save;
use crate::problem::Problem;
use crate::world::{Panicked, World};

/// The number of concurrent answers: the model shares one machine with everything else.
const MOST: usize = 4;

/// The running generations.
#[derive(Clone)]
pub(crate) struct Generations {
    world: World,
    /// `None` while a chat is locked and no answer has begun.
    running: Arc<Mutex<BTreeMap<ChatId, Option<Arc<Generation>>>>>,
    changes: watch::Sender<()>,
}

/// A prompt, its model, and the page that requested it.
pub(crate) struct AnswerRequest {
    pub(crate) prompt: Prompt,
    /// Overrides the usual model.
    pub(crate) model: Option<String>,
    /// The page whose own request carries the answer.
    pub(crate) page: Option<PageId>,
}

/// The input of an answer.
pub(crate) enum Prompt {
    Question {
        text: String,
        about: Vec<About>,
    },
    /// An earlier question again, possibly edited.
    Again {
        /// Its number; the last one by default.
        turn: Option<usize>,
        edited: Option<String>,
        /// The [`mark`] of the question that the page showed there.
        seen: Option<String>,
    },
    /// A question with instructions of its own that needs a short answer.
    About {
        instructions: String,
        question: String,
    },
}

impl Generations {
    pub(crate) fn new(world: World) -> Self {
        Self { world, running: Arc::default(), changes: watch::Sender::default() }
    }

    /// The answer that is being generated in a chat.
    pub(crate) fn of(&self, id: ChatId) -> Option<Arc<Generation>> {
        self.lock().get(&id).cloned().flatten()
    }

    /// Changes whenever a chat does, except by the progress of an answer.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Notifies all watchers.
    pub(crate) fn notify(&self) {
        self.changes.send_replace(());
    }

    /// Writes the answers so far to disk, because the app ends.
    pub(crate) async fn save_all(&self) {
        let running: Vec<_> = self.lock().iter().filter_map(|(id, one)| Some((*id, one.clone()?))).collect();
        for (id, generation) in running {
            // No page is left to show an error.
            let _unsaved = generation.save(&self.world, id, Save::SoFar).await;
        }
        // Deleted chats can only be restored while a page offers it.
        let _kept = self.world.ask(|world| world.chat.chats().forget_set_aside()).await;
    }

    /// Begins an answer. It continues even if the client disconnects before this returns: a saved question is
    /// always asked.
    ///
    /// # Errors
    /// There is no question, too many answers are running, or the chat can't be read.
    pub(crate) async fn begin(&self, id: ChatId, request: AnswerRequest) -> Result<DirectListener, Problem> {
        let own = self.clone();
        to_its_end(async move { own.begin_here(id, request).await }).await
    }

    async fn begin_here(&self, id: ChatId, request: AnswerRequest) -> Result<DirectListener, Problem> {
        let chat_lock = self.claim_one_of(MOST, id)?;
        let mut before = self.world.ask(move |world| world.chat.chats().read(id)).await??;
        let turn = turn_for(request.prompt, &mut before)?;
        let generation = Arc::new(Generation::new(before, turn, request.page));
        // A question that can't be saved is not asked: its answer would be lost, too.
        generation.save(&self.world, id, Save::SoFar).await?;
        self.lock().insert(id, Some(Arc::clone(&generation)));
        self.notify();
        let running =
            generation::run(self.world.clone(), id, chat_lock, Arc::clone(&generation), request.model);
        tokio::spawn(running);
        Ok(DirectListener::new(generation))
    }

    /// Locks a chat: no answer begins in it until the lock is dropped.
    pub(crate) fn claim(&self, id: ChatId) -> Result<ChatLock, Problem> {
        self.claim_one_of(usize::MAX, id)
    }

    fn claim_one_of(&self, most: usize, id: ChatId) -> Result<ChatLock, Problem> {
        let mut running = self.lock();
        if running.contains_key(&id) {
            let busy = "an answer is being written in this chat already; wait for it, or stop it";
            return Err(Problem::Refused(busy.to_owned()));
        }
        if running.len() >= most {
            return Err(Problem::TooManyAnswers);
        }
        running.insert(id, None);
        Ok(ChatLock { generations: self.clone(), id })
    }

    /// No invariant spans two statements under this lock, so a poisoned one is as good as new.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChatId, Option<Arc<Generation>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One chat, locked until this is dropped.
pub(crate) struct ChatLock {
    generations: Generations,
    id: ChatId,
}

impl Drop for ChatLock {
    fn drop(&mut self) {
        self.generations.lock().remove(&self.id);
    }
}

/// Completes work that must not be interrupted when a browser disconnects.
pub(crate) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    tokio::spawn(work).await.map_err(|_| Panicked)?
}

/// A short hash of a text.
pub(crate) fn mark(text: &str) -> String {
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The turn that a page showed at this place, unless another window has changed the chat since.
pub(crate) fn seen_turn(chat: &Chat, number: usize, seen: Option<String>) -> Result<Option<&Turn>, Problem> {
    let turn = chat.turns.get(number);
    let is_other = |turn: &Turn| seen.is_some_and(|seen| seen != mark(&turn.question));
    if turn.is_some_and(is_other) {
        let elsewhere = "this chat has gone on in another window; reload this page first";
        return Err(Problem::Refused(elsewhere.to_owned()));
    }
    Ok(turn)
}

/// The turn that a prompt begins; `before` becomes the chat before it.
fn turn_for(prompt: Prompt, before: &mut Chat) -> Result<Turn, Problem> {
    Ok(match prompt {
        Prompt::Question { text, about } => Turn { about, ..Turn::new(text) },
        Prompt::Again { turn, edited, seen } => {
            let nothing = || Problem::Refused("nothing was asked in this chat yet".to_owned());
            let number = turn.unwrap_or(before.turns.len().saturating_sub(1));
            let old = seen_turn(before, number, seen)?.ok_or_else(nothing)?;
            let is_brief = old.is_brief && edited.is_none();
            let (question, about) = (edited.unwrap_or_else(|| old.question.clone()), old.about.clone());
            let turn = before.begin_version(number, question).ok_or_else(nothing)?;
            Turn { is_brief, about, ..turn }
        }
        Prompt::About { instructions, question } => {
            before.instructions = Some(instructions);
            Turn { is_brief: true, ..Turn::new(question) }
        }
    })
}
