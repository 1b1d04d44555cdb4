//! `/secrets…`: names and whether they have a value. No value is ever sent out.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::Markup;
use pipulate_core::env_error::EnvError;
use pipulate_core::secret::{EnvKey, NotAKey};
use pipulate_store::dotenv::{SecretValue, Unset, Written};

use crate::addresses;
use crate::form::Fields;
use crate::notice::Topic;
use crate::problem::Problem;
use crate::state::AppState;
use crate::views::secrets::{self, Complaint, Secret, SecretsPage};
use crate::world::World;

/// Every name that is required or in the file.
pub(crate) async fn show(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Markup, Problem> {
    let is_told = Fields::of_query(query.as_deref())?.has("told");
    page(&state, if is_told { Topic::Services } else { Topic::Secrets }, None).await
}

async fn page(state: &AppState, topic: Topic, complaint: Option<Complaint>) -> Result<Markup, Problem> {
    let secrets = state.ask(list).await??;
    let page = SecretsPage { secrets, notice: state.notices().get(topic), complaint };
    Ok(secrets::page(state.folder(), &page, state.zone()))
}

/// Saves a value, replacing an existing one.
pub(crate) async fn save(State(state): State<AppState>, mut fields: Fields) -> Result<Response, Problem> {
    let name = fields.take("name").ok_or(Problem::BodyBroken)?;
    let value = fields.take("value").map(SecretValue::new).ok_or(Problem::BodyBroken)?;
    let saved = match key_for(&name, &value) {
        Ok(key) => state.ask(move |world| save_as(world, &key, &value)).await?,
        Err(complaint) => Err(Refused::Value(complaint)),
    };
    match saved {
        Ok(told) => {
            state.notices().set(Topic::Secrets, told);
            Ok(Redirect::to(addresses::SECRETS).into_response())
        }
        Err(Refused::Value(complaint)) => {
            let page = page(&state, Topic::Secrets, Some(complaint)).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(Refused::File(error)) => Err(error.into()),
    }
}

/// The reason why no value was saved.
enum Refused {
    /// The user can enter another one.
    Value(Complaint),
    File(EnvError),
}

fn key_for(name: &str, value: &SecretValue) -> Result<EnvKey, Complaint> {
    let refused = |error: NotAKey| {
        let shown = if are_swapped(value) { String::new() } else { name.to_owned() };
        Complaint { name: shown, is_of_name: true, reason: error.to_string() }
    };
    let key = EnvKey::parse(name.trim()).map_err(refused)?;
    if value.expose().is_empty() {
        let reason = "the value is empty".to_owned();
        return Err(Complaint { name: key.as_str().to_owned(), is_of_name: false, reason });
    }
    Ok(key)
}

/// Returns true if the value looks like a name. Then the name field has a value, which no page may show.
fn are_swapped(value: &SecretValue) -> bool {
    let value = value.expose().trim();
    EnvKey::parse(value).is_ok() && !value.contains(|c: char| c.is_ascii_lowercase())
}

fn save_as(world: &World, key: &EnvKey, value: &SecretValue) -> Result<String, Refused> {
    let name = key.as_str();
    match world.secrets.save(key, value) {
        Ok(Written { warning: None }) => Ok(format!("saved {name}")),
        Ok(Written { warning: Some(warning) }) => Ok(format!("saved {name}; {warning}")),
        Err(error @ EnvError::Unwritable { .. }) => {
            let reason = error.to_string();
            Err(Refused::Value(Complaint { name: name.to_owned(), is_of_name: false, reason }))
        }
        Err(error) => Err(Refused::File(error)),
    }
}

/// Asks before a value is lost.
pub(crate) async fn ask_forget(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Markup, Problem> {
    let known = known(&state, name).await?;
    Ok(secrets::question(state.folder(), &known))
}

/// Removes a name and its value.
pub(crate) async fn forget(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Redirect, Problem> {
    let name = known(&state, name).await?;
    let told = match state
        .ask({
            let name = name.clone();
            move |world| world.secrets.forget(&name)
        })
        .await??
    {
        Unset::Removed => format!("forgot {name}"),
        Unset::WasNotThere => format!("{name} was gone already"),
    };
    state.notices().set(Topic::Secrets, told);
    Ok(Redirect::to(addresses::SECRETS))
}

/// A name in the file; any other is not found.
async fn known(state: &AppState, name: String) -> Result<String, Problem> {
    let names = state.ask(|world| world.secrets.names()).await??;
    names.into_iter().find(|known| *known == name).ok_or(Problem::NotFound)
}

fn list(world: &World) -> Result<Vec<Secret>, EnvError> {
    let (required, present) = (world.secrets.required(), world.secrets.names()?);
    let filled = world.secrets.filled()?;
    Ok(Secret::all(&required, &present, &filled))
}
