//! `/secrets…`: names and whether they have a value. No value ever comes out.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::Markup;
use pipulate_store::dotenv::{EnvKey, SecretValue, Unset, Written};

use crate::form::Fields;
use crate::problem::Problem;
use crate::state::{AppState, Topic};
use crate::views::secrets::{self, Complaint, Secret, SecretsPage};
use crate::world::{SecretsError, World};

const HERE: &str = "/secrets";

/// Every name that is required or in the file.
pub(crate) async fn show(State(state): State<AppState>) -> Result<Markup, Problem> {
    page(&state, None).await
}

async fn page(state: &AppState, complaint: Option<Complaint>) -> Result<Markup, Problem> {
    let secrets = state.ask(list).await??;
    let page = SecretsPage { secrets, notice: state.notice(Topic::Secrets), complaint };
    Ok(secrets::page(&page, state.zone()))
}

/// Saves a value, over whatever was there.
pub(crate) async fn save(State(state): State<AppState>, mut fields: Fields) -> Result<Response, Problem> {
    let name = fields.take("name").ok_or(Problem::BodyBroken)?;
    let value = fields.take("value").map(SecretValue::new).ok_or(Problem::BodyBroken)?;
    let complain = async |name: &str, reason: String| {
        let complaint = Complaint { name: name.to_owned(), reason };
        let page = page(&state, Some(complaint)).await?;
        Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
    };
    // What is no name may be a value that got into the wrong field: it is not shown again.
    let key = match EnvKey::parse(name.trim()) {
        Ok(key) => key,
        Err(error) => return complain("", error.to_string()).await,
    };
    if value.expose().is_empty() {
        return complain(key.as_str(), "an empty value is none".to_owned()).await;
    }
    let saved = {
        let key = key.clone();
        state.ask(move |world| world.secrets.save(&key, &value)).await?
    };
    match saved {
        Ok(Written { warning }) => {
            let warning = warning.map(|warning| format!("; {warning}")).unwrap_or_default();
            state.set_notice(Topic::Secrets, format!("saved {}{warning}", key.as_str()));
            Ok(Redirect::to(HERE).into_response())
        }
        Err(SecretsError::Unstorable(reason)) => complain(key.as_str(), reason).await,
        Err(failed @ SecretsError::Failed(_)) => Err(failed.into()),
    }
}

/// Asks before a value is lost.
pub(crate) async fn ask_forget(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Markup, Problem> {
    let known = known(&state, name).await?;
    Ok(secrets::question(&known))
}

/// Takes a name and its value out.
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
    state.set_notice(Topic::Secrets, told);
    Ok(Redirect::to(HERE))
}

/// A name that is in the file; any other is no page.
async fn known(state: &AppState, name: String) -> Result<String, Problem> {
    let names = state.ask(|world| world.secrets.names()).await??;
    names.into_iter().find(|known| *known == name).ok_or(Problem::NotFound)
}

fn list(world: &World) -> Result<Vec<Secret>, SecretsError> {
    let required = world.secrets.required();
    let present = world.secrets.names()?;
    let others = present.iter().filter(|name| !required.contains(name));
    let secret = |name: &String| {
        let is_set = world.secrets.has(name)?;
        let is_listed = present.contains(name);
        Ok(Secret { name: name.clone(), is_required: required.contains(name), is_set, is_listed })
    };
    required.iter().chain(others).map(secret).collect()
}
