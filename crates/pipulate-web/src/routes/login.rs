//! `/login`: exchanges a code for a session.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Redirect, Response};

use crate::guard::Site;
use crate::problem::Problem;
use crate::sign::ClockReading;
use crate::state::AppState;
use crate::views;

/// Signs in with `?code=…`. A client with a session is redirected, with any code.
pub(crate) async fn enter(
    State(state): State<AppState>,
    Extension(site): Extension<Site>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let authenticator = state.authenticator();
    if authenticator.has_session(&headers) {
        return Ok(Redirect::to("/").into_response());
    }
    let Some(code) = code_of(query.as_deref()) else { return Ok(how_to(&state)) };
    authenticator.admit(code, ClockReading::now()).map_err(Problem::SignInAgain)?;
    let (name, session) = (authenticator.cookie_name(), authenticator.new_session()?);
    // A cookie that was set by HTTPS is never sent without.
    let secure = if site.is_secure() { "; Secure" } else { "" };
    let cookie = format!("{name}={session}; HttpOnly; SameSite=Strict; Path=/{secure}");
    Ok(([(SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

/// HEAD changes nothing, so it must not use a code up.
pub(crate) async fn look(State(state): State<AppState>) -> Response {
    how_to(&state)
}

fn how_to(state: &AppState) -> Response {
    views::problem::page(state.folder(), &Problem::SignInFirst, state.service(), false).into_response()
}

/// A code is base64url, so there is nothing to decode.
fn code_of(query: Option<&str>) -> Option<&str> {
    query?.split('&').find_map(|pair| pair.strip_prefix("code="))
}
