//! `/` and `/services/…`: the services, and actions on them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::http::header::{HOST, HeaderName, HeaderValue, SET_COOKIE, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use maud::Markup;
use pipulate_core::service::ServiceName;
use pipulate_core::work::Loss;

use crate::event_stream::{Gone, Sender};
use crate::form::Fields;
use crate::htmx::{self, Audience};
use crate::notice::{Notice, Topic};
use crate::problem::Problem;
use crate::state::AppState;
use crate::views;
use crate::views::controls::From;
use crate::views::notebooks::{Choice, at_notebook};
use crate::views::services::{RenderedServices, ServicesPage};
use crate::world::{Consent, ControlError, SignedIn, Target, Verb};

/// Redirects a browser from a page: our forms may only lead to our own origin, so a redirect to another port
/// would be blocked.
const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// The longest search text for notebooks, in bytes.
const LONGEST_SEARCH: usize = 200;

/// The front page.
pub(crate) async fn show(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Markup, Problem> {
    let choice = choice(query.as_deref())?;
    let snapshot = state.look().await?;
    if let Some(news) = state.ask(|world| world.control.news()).await? {
        state.notices().set(Topic::Services, views::answer::news(&news));
    }
    let notice = state.notices().get(Topic::Services);
    let page = ServicesPage::new(&snapshot, &state.render_context(), choice);
    Ok(views::services::page(state.folder(), &page, notice.as_ref(), state.zone()))
}

/// The requested notebooks.
fn choice(query: Option<&str>) -> Result<Choice, Problem> {
    let mut fields = Fields::of_query(query)?;
    let text = if fields.has("q") {
        fields.take_text("q", LONGEST_SEARCH)?.unwrap_or_default()
    } else {
        String::new()
    };
    Ok(Choice { text, all: fields.has("all") })
}

/// The changes of that page as they happen. A reconnecting client gets the changes that it missed.
pub(crate) async fn events(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, Problem> {
    let mut news = state.watch_services();
    let known = htmx::last_event_id(&headers);
    state.streams().answer(async move |sender: Sender| {
        let mut shown: Option<Arc<RenderedServices>> = None;
        loop {
            let newest = news.borrow_and_update().clone();
            if let Some(newest) = newest {
                let is_known = shown.is_none() && known.as_deref() == Some(newest.id());
                let changes = newest.changes_since(shown.as_deref());
                if !is_known && !changes.is_empty() {
                    sender.send(newest.id(), &changes).await?;
                }
                shown = Some(newest);
            }
            news.changed().await.map_err(|_| Gone)?;
        }
    })
}

/// Nothing, until the app ends.
pub(crate) async fn life(State(state): State<AppState>) -> Result<Response, Problem> {
    state.streams().answer(|_silent| std::future::pending())
}

/// Carries one action out and reports the result: to htmx in place, to other clients on the page that they
/// return to.
pub(crate) async fn act(
    State(state): State<AppState>,
    audience: Audience,
    Action { target, verb }: Action,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let has_consent = fields.take("consent").is_some_and(|word| word == "given");
    let consent = if has_consent { Consent::Given } else { Consent::NotAsked };
    let from = From::of(fields.take("from").as_deref());
    let answer = match carry_out(&state, &target, verb, consent).await? {
        Ok(notice) => told(&state, audience, &notice, &from.telling(&target)),
        Err(ControlError::NeedsConsent(ends)) => asking(&state, audience, from, &target, verb, &ends),
        Err(ControlError::Refused(reason)) => return Err(Problem::Refused(reason)),
        Err(ControlError::Failed(reason)) => return Err(Problem::Failed(reason)),
    };
    Ok(([(VARY, htmx::VARY)], answer).into_response())
}

/// Carries out an action, which continues if the browser disconnects; the result is shown to the next page.
pub(crate) async fn carry_out(
    state: &AppState,
    target: &Target,
    verb: Verb,
    consent: Consent,
) -> Result<Result<Notice, ControlError>, Problem> {
    let claim = state.claim(target, verb).ok_or_else(|| Problem::Busy(target.clone(), verb))?;
    let (target, teller) = (target.clone(), state.clone());
    let done = state.ask(move |world| {
        let _until_done = claim;
        if matches!(&target, Target::One(service) if !world.status.knows(service)) {
            return Err(Problem::NotFound);
        }
        let done = world.control.act(&target, verb, consent);
        if let Err(ControlError::Refused(reason) | ControlError::Failed(reason)) = &done {
            teller.notices().set(Topic::Services, reason.clone());
        }
        Ok(done
            .map(|answer| teller.notices().set(Topic::Services, views::answer::text(&answer, &target, verb))))
    });
    done.await?
}

/// A page without scripts returns to `back` and shows the result there.
fn told(state: &AppState, audience: Audience, notice: &Notice, back: &str) -> Response {
    match audience {
        Audience::Page => Redirect::to(back).into_response(),
        Audience::Fragment => views::controls::notice(Some(notice), state.zone()).into_response(),
    }
}

fn asking(
    state: &AppState,
    audience: Audience,
    from: From,
    target: &Target,
    verb: Verb,
    ends: &[Loss],
) -> Response {
    match audience {
        Audience::Page => {
            (StatusCode::CONFLICT, views::consent::page(state.folder(), from, target, verb, ends))
                .into_response()
        }
        // For a page that stays, a question is no failure.
        Audience::Fragment => views::consent::question(from, target, verb, ends).into_response(),
    }
}

/// Redirects to a service's own page, signed in. The key is in a header, on no page, and if possible not in
/// the address either, which the browser's history keeps.
pub(crate) async fn open(
    State(state): State<AppState>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let service = ServiceName::parse(&name).map_err(|_| Problem::NotFound)?;
    lead_to(&state, &headers, service, None).await
}

/// Redirects to a service's own page, or to a notebook there.
pub(crate) async fn lead_to(
    state: &AppState,
    headers: &HeaderMap,
    service: ServiceName,
    notebook: Option<String>,
) -> Result<Response, Problem> {
    let name = service.to_string();
    // The cookie is for this page's host, and the service's address is on 127.0.0.1.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_same_host = host.split(':').next() == Some("127.0.0.1");
    let (address, cookie) = state
        .ask(move |world| {
            if !world.status.knows(&service) {
                return Err(Problem::NotFound);
            }
            let signed_in = is_same_host.then(|| world.control.sign_in(&service)).flatten();
            if let Some(SignedIn { address, cookie }) = signed_in
                && let Ok(cookie) = HeaderValue::from_str(&cookie)
            {
                return Ok((address, Some(cookie)));
            }
            let closed = || Problem::Refused(format!("{service} has no page now; start it first"));
            Ok((world.control.signed_address(&service)?.ok_or_else(closed)?, None))
        })
        .await??;
    let address = notebook.map_or(address.clone(), |path| at_notebook(&address, &path));
    let refresh = [(REFRESH, format!("0; url={address}"))];
    let mut answer = (refresh, views::services::opening(state.folder(), &name)).into_response();
    if let Some(cookie) = cookie {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(answer)
}

/// A valid target and verb; anything else is not found.
pub(crate) struct Action {
    target: Target,
    verb: Verb,
}

impl<S: Send + Sync> FromRequestParts<S> for Action {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(words) = Path::<HashMap<String, String>>::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::NotFound)?;
        let verb = words.get("verb").and_then(|word| Verb::from_word(word)).ok_or(Problem::NotFound)?;
        let target = match words.get("name") {
            None => Target::All,
            Some(name) => Target::One(ServiceName::parse(name).map_err(|_| Problem::NotFound)?),
        };
        Ok(Self { target, verb })
    }
}
