//! Reads a form's fields with limits on size, time and kind.
//!
//! Invariant: a field arrives as it was typed or not at all; bytes that are no text are
//! refused and never replaced.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use percent_encoding::percent_decode;

use crate::addresses;
use crate::problem::Problem;

/// The largest body that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 64 << 10;
/// The largest body in a chat, where a user may paste a whole file.
pub(crate) const MAX_CHAT_BYTES: usize = 1 << 20;

/// The timeout of a body. With the timeout of the head this stays below 30 s.
const PATIENCE: Duration = Duration::from_secs(10);

/// Name and value of each field, in order.
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Returns true if there is a field with that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// Removes and returns the first field with that name.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Removes and returns a number; `None` without such a field.
    ///
    /// # Errors
    /// It is no number.
    pub(crate) fn take_number(&mut self, name: &str) -> Result<Option<usize>, Problem> {
        self.take(name).map(|text| text.parse().map_err(|_| Problem::BodyBroken)).transpose()
    }

    /// The values of all fields with that name, in order.
    pub(crate) fn take_all(&mut self, name: &str) -> Vec<String> {
        let (taken, left) = std::mem::take(&mut self.0).into_iter().partition(|(key, _)| key == name);
        self.0 = left;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// Removes and returns the first field with that name, as text: without control characters, which
    /// browsers add to line breaks and no model needs, and trimmed. `None` if it is empty.
    ///
    /// # Errors
    /// There is no such field, or it is longer than `limit` bytes.
    pub(crate) fn take_text(&mut self, name: &str, limit: usize) -> Result<Option<String>, Problem> {
        let typed = self.take(name).ok_or(Problem::BodyBroken)?;
        let text = typed.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "").trim().to_owned();
        if text.len() > limit {
            return Err(Problem::BodyTooLarge { limit });
        }
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// The fields of an address.
    pub(crate) fn of_query(query: Option<&str>) -> Result<Self, Problem> {
        Self::parse(query.unwrap_or_default().as_bytes())
    }

    fn parse(body: &[u8]) -> Result<Self, Problem> {
        let pairs = body.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty());
        pairs.map(parse_pair).collect::<Result<_, _>>().map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let limit = limit(request.uri().path());
        let reading = tokio::time::timeout(PATIENCE, Bytes::from_request(request, state));
        match reading.await {
            Ok(Ok(body)) => Self::parse(&body),
            Ok(Err(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Problem::BodyTooLarge { limit })
            }
            Ok(Err(_)) => Err(Problem::BodyBroken),
            Err(_) => Err(Problem::BodyTooSlow),
        }
    }
}

/// The largest body that is read at an address.
pub(crate) fn limit(path: &str) -> usize {
    if addresses::is_chat(path) { MAX_CHAT_BYTES } else { MAX_BYTES }
}

/// Checks the headers about a body. Only the form encoding of our pages is accepted, so that
/// there is one parser.
pub(crate) fn check_head(path: &str, headers: &HeaderMap) -> Result<(), Problem> {
    let limit = limit(path);
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(Problem::BodyTooLarge { limit });
    }
    let Some(kind) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let essence = kind.to_str().unwrap_or("").split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Ok(())
    } else {
        Err(Problem::BodyKind)
    }
}

fn parse_pair(pair: &[u8]) -> Result<(String, String), Problem> {
    let mut halves = pair.splitn(2, |&byte| byte == b'=');
    let mut next = || decode(halves.next().unwrap_or_default());
    Ok((next()?, next()?))
}

fn decode(text: &[u8]) -> Result<String, Problem> {
    let spaced: Vec<u8> = text.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    percent_decode(&spaced).decode_utf8().map(|text| text.into_owned()).map_err(|_| Problem::BodyBroken)
}
