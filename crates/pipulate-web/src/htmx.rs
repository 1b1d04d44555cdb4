//! The headers of htmx 4. The only file that uses them.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

/// The headers that an answer depends on, for `Vary`.
pub(crate) const VARY: &str = "HX-Request, HX-Request-Type";

/// The position of an interrupted stream. A value that isn't text is kept: it matches no position, and
/// differs from none.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("last-event-id")?;
    Some(String::from_utf8_lossy(id.as_bytes()).into_owned())
}

/// The reader of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// A browser that shows a whole page; also every other client.
    Page,
    /// htmx, which inserts the answer into an existing page.
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
