//! `/examples/…`: the seed's three small apps, in its own words.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::VARY;
use axum::response::{IntoResponse, Redirect, Response};
use maud::Markup;
use pipulate_store::dotenv::{EnvKey, SecretValue, SetOnce, Written};

use crate::form::Fields;
use crate::htmx::{self, Audience};
use crate::problem::Problem;
use crate::state::AppState;
use crate::views::examples::{self, SecretPage};
use crate::world::{SecretsError, World};

const COUNTER: &str = "/examples/counter";

pub(crate) async fn hello() -> Markup {
    examples::hello()
}

pub(crate) async fn counter(State(state): State<AppState>) -> Markup {
    examples::counter(state.count())
}

/// htmx gets the new words for `#count`; a browser without JavaScript gets the page again.
pub(crate) async fn increment(State(state): State<AppState>, audience: Audience) -> Response {
    let count = state.increment();
    let answer = match audience {
        Audience::Fragment => examples::count(count).into_response(),
        Audience::Page => Redirect::to(COUNTER).into_response(),
    };
    ([(VARY, htmx::VARY)], answer).into_response()
}

pub(crate) async fn ask_secret(State(state): State<AppState>) -> Result<Markup, Problem> {
    let known = state.ask(|world| world.secrets.has(&secret_key()?)).await??;
    Ok(examples::secret(&if known { SecretPage::Known } else { SecretPage::Prompt { complaint: None } }))
}

pub(crate) async fn save_secret(
    State(state): State<AppState>,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let Some(value) = fields.take("secret").map(SecretValue::new) else {
        // No page of ours leaves the field out: a program reads this.
        return Ok((StatusCode::BAD_REQUEST, "Missing required field: secret").into_response());
    };
    let (status, page) = match state.ask(move |world| save(world, &value)).await? {
        Ok(page) => (StatusCode::OK, page),
        Err(SecretsError::Unstorable(reason)) => {
            (StatusCode::UNPROCESSABLE_ENTITY, SecretPage::Prompt { complaint: Some(reason) })
        }
        Err(failed @ SecretsError::Failed(_)) => return Err(failed.into()),
    };
    Ok((status, examples::secret(&page)).into_response())
}

/// An empty value is none: `.env` stays as it is and the page asks again.
fn save(world: &World, value: &SecretValue) -> Result<SecretPage, SecretsError> {
    let key = secret_key()?;
    if value.expose().is_empty() {
        let known = world.secrets.has(&key)?;
        return Ok(if known { SecretPage::AlreadySet } else { SecretPage::Prompt { complaint: None } });
    }
    Ok(match world.secrets.save_once(&key, value)? {
        SetOnce::Saved(Written { warning }) => {
            SecretPage::Saved { warning: warning.map(|warning| warning.to_string()) }
        }
        SetOnce::AlreadySet => SecretPage::AlreadySet,
    })
}

/// The key in `.env`.
fn secret_key() -> Result<EnvKey, SecretsError> {
    EnvKey::parse("SECRET").map_err(|error| SecretsError::Failed(error.to_string()))
}
