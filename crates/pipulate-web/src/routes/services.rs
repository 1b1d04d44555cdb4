//! `/` and `/services/…`: what runs, and the three verbs.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::response::Redirect;
use jiff::tz::TimeZone;
use maud::Markup;
use pipulate_core::service::ServiceName;

use crate::problem::Problem;
use crate::state::AppState;
use crate::views::services::{ServicesPage, services_page};
use crate::world::Verb;

/// All services.
pub(crate) async fn show(State(state): State<AppState>) -> Result<Markup, Problem> {
    let status = state.ask(|world| world.status.status()).await?;
    Ok(services_page(&ServicesPage::new(&status, state.notice().as_ref(), &TimeZone::system())))
}

/// Carries one action out and goes back to the page, which tells what was done. The work goes on
/// if the browser leaves meanwhile.
pub(crate) async fn act(State(state): State<AppState>, action: Action) -> Result<Redirect, Problem> {
    let Action { service, verb } = action;
    let claim = state.claim(&service).ok_or_else(|| Problem::Busy(service.clone()))?;
    let receipt = state
        .ask(move |world| {
            let _until_done = claim;
            if world.status.status().service(service.as_str()).is_none() {
                return Err(Problem::NotFound);
            }
            world.control.act(&service, verb).map_err(Problem::from)
        })
        .await??;
    state.set_notice(receipt);
    Ok(Redirect::to("/"))
}

/// A well-formed name and a verb that there is; anything else is no page.
pub(crate) struct Action {
    service: ServiceName,
    verb: Verb,
}

impl<S: Send + Sync> FromRequestParts<S> for Action {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(words) = Path::<HashMap<String, String>>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::NotFound)?;
        let word = |name: &str| words.get(name).ok_or(Problem::NotFound);
        let service = ServiceName::parse(word("name")?).map_err(|_| Problem::NotFound)?;
        let verb = Verb::from_word(word("verb")?).ok_or(Problem::NotFound)?;
        Ok(Self { service, verb })
    }
}
