//! `/chat…`: asking the local LLM, and what it answers while it does.

use std::time::Duration;

use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use maud::Markup;
use pipulate_core::service::ServiceName;
use pipulate_ollama::why::{self, Trouble};
use pipulate_store::chat::{Chat, ChatId};
use pipulate_store::error::StoreError;

use crate::chat::{self, PageId, Phase, Prompt, Running, Wish};
use crate::event_stream::{Gone, Sender};
use crate::form::Fields;
use crate::htmx::{self, Audience};
use crate::offer;
use crate::problem::Problem;
use crate::state::AppState;
use crate::views::chat::{self as view, ChatPage, Shown, Talk, Whole};
use crate::world::World;

pub(crate) const PATH: &str = "/chat";
/// What the addresses of single chats begin with.
pub(crate) const PREFIX: &str = "/chat/";

/// The longest question, in bytes. No model that runs here looks at so much.
const LONGEST_QUESTION: usize = 256 << 10;
/// The same of what a model is told beforehand, and of a chat's name.
const LONGEST_INSTRUCTIONS: usize = 16 << 10;
const LONGEST_NAME: usize = 200;
/// How long a browser without scripts waits for the whole answer; then it looks again and again.
const PATIENCE: Duration = Duration::from_secs(60);

/// The newest chat that can be read, or one that begins here.
pub(crate) async fn newest(State(state): State<AppState>) -> Result<Markup, Problem> {
    let newest = |world: &World| {
        let chats = world.chat.chats();
        Ok::<_, StoreError>(chats.ids()?.into_iter().find(|&id| chats.title(id).is_ok()))
    };
    let id = state.ask(newest).await??.unwrap_or_else(fresh);
    page(&state, id).await
}

/// Leads to a chat in which nothing was said; it is kept when something is.
pub(crate) async fn new() -> Redirect {
    to(fresh())
}

/// One chat.
pub(crate) async fn show(State(state): State<AppState>, Name(id): Name) -> Result<Markup, Problem> {
    page(&state, id).await
}

async fn page(state: &AppState, id: ChatId) -> Result<Markup, Problem> {
    let talk = talk(state, id).await?;
    let earlier = state.ask(view::Entry::all).await??;
    let offer = offer::look(state, talk.last_model()).await?;
    Ok(view::page(&ChatPage { id, page: PageId::new(), earlier, talk, offer }))
}

/// Allows the host on another machine that the page named.
pub(crate) async fn allow(State(state): State<AppState>, mut fields: Fields) -> Result<Redirect, Problem> {
    let host = fields.take("host").ok_or(Problem::BodyBroken)?;
    let chat = fields.take("chat").and_then(|id| ChatId::parse(&id));
    state.ask(move |world| world.chat.allow(&host)).await?.map_err(Problem::Refused)?;
    Ok(chat.map_or_else(|| Redirect::to(PATH), to))
}

/// What happens in a chat, for a page as long as it is open.
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
    let places = state.places().clone();
    places.answer(async move |sender: Sender| attend(&sender, &state, id, page, shown).await)
}

async fn attend(
    sender: &Sender,
    state: &AppState,
    id: ChatId,
    page: Option<PageId>,
    mut shown: Option<String>,
) -> Result<(), Gone> {
    let mut news = state.answers().watch();
    loop {
        if let Some(running) = state.answers().of(id) {
            if let Some(page) = page {
                running.needs_telling(page).await;
            }
            shown = Some(follow(sender, state, id, &running).await?);
        }
        match talk(state, id).await {
            Ok(talk) => {
                let whole = Whole::of(id, &talk, &chats(state).await);
                if let Some(event) = whole.event(shown.as_deref()).filter(|_| talk.goes_on().is_none()) {
                    sender.send(&whole.mark(), &event).await?;
                    shown = Some(whole.mark());
                }
            }
            Err(problem) => sender.send("", &view::said(&problem.text())).await?,
        }
        news.changed().await.map_err(|_| Gone)?;
    }
}

/// Asks in a chat of its own.
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
    let question = text(fields.take("question").ok_or(Problem::BodyBroken)?, LONGEST_QUESTION)?;
    let question = question.ok_or_else(|| Problem::Refused("there is nothing to ask".to_owned()))?;
    answer(&state, audience, id, Prompt::Question(question), fields).await
}

/// What somebody wrote; `None` if that is nothing.
fn text(typed: String, limit: usize) -> Result<Option<String>, Problem> {
    // A browser sends line breaks of two characters. Like other control characters no model needs them.
    let text = typed.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "").trim().to_owned();
    if text.len() > limit {
        return Err(Problem::BodyTooLarge { limit });
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// Has the last question answered anew, or another one in its place.
pub(crate) async fn retry(
    State(state): State<AppState>,
    audience: Audience,
    Name(id): Name,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let edited = fields.take("question").map(|question| text(question, LONGEST_QUESTION)).transpose()?;
    let prompt = Prompt::Again { edited: edited.flatten(), seen: fields.take("last") };
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
    let hearing = chat::begin(state, id, Wish { prompt, model, page }).await?;
    let answer = match audience {
        Audience::Fragment => {
            let places = state.places().clone();
            let state = state.clone();
            places.answer(async move |sender: Sender| {
                follow(&sender, &state, id, hearing.running()).await.map(drop)
            })?
        }
        Audience::Page => {
            // Over or not, the page shows it.
            let _late = tokio::time::timeout(PATIENCE, hearing.running().over()).await;
            to(id).into_response()
        }
    };
    Ok(([(VARY, htmx::VARY)], answer).into_response())
}

/// Stops an answer; what was said is kept.
pub(crate) async fn stop(State(state): State<AppState>, audience: Audience, Name(id): Name) -> Response {
    if let Some(running) = state.answers().of(id) {
        running.stop().await;
    }
    match audience {
        // The stream tells.
        Audience::Fragment => StatusCode::NO_CONTENT.into_response(),
        Audience::Page => to(id).into_response(),
    }
}

/// Sets what a chat is called and what the model is told in it before everything else.
pub(crate) async fn settings(
    State(state): State<AppState>,
    Name(id): Name,
    mut fields: Fields,
) -> Result<Redirect, Problem> {
    let mut take = |name, limit| text(fields.take(name).ok_or(Problem::BodyBroken)?, limit);
    let (name, instructions) = (take("name", LONGEST_NAME)?, take("instructions", LONGEST_INSTRUCTIONS)?);
    let claim = state.answers().claim(id)?;
    let change = move |world: &World| {
        let _until_written = claim;
        let chats = world.chat.chats();
        chats.write(id, &Chat { name, instructions, ..chats.read(id)? })
    };
    state.ask(change).await??;
    state.answers().tell();
    Ok(to(id))
}

/// All of a chat as a file for people.
pub(crate) async fn export(State(state): State<AppState>, Name(id): Name) -> Result<Response, Problem> {
    let talk = talk(&state, id).await?;
    let disposition = format!("attachment; filename=\"chat-{id}.md\"");
    let headers = [(CONTENT_TYPE, "text/markdown; charset=utf-8"), (CONTENT_DISPOSITION, &disposition)];
    Ok((headers, talk.to_markdown()).into_response())
}

/// Forgets a chat.
pub(crate) async fn delete(State(state): State<AppState>, Name(id): Name) -> Result<Redirect, Problem> {
    chat::to_its_end(async move {
        if let Some(running) = state.answers().of(id) {
            running.stop().await;
        }
        // Whoever begins another answer at this moment would bring it back.
        let claim = state.answers().claim(id)?;
        let remove = move |world: &World| {
            let _until_gone = claim;
            world.chat.chats().remove(id)
        };
        state.ask(remove).await??;
        state.answers().tell();
        Ok(Redirect::to(PATH))
    })
    .await
}

/// Asks why a service is as it is, in a chat of its own, and leads there.
pub(crate) async fn why(
    State(state): State<AppState>,
    Path(name): Path<String>,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let service = ServiceName::parse(&name).map_err(|_| Problem::NotFound)?;
    let is_agreed = fields.take("consent").is_some();
    let trouble = state
        .ask(move |world| {
            if !world.status.knows(&service) {
                return Err(Problem::NotFound);
            }
            world.chat.trouble(&service).map_err(Problem::Failed)
        })
        .await??;
    if !is_agreed && let Some(model) = offer::look(&state, None).await?.in_cloud() {
        return Ok((StatusCode::CONFLICT, view::question_why(&name, model)).into_response());
    }
    let question = why::wording(&Trouble { service: &name, state: &trouble.state, log: &trouble.log });
    let instructions = why::INSTRUCTIONS.to_owned();
    let id = fresh();
    let wish = Wish { prompt: Prompt::About { instructions, question }, model: None, page: None };
    chat::begin(&state, id, wish).await?;
    Ok(to(id).into_response())
}

fn fresh() -> ChatId {
    ChatId::new(Timestamp::now())
}

fn to(id: ChatId) -> Redirect {
    Redirect::to(&format!("{PREFIX}{id}"))
}

/// What was said in a chat, and whether it goes on.
async fn talk(state: &AppState, id: ChatId) -> Result<Talk, Problem> {
    match state.answers().of(id) {
        Some(running) => Ok(Talk::running(&running)),
        None => Ok(Talk::over(state.ask(move |world| world.chat.chats().read(id)).await??)),
    }
}

/// All chats. Where they can't be listed, the chat itself says why.
async fn chats(state: &AppState) -> Vec<view::Entry> {
    state.ask(view::Entry::all).await.and_then(|listed| Ok(listed?)).unwrap_or_default()
}

/// Tells all of an answer, from what was said so far to its end; returns what names all that was told.
async fn follow(sender: &Sender, state: &AppState, id: ChatId, running: &Running) -> Result<String, Gone> {
    let mut news = running.listen();
    loop {
        let chats = chats(state).await;
        let talk = Talk::running(running);
        let whole = Whole::of(id, &talk, &chats);
        sender.send(&whole.mark(), &whole.event(None).unwrap_or_default()).await?;
        let Some(live) = talk.goes_on() else { return Ok(whole.mark()) };
        let mut shown = Shown::of(live);
        // As long as it goes on, what is added is enough.
        loop {
            news.changed().await.map_err(|_| Gone)?;
            let more = {
                let live = news.borrow_and_update();
                if matches!(live.phase, Phase::Over(_)) {
                    break;
                }
                let more = shown.more(&live);
                shown = Shown::of(&live);
                more
            };
            if !more.is_empty() {
                sender.send("", &more).await?;
            }
        }
    }
}

/// The name of a chat in an address; anything else is no page.
pub(crate) struct Name(ChatId);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(id) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|_| Problem::NotFound)?;
        ChatId::parse(&id).map(Name).ok_or(Problem::NotFound)
    }
}
