//! `/chat…`: asking the local LLM, and what it answers while it does.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::header::VARY;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use maud::Markup;
use pipulate_core::service::ServiceName;
use pipulate_ollama::why::{self, Trouble};
use pipulate_store::chat::ChatId;

use crate::chat::{self, Phase, Prompt, Running};
use crate::event_stream::{Gone, Sender};
use crate::form::Fields;
use crate::htmx::{self, Audience};
use crate::offer;
use crate::problem::Problem;
use crate::state::AppState;
use crate::views::chat::{self as view, Attach, ChatPage, Shown, Talk};

pub(crate) const PATH: &str = "/chat";
/// What the addresses of single chats begin with.
pub(crate) const PREFIX: &str = "/chat/";

/// The longest question, in bytes. No model that runs here looks at so much.
const LONGEST_QUESTION: usize = 256 << 10;
/// How long a browser without scripts waits for the whole answer; then it looks again and again.
const PATIENCE: Duration = Duration::from_secs(60);

/// The newest chat, or one that begins here.
pub(crate) async fn newest(State(state): State<AppState>) -> Result<Markup, Problem> {
    let ids = state.ask(|world| world.chat.chats().ids()).await??;
    page(&state, ids.first().copied().unwrap_or_else(fresh)).await
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
    Ok(view::page(&ChatPage { id, earlier, talk, offer }))
}

/// What was said, for a page that lost its stream.
pub(crate) async fn turns(State(state): State<AppState>, Name(id): Name) -> Result<Markup, Problem> {
    Ok(view::turns(id, &talk(&state, id).await?, Attach::Yes))
}

/// An answer that is being written, for a page that did not ask for it.
pub(crate) async fn events(State(state): State<AppState>, Name(id): Name) -> Result<Response, Problem> {
    match state.answers().of(id) {
        Some(running) => stream(&state, id, running, Attach::Yes),
        None => {
            let talk = talk(&state, id).await?;
            state.places().answer(async move |sender: Sender| {
                sender.send("", &view::whole(id, &talk, Attach::Yes)).await
            })
        }
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
    // A browser sends line breaks of two characters, which no model needs.
    let question = fields.take("question").ok_or(Problem::BodyBroken)?.replace("\r\n", "\n");
    let question = question.trim();
    if question.is_empty() {
        return Err(Problem::Refused("there is nothing to ask".to_owned()));
    }
    if question.len() > LONGEST_QUESTION {
        return Err(Problem::BodyTooLarge { limit: LONGEST_QUESTION });
    }
    answer(&state, audience, id, Prompt::Question(question.to_owned()), fields).await
}

/// Has the last question answered anew.
pub(crate) async fn retry(
    State(state): State<AppState>,
    audience: Audience,
    Name(id): Name,
    fields: Fields,
) -> Result<Response, Problem> {
    answer(&state, audience, id, Prompt::Again, fields).await
}

async fn answer(
    state: &AppState,
    audience: Audience,
    id: ChatId,
    prompt: Prompt,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let model = fields.take("model").filter(|model| !model.trim().is_empty());
    let running = chat::begin(state, id, prompt, model).await?;
    let answer = match audience {
        Audience::Fragment => stream(state, id, running, Attach::No)?,
        Audience::Page => {
            // Over or not, the page shows it.
            let _late = tokio::time::timeout(PATIENCE, running.over()).await;
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

/// Forgets a chat.
pub(crate) async fn delete(State(state): State<AppState>, Name(id): Name) -> Result<Redirect, Problem> {
    if let Some(running) = state.answers().of(id) {
        running.stop().await;
    }
    state.ask(move |world| world.chat.chats().remove(id)).await??;
    Ok(Redirect::to(PATH))
}

/// Asks why a service is as it is, in a chat of its own, and leads there.
pub(crate) async fn why(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Redirect, Problem> {
    let service = ServiceName::parse(&name).map_err(|_| Problem::NotFound)?;
    let trouble = state
        .ask(move |world| {
            if !world.status.knows(&service) {
                return Err(Problem::NotFound);
            }
            world.chat.trouble(&service).map_err(Problem::Failed)
        })
        .await??;
    let question = why::wording(&Trouble { service: &name, state: &trouble.state, log: &trouble.log });
    let instructions = why::INSTRUCTIONS.to_owned();
    let id = fresh();
    chat::begin(&state, id, Prompt::About { instructions, question }, None).await?;
    Ok(to(id))
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

/// All of an answer, from what was said so far to its end.
fn stream(state: &AppState, id: ChatId, running: Arc<Running>, attach: Attach) -> Result<Response, Problem> {
    state.places().answer(async move |sender: Sender| follow(&sender, id, &running, attach).await)
}

async fn follow(sender: &Sender, id: ChatId, running: &Running, attach: Attach) -> Result<(), Gone> {
    let mut news = running.listen();
    loop {
        let talk = Talk::running(running);
        sender.send("", &view::whole(id, &talk, attach)).await?;
        let Some(live) = talk.goes_on() else { return Ok(()) };
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
