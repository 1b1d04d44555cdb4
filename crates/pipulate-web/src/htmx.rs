//! What htmx 4 says in its headers. The only file that knows them.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

/// The headers that an answer depends on, for `Vary`.
pub(crate) const VARY: &str = "HX-Request, HX-Request-Type";

/// Where a stream that was broken off had come to. What is no text stays told: it names no place, and
/// is not the same as nothing.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("last-event-id")?;
    Some(String::from_utf8_lossy(id.as_bytes()).into_owned())
}

/// Who reads the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A browser that shows a whole page; also everything that is no browser.
    Page,
    /// htmx, which puts the answer into a page that is there already.
    Fragment,
}

impl Audience {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let says = |name, word| headers.get(name).is_some_and(|value| value.as_bytes() == word);
        // "full": htmx replaces the whole body, or picks a part out of a whole page.
        if says("hx-request", b"true".as_slice()) && !says("hx-request-type", b"full") {
            Self::Fragment
        } else {
            Self::Page
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Audience {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}
