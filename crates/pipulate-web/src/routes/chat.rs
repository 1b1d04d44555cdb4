//! `/chat…`: questions to the local LLM, and its streamed answers.

use std::time::Duration;

use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use maud::Markup;
use pipulate_core::chat::{Chat, ChatId};
use pipulate_store::error::StoreError;

use crate::addresses;
use crate::chat::{self, AnswerRequest, Generation, PageId, Phase, Prompt};
use crate::event_stream::{Gone, Sender};
use crate::form::Fields;
use crate::htmx::{self, Audience};
use crate::model_choices;
use crate::problem::Problem;
use crate::state::AppState;
use crate::views::chat::{self as view, ChatLink, ChatPage, Rendered, Shown, Transcript};
use crate::world::World;

/// The longest question, in bytes. No local model takes in more.
const LONGEST_QUESTION: usize = 256 << 10;
/// The longest instructions, and the longest name of a chat, in bytes.
const LONGEST_INSTRUCTIONS: usize = 16 << 10;
const LONGEST_NAME: usize = 200;
/// The time between two parts of an answer.
pub(super) const PACE: Duration = Duration::from_millis(80);
/// The time that a browser without scripts waits for the whole answer; then it polls.
const PATIENCE: Duration = Duration::from_secs(60);

/// The newest readable chat, or a new one.
pub(crate) async fn newest(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Markup, Problem> {
    let deleted = Fields::of_query(query.as_deref())?.take("deleted").and_then(|id| ChatId::parse(&id));
    let newest = |world: &World| {
        let chats = world.chat.chats();
        Ok::<_, StoreError>(chats.ids()?.into_iter().find(|&id| chats.title(id).is_ok()))
    };
    let id = state.ask(newest).await??.unwrap_or_else(fresh);
    page(&state, id, deleted).await
}

/// Redirects to an empty chat, which is saved with its first message.
pub(crate) async fn new() -> Redirect {
    to(fresh())
}

/// One chat.
pub(crate) async fn show(State(state): State<AppState>, Name(id): Name) -> Result<Markup, Problem> {
    page(&state, id, None).await
}

async fn page(state: &AppState, id: ChatId, deleted: Option<ChatId>) -> Result<Markup, Problem> {
    let undo = move |world: &World| {
        let can_be_undone = |id: &ChatId| world.chat.chats().is_set_aside(*id).unwrap_or(false);
        (deleted.filter(can_be_undone), chat::about::all(world))
    };
    let (deleted, offers) = state.ask(undo).await?;
    let transcript = transcript(state, id).await?;
    let chats = state.ask(links).await??;
    let choices = model_choices::look(state.world(), transcript.last_model()).await?;
    Ok(view::page(
        state.folder(),
        &ChatPage {
            id,
            deleted,
            prompts: chat::about::suggestions(&offers),
            offers: offers.into_iter().map(|offer| offer.about).collect(),
            page: PageId::new(),
            chats,
            transcript,
            choices,
        },
    ))
}

/// Allows the host on another machine that the page named.
pub(crate) async fn allow(State(state): State<AppState>, mut fields: Fields) -> Result<Redirect, Problem> {
    let host = fields.take("host").ok_or(Problem::BodyBroken)?;
    let chat = fields.take("chat").and_then(|id| ChatId::parse(&id));
    state.ask(move |world| world.chat.allow(&host)).await?.map_err(Problem::Refused)?;
    Ok(chat.map_or_else(|| Redirect::to(addresses::CHAT), to))
}

/// The events of a chat, for a page as long as it is open.
pub(crate) async fn events(
    State(state): State<AppState>,
    Name(id): Name,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut fields = Fields::of_query(query.as_deref())?;
    let page = fields.take("page").and_then(|page| PageId::parse(&page));
    let known = htmx::last_event_id(&headers);
    let shown = known.or_else(|| fields.take("shown"));
    let streams = state.streams().clone();
    streams.answer(async move |sender: Sender| attend(&sender, &state, id, page, shown).await)
}

async fn attend(
    sender: &Sender,
    state: &AppState,
    id: ChatId,
    page: Option<PageId>,
    mut shown: Option<String>,
) -> Result<(), Gone> {
    let mut changes = state.generations().watch();
    loop {
        if let Some(generation) = state.generations().of(id) {
            if let Some(page) = page {
                generation.needs_stream(page).await;
            }
            shown = Some(follow(sender, state, id, &generation).await?);
        }
        match transcript(state, id).await {
            Ok(transcript) => {
                let whole = Rendered::of(id, &transcript, &chats(state).await);
                if let Some(event) = whole.event(shown.as_deref()).filter(|_| transcript.goes_on().is_none())
                {
                    sender.send(&whole.mark(), &event).await?;
                    shown = Some(whole.mark());
                }
            }
            Err(problem) => sender.send("", &view::said(&problem.text())).await?,
        }
        changes.changed().await.map_err(|_| Gone)?;
    }
}

/// Asks in a new chat.
pub(crate) async fn ask_anew(
    state: State<AppState>,
    audience: Audience,
    fields: Fields,
) -> Result<Response, Problem> {
    ask(state, audience, Name(fresh()), fields).await
}

/// Asks, and streams the answer.
pub(crate) async fn ask(
    State(state): State<AppState>,
    audience: Audience,
    Name(id): Name,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let question = fields.take_text("question", LONGEST_QUESTION)?;
    let question = question.ok_or_else(|| Problem::Refused("there is nothing to ask".to_owned()))?;
    let names = fields.take_all("about");
    let about = state.ask(move |world| chat::about::named(world, &names)).await?;
    answer(&state, audience, id, Prompt::Question { text: question, about }, fields).await
}

/// Answers a question again, or an edited version of it.
pub(crate) async fn retry(
    State(state): State<AppState>,
    audience: Audience,
    Name(id): Name,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let edited = if fields.has("question") { fields.take_text("question", LONGEST_QUESTION)? } else { None };
    let prompt = Prompt::Again { turn: fields.take_number("turn")?, edited, seen: fields.take("last") };
    answer(&state, audience, id, prompt, fields).await
}

async fn answer(
    state: &AppState,
    audience: Audience,
    id: ChatId,
    prompt: Prompt,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let model = fields.take("model").filter(|model| !model.trim().is_empty());
    let page = match audience {
        Audience::Fragment => fields.take("page").and_then(|page| PageId::parse(&page)),
        Audience::Page => None,
    };
    let listener = state.generations().begin(id, AnswerRequest { prompt, model, page }).await?;
    let answer = match audience {
        Audience::Fragment => {
            let streams = state.streams().clone();
            let state = state.clone();
            streams.answer(async move |sender: Sender| {
                follow(&sender, &state, id, listener.generation()).await.map(drop)
            })?
        }
        Audience::Page => {
            // Finished or not, the page shows it.
            let _late = tokio::time::timeout(PATIENCE, listener.generation().over()).await;
            to(id).into_response()
        }
    };
    Ok(([(VARY, htmx::VARY)], answer).into_response())
}

/// Shows another version of a question and its follow-up.
pub(crate) async fn show_version(
    State(state): State<AppState>,
    audience: Audience,
    Name(id): Name,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let turn = fields.take_number("turn")?.ok_or(Problem::BodyBroken)?;
    let version = fields.take_number("version")?.ok_or(Problem::BodyBroken)?;
    let seen = fields.take("last");
    let chat_lock = state.generations().claim(id)?;
    let change = move |world: &World| {
        let _until_written = chat_lock;
        let chats = world.chat.chats();
        let mut chat = chats.read(id)?;
        chat::seen_turn(&chat, turn, seen)?;
        if !chat.show_version(turn, version) {
            return Err(Problem::Refused("there is no such version; reload this page".to_owned()));
        }
        Ok(chats.write(id, &chat)?)
    };
    state.ask(change).await??;
    state.generations().notify();
    Ok(told_by_stream(audience, id))
}

/// Stops an answer; the text so far is kept.
pub(crate) async fn stop(State(state): State<AppState>, audience: Audience, Name(id): Name) -> Response {
    if let Some(generation) = state.generations().of(id) {
        generation.stop().await;
    }
    told_by_stream(audience, id)
}

/// Sets the name of a chat and the instructions for the model.
pub(crate) async fn settings(
    State(state): State<AppState>,
    Name(id): Name,
    mut fields: Fields,
) -> Result<Redirect, Problem> {
    let name = fields.take_text("name", LONGEST_NAME)?;
    let instructions = fields.take_text("instructions", LONGEST_INSTRUCTIONS)?;
    let chat_lock = state.generations().claim(id)?;
    let change = move |world: &World| {
        let _until_written = chat_lock;
        let chats = world.chat.chats();
        chats.write(id, &Chat { name, instructions, ..chats.read(id)? })
    };
    state.ask(change).await??;
    state.generations().notify();
    Ok(to(id))
}

/// The whole chat as a file for people.
pub(crate) async fn export(State(state): State<AppState>, Name(id): Name) -> Result<Response, Problem> {
    let transcript = transcript(&state, id).await?;
    let disposition = format!("attachment; filename=\"chat-{id}.md\"");
    let headers = [(CONTENT_TYPE, "text/markdown; charset=utf-8"), (CONTENT_DISPOSITION, &disposition)];
    Ok((headers, transcript.to_markdown()).into_response())
}

/// Deletes a chat, which can be undone for a while.
pub(crate) async fn delete(State(state): State<AppState>, Name(id): Name) -> Result<Redirect, Problem> {
    chat::to_its_end(async move {
        if let Some(generation) = state.generations().of(id) {
            generation.stop().await;
        }
        // An answer that begins now would recreate the chat.
        let chat_lock = state.generations().claim(id)?;
        let remove = move |world: &World| {
            let _until_gone = chat_lock;
            world.chat.chats().set_aside(id)
        };
        state.ask(remove).await??;
        state.generations().notify();
        Ok(Redirect::to(&format!("{}?deleted={id}", addresses::CHAT)))
    })
    .await
}

/// Restores a deleted chat.
pub(crate) async fn restore(State(state): State<AppState>, Name(id): Name) -> Result<Redirect, Problem> {
    if !state.ask(move |world| world.chat.chats().bring_back(id)).await?? {
        return Err(Problem::Refused("this chat can no longer be brought back".to_owned()));
    }
    state.generations().notify();
    Ok(to(id))
}

/// An open page gets the changes over its stream.
fn told_by_stream(audience: Audience, id: ChatId) -> Response {
    match audience {
        Audience::Fragment => StatusCode::NO_CONTENT.into_response(),
        Audience::Page => to(id).into_response(),
    }
}

pub(super) fn fresh() -> ChatId {
    ChatId::new(Timestamp::now())
}

pub(super) fn to(id: ChatId) -> Redirect {
    Redirect::to(&format!("{}{id}", addresses::CHATS))
}

/// The messages of a chat, including a running answer.
async fn transcript(state: &AppState, id: ChatId) -> Result<Transcript, Problem> {
    match state.generations().of(id) {
        Some(generation) => Ok(Transcript::running(&generation)),
        None => Ok(Transcript::over(state.ask(move |world| world.chat.chats().read(id)).await??)),
    }
}

/// All chats. If they can't be listed, the chat itself reports why.
async fn chats(state: &AppState) -> Vec<ChatLink> {
    state.ask(links).await.ok().and_then(Result::ok).unwrap_or_default()
}

/// All chats, newest first.
fn links(world: &World) -> Result<Vec<ChatLink>, StoreError> {
    let chats = world.chat.chats();
    Ok(chats.ids()?.into_iter().map(|id| ChatLink { id, title: chats.title(id).ok() }).collect())
}

/// Sends an answer, from the current text to its end; returns the mark of everything that was sent.
async fn follow(
    sender: &Sender,
    state: &AppState,
    id: ChatId,
    generation: &Generation,
) -> Result<String, Gone> {
    let mut news = generation.listen();
    loop {
        let chats = chats(state).await;
        let transcript = Transcript::running(generation);
        let whole = Rendered::of(id, &transcript, &chats);
        sender.send(&whole.mark(), &whole.event(None).unwrap_or_default()).await?;
        let Some(progress) = transcript.goes_on() else { return Ok(whole.mark()) };
        let mut shown = Shown::of(progress);
        // While it continues, the additions are enough.
        loop {
            news.changed().await.map_err(|_| Gone)?;
            let more = {
                let progress = news.borrow_and_update();
                if matches!(progress.phase, Phase::Over(_)) {
                    break;
                }
                shown.more(&progress)
            };
            if !more.is_empty() {
                sender.send("", &more).await?;
                // The last block is sent again each time, however many words were added.
                tokio::time::sleep(PACE).await;
            }
        }
    }
}

/// The name of a chat in an address; any other is not found.
pub(crate) struct Name(ChatId);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(id) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|_| Problem::NotFound)?;
        ChatId::parse(&id).map(Name).ok_or(Problem::NotFound)
    }
}
