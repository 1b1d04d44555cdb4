//! `/logs…`: the services' output so far, and as it comes.

use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, RawQuery, State};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::Markup;
use pipulate_core::service::ServiceName;
use pipulate_store::error::StoreError;
use pipulate_store::log::when;

use crate::event_stream::{self, Gone, Sender};
use crate::form::Fields;
use crate::htmx;
use crate::log_page::{self, Cursor, LevelTracker, Levels, LogFilter, LogPage, Pattern, PatternKind};
use crate::notice::Topic;
use crate::problem::Problem;
use crate::state::AppState;
use crate::views::logs::{self, Anchor, Asked, Field, LogsView, MoreLines, ShownLines, Wrong};
use crate::world::Logs;

/// The number of lines at a time: with a page, above it, and at once in a stream.
const AT_ONCE: usize = 300;
/// The number of lines before a requested line, and from it on.
const AROUND: usize = 150;
/// The least and the most time between two events of a stream, and the time to add for each line per second: the
/// browser lays out the log again for each event, with one line or fifty.
const PACE: Duration = Duration::from_millis(80);
const LONGEST_PACE: Duration = Duration::from_millis(800);
const PACE_BY_RATE: f64 = 0.02;
/// The size of one part of a download, in bytes.
const CHUNK: usize = 64 << 10;
/// The longest filter, in bytes.
const LONGEST_FILTER: usize = 200;

/// The newest lines, or those before or after a position, or around one line or time.
pub(crate) async fn show(State(state): State<AppState>, query: Query) -> Result<Markup, Problem> {
    let zone = state.zone().clone();
    let notice = query.told.then(|| state.notices().get(Topic::Services)).flatten();
    state
        .ask(move |world| {
            let asked = query.asked.clone();
            let logs = &*world.logs;
            let shown = match query.filter.clone() {
                Ok(filter) => chosen(logs, filter, query, &zone)?,
                Err(wrong) => Err(wrong),
            };
            let can_restart = asked.service.as_ref().is_some_and(|service| world.status.knows(service));
            let view = LogsView { services: logs.services()?, asked, shown, can_restart, notice, zone };
            Ok(logs::page(&world.folder, &view))
        })
        .await?
}

/// The lines that an address selects.
fn chosen(
    logs: &dyn Logs,
    filter: LogFilter,
    query: Query,
    zone: &TimeZone,
) -> Result<Result<ShownLines, Wrong>, StoreError> {
    let Query { asked, before, from, line, .. } = query;
    let mut context = None;
    let (page, anchor) = match (before, from, line, &filter.service) {
        (Some(before), ..) => (log_page::before(logs, &filter, &before, AT_ONCE)?, Anchor::Before),
        (None, Some(from), ..) => (log_page::from(logs, &filter, &from, AT_ONCE)?, Anchor::From),
        (None, None, Some(line), Some(service)) => {
            let cursor = Cursor::at(service, line);
            context = Some(log_page::before(logs, &filter, &cursor, AROUND)?);
            (log_page::from(logs, &filter, &cursor, AROUND)?, Anchor::Line(line))
        }
        (None, None, ..) if !asked.at.is_empty() => {
            let when = match when::parse(&asked.at, &Timestamp::now().to_zoned(zone.clone())) {
                Ok(when) => when,
                Err(advice) => {
                    let why = format!("\"{}\" is not a time: {advice}", asked.at);
                    return Ok(Err(Wrong { field: Field::At, why }));
                }
            };
            let page = log_page::since(logs, &filter, when, AROUND)?;
            context = Some(log_page::before(logs, &filter, &page.begin, AROUND)?);
            (page, Anchor::At(asked.at))
        }
        (None, None, ..) => (log_page::newest(logs, &filter, AT_ONCE)?, Anchor::Newest),
    };
    Ok(Ok(ShownLines { filter, page, context, anchor }))
}

/// The lines above the shown ones, for htmx.
pub(crate) async fn older(State(state): State<AppState>, query: Query) -> Result<Markup, Problem> {
    let Query { filter, before, depth, .. } = query;
    let (filter, before) = (right(filter)?, before.ok_or(Problem::BodyBroken)?);
    let zone = state.zone().clone();
    state
        .ask(move |world| {
            let page = log_page::before(&*world.logs, &filter, &before, AT_ONCE)?;
            Ok(logs::older_lines(&MoreLines {
                filter: &filter,
                page: &page,
                depth: depth.saturating_add(1),
                zone: &zone,
            }))
        })
        .await?
}

/// The lines below the shown ones, for htmx.
pub(crate) async fn newer(State(state): State<AppState>, query: Query) -> Result<Markup, Problem> {
    let Query { filter, from, depth, .. } = query;
    let (filter, from) = (right(filter)?, from.ok_or(Problem::BodyBroken)?);
    let zone = state.zone().clone();
    state
        .ask(move |world| {
            let page = log_page::from(&*world.logs, &filter, &from, AT_ONCE)?;
            Ok(logs::newer_lines(&MoreLines {
                filter: &filter,
                page: &page,
                depth: depth.saturating_add(1),
                zone: &zone,
            }))
        })
        .await?
}

/// The output from a position on. A reconnecting client continues from its last one.
pub(crate) async fn stream(
    State(state): State<AppState>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let cursor = match htmx::last_event_id(&headers) {
        Some(id) => Cursor::parse(&id).ok_or(Problem::BodyBroken)?,
        None => query.from.ok_or(Problem::BodyBroken)?,
    };
    let filter = right(query.filter)?;
    state.streams().answer(|sender| follow(state.clone(), filter, cursor, sender))
}

/// A failure ends the stream; the client reconnects, and gets the error.
async fn follow(state: AppState, filter: LogFilter, mut cursor: Cursor, sender: Sender) -> Result<(), Gone> {
    let mut news = state.watch_logs();
    let mut levels = LevelTracker::default();
    let mut last = Instant::now();
    loop {
        // Noted before reading: later output is read next.
        news.borrow_and_update();
        let page;
        (page, levels) = after(&state, &filter, &cursor, levels).await?;
        cursor.advance(page.end.clone());
        if !page.lines.is_empty() || page.lost > 0 {
            let event = logs::news(&filter, &page, state.zone()).into_string();
            sender.send(&cursor.to_string(), &event).await?;
            let pace = pace(page.lines.len(), last.elapsed());
            last = Instant::now();
            tokio::time::sleep(pace).await;
        }
        news.changed().await.map_err(|_| Gone)?;
    }
}

/// An open page's filter was valid when the page was loaded.
fn right(filter: Result<LogFilter, Wrong>) -> Result<LogFilter, Problem> {
    filter.map_err(|wrong| Problem::Refused(wrong.why))
}

fn filter_of(asked: &Asked, levels: Levels) -> Result<LogFilter, Wrong> {
    let kind = if asked.is_regex { PatternKind::Regex } else { PatternKind::Text };
    let pattern = |field, text: &str| {
        let why = |why| format!("\"{text}\" is not a regular expression: {why}");
        Pattern::parse(text, kind).map_err(|error| Wrong { field, why: why(error) })
    };
    Ok(LogFilter {
        service: asked.service.clone(),
        only: pattern(Field::Only, &asked.only)?,
        without: pattern(Field::Without, &asked.without)?,
        levels,
    })
}

/// The pause after `lines` lines in that time. A single line is no rate.
fn pace(lines: usize, time: Duration) -> Duration {
    let more = u32::try_from(lines.saturating_sub(1)).unwrap_or(u32::MAX);
    let pace = PACE_BY_RATE * f64::from(more) / time.as_secs_f64().max(0.001);
    Duration::try_from_secs_f64(pace).unwrap_or(LONGEST_PACE).clamp(PACE, LONGEST_PACE)
}

/// The lines after a cursor; the level tracker moves to the blocking task and back.
async fn after(
    state: &AppState,
    filter: &LogFilter,
    cursor: &Cursor,
    mut levels: LevelTracker,
) -> Result<(LogPage, LevelTracker), Gone> {
    let (filter, cursor) = (filter.clone(), cursor.clone());
    let looking = state.ask(move |world| {
        let page = log_page::after(&*world.logs, &filter, &cursor, AT_ONCE, &mut levels);
        page.map(|page| (page, levels))
    });
    looking.await.map_err(|_| Gone)?.map_err(|_| Gone)
}

/// All lines as a file, without secrets and control sequences.
pub(crate) async fn download(State(state): State<AppState>, query: Query) -> Result<Response, Problem> {
    let (sender, body) = event_stream::channel();
    let filter = right(query.filter)?;
    let name = filter.service.as_ref().map_or("all", ServiceName::as_str);
    let name = format!("attachment; filename=\"{name}.log\"");
    let names = filter.service.is_none();
    tokio::spawn(async move {
        let writing = state.ask(move |world| {
            let mut chunk = String::new();
            let send = |chunk: &mut String| {
                let part = Bytes::from(std::mem::take(chunk));
                sender.blocking_send(part).map_err(|_| Broken)
            };
            log_page::all(&*world.logs, &filter, |line| {
                let prefix = if names { format!("{} | ", line.service) } else { String::new() };
                chunk.extend([prefix.as_str(), &line.text(), "\n"]);
                if chunk.len() >= CHUNK { send(&mut chunk) } else { Ok(()) }
            })?;
            send(&mut chunk)
        });
        // After a disconnect or a read error, the file ends there.
        let _ended = writing.await;
    });
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, name)];
    Ok((headers, Body::new(body)).into_response())
}

/// A download can't continue.
struct Broken;

impl From<StoreError> for Broken {
    fn from(_: StoreError) -> Self {
        Self
    }
}

/// The parameters of an address.
pub(crate) struct Query {
    asked: Asked,
    filter: Result<LogFilter, Wrong>,
    before: Option<Cursor>,
    from: Option<Cursor>,
    /// The position of a line of the service.
    line: Option<u64>,
    /// The number of times that lines were added to the page.
    depth: u32,
    /// An action was carried out from this page.
    told: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let RawQuery(query) =
            RawQuery::from_request_parts(parts, state).await.map_err(|_| Problem::BodyBroken)?;
        let mut fields = Fields::of_query(query.as_deref())?;
        let mut cursor = |name| {
            let cursor = |text: String| Cursor::parse(&text).ok_or(Problem::BodyBroken);
            fields.take(name).map(cursor).transpose()
        };
        let (before, from) = (cursor("before")?, cursor("from")?);
        let service = fields.take("service").filter(|name| !name.is_empty());
        let service =
            service.map(|name| ServiceName::parse(&name)).transpose().map_err(|_| Problem::NotFound)?;
        let mut text = |name| {
            let text = fields.take(name).unwrap_or_default();
            let is_short = text.len() <= LONGEST_FILTER;
            is_short.then_some(text).ok_or(Problem::BodyTooLarge { limit: LONGEST_FILTER })
        };
        let (only, without, at) = (text("filter")?, text("without")?, text("at")?.trim().to_owned());
        let is_regex = fields.take("regex").is_some();
        let levels = Levels::named(&fields.take_all("level"));
        let asked = Asked { service, only, without, is_regex, at };
        let filter = filter_of(&asked, levels);
        let depth = fields.take("depth").and_then(|depth| depth.parse().ok()).unwrap_or(0);
        let line =
            fields.take("line").map(|line| line.parse().map_err(|_| Problem::BodyBroken)).transpose()?;
        let told = fields.has("told");
        Ok(Self { asked, filter, before, from, line, depth, told })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_nobody_can_read_along_with_comes_in_larger_parts() {
        for (lines, milliseconds, expected) in [
            (1, 0, PACE),
            (1, 10_000, PACE),
            (5, 1_000, PACE),
            (11, 1_000, Duration::from_millis(200)),
            (50, 800, LONGEST_PACE),
            (300, 0, LONGEST_PACE),
        ] {
            assert_eq!(
                pace(lines, Duration::from_millis(milliseconds)),
                expected,
                "{lines} in {milliseconds} ms"
            );
        }
    }
}
