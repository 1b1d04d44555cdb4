//! `/services/NAME/why`: the local LLM explains a service's state, at the service's row.
//!
//! The answer is in a new chat, which the page links to, and which a browser without scripts shows instead.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::VARY;
use axum::response::{IntoResponse, Response};
use pipulate_core::chat::ChatId;
use pipulate_core::service::ServiceName;
use pipulate_ollama::why;

use super::chat::{PACE, fresh, to};
use crate::chat::{AnswerRequest, Generation, Phase, Prompt};
use crate::event_stream::{Gone, Sender};
use crate::form::Fields;
use crate::htmx::{self, Audience};
use crate::model_choices;
use crate::problem::Problem;
use crate::state::AppState;
use crate::views::why as view;

/// Asks in a new chat, and streams the answer.
pub(crate) async fn ask(
    State(state): State<AppState>,
    audience: Audience,
    Path(name): Path<String>,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let service = ServiceName::parse(&name).map_err(|_| Problem::NotFound)?;
    let is_agreed = fields.take("consent").is_some();
    let asked = service.clone();
    let incident = state
        .ask(move |world| {
            if !world.status.knows(&asked) {
                return Err(Problem::NotFound);
            }
            world.chat.incident(&asked).map_err(Problem::Failed)
        })
        .await??;
    if !is_agreed && let Some(model) = model_choices::look(state.world(), None).await?.in_cloud() {
        return Ok(asking(&state, audience, &service, model));
    }
    let (question, instructions) = (why::wording(&incident), why::INSTRUCTIONS.to_owned());
    let id = fresh();
    let prompt = Prompt::About { instructions, question };
    let listener = state.generations().begin(id, AnswerRequest { prompt, model: None, page: None }).await?;
    let answer = match audience {
        Audience::Page => to(id).into_response(),
        Audience::Fragment => {
            let streams = state.streams();
            streams.answer(async move |sender: Sender| tell(&sender, id, listener.generation()).await)?
        }
    };
    Ok(([(VARY, htmx::VARY)], answer).into_response())
}

fn asking(state: &AppState, audience: Audience, service: &ServiceName, model: &str) -> Response {
    match audience {
        Audience::Page => {
            (StatusCode::CONFLICT, view::question_page(state.folder(), service, model)).into_response()
        }
        Audience::Fragment => view::question(service, model).into_response(),
    }
}

/// Sends the whole answer, which is short, each time that it has grown.
async fn tell(sender: &Sender, id: ChatId, generation: &Generation) -> Result<(), Gone> {
    let mut news = generation.listen();
    loop {
        let (answer, is_over) = {
            let progress = news.borrow_and_update();
            (view::answer(id, &progress).into_string(), matches!(progress.phase, Phase::Over(_)))
        };
        sender.send("", &answer).await?;
        if is_over {
            return Ok(());
        }
        tokio::time::sleep(PACE).await;
        news.changed().await.map_err(|_| Gone)?;
    }
}
