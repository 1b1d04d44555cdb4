//! A secret: asked for once, kept in `.env`, and shown to nobody.

use axum::http::StatusCode;
use pipulate_core::env_error::EnvError;
use pipulate_core::secret::EnvKey;
use pipulate_core::text::capitalized;
use pipulate_store::dotenv::{SecretValue, SetOnce};

use super::tags::{Tag, Titled, button, form, input, label, p, titled};
use crate::problem::Problem;
use crate::state::AppState;
use crate::world::World;

pub(super) async fn get(state: &AppState) -> Result<Titled, Problem> {
    let known = state.ask(|world| world.secrets.has("SECRET")).await??;
    Ok(titled(
        "Secret Prompt",
        match known {
            true => p("I already know your secret"),
            false => prompt(None),
        },
    ))
}

pub(super) async fn post(state: &AppState, secret: String) -> Result<(StatusCode, Titled), Problem> {
    let key = EnvKey::parse("SECRET").map_err(|error| Problem::Failed(error.to_string()))?;
    let page = match state.ask(move |world| save(world, &key, secret)).await? {
        Ok(page) => page,
        Err(error @ EnvError::Unwritable { .. }) => {
            let page = titled("Secret Prompt", prompt(Some(&error.to_string())));
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page));
        }
        Err(failed) => return Err(failed.into()),
    };
    Ok((StatusCode::OK, page))
}

/// An empty secret is none: nothing is saved.
fn save(world: &World, key: &EnvKey, secret: String) -> Result<Titled, EnvError> {
    let already = p("A secret is already set. No changes were made.").role("status");
    if secret.is_empty() {
        return Ok(match world.secrets.has("SECRET")? {
            true => titled("Secret Already Set", already),
            false => titled("Secret Prompt", prompt(None)),
        });
    }
    Ok(match world.secrets.save_once(key, &SecretValue::new(secret))? {
        SetOnce::Saved(saved) => {
            let warning = saved.warning.map(|warning| p(capitalized(&warning.to_string())));
            let words = p("Your secret has been saved.").role("status");
            titled("Secret Saved", (words, warning))
        }
        SetOnce::AlreadySet => titled("Secret Already Set", already),
    })
}

fn prompt(complaint: Option<&str>) -> Tag {
    let field = input(()).kind("password").name("secret").with("autocomplete", "off");
    let complaint = complaint.map(|complaint| p(capitalized(complaint)).role("alert"));
    form((label(("Enter the secret:", field)), complaint, button("Submit").kind("submit"))).method("post")
}
