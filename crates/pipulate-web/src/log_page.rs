//! Lines of the services' logs for a page: sanitized, masked, with their colors as words.
//!
//! A [`Cursor`] consists of a position for each service: a client that has one can continue there without a
//! gap and without duplicates, on this connection or on the next one.

mod cursor;
mod filter;
mod level;
mod runs;

use std::collections::VecDeque;

use jiff::Timestamp;
use pipulate_core::service::ServiceName;
use pipulate_store::error::StoreError;
use pipulate_store::log::mask::Masker;
use pipulate_store::log::merge::{Merged, MergedLine, Patience, Stretch};
use pipulate_store::log::read::Start;
use pipulate_store::log::sanitize::{Part, Text};
use pipulate_store::log::time_index::{LineTime, When};

pub(crate) use cursor::Cursor;
pub(crate) use filter::{LevelGroup, Levels, LogFilter, Pattern, PatternKind};
pub(crate) use level::{Level, LevelTracker, is_traceback};

use crate::file_place::{FilePlace, in_traceback};
use crate::world::Logs;
use runs::Runs;

/// The shown length of a line, in bytes; the file has all of it.
const LONGEST: usize = 8 << 10;

/// A line, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLine {
    pub(crate) service: ServiceName,
    /// The index of its service in the list of all, if the page shows all.
    pub(crate) place: usize,
    /// Its position in the service's whole output.
    pub(crate) offset: u64,
    pub(crate) time: Option<Timestamp>,
    pub(crate) level: Level,
    /// Texts, each with the parameters of its color.
    pub(crate) pieces: Vec<(String, String)>,
    /// The file of the folder that a traceback line names.
    pub(crate) file: Option<FilePlace>,
    /// The number of bytes beyond the shown ones.
    pub(crate) cut: usize,
    /// True for the first shown line since its service was started.
    pub(crate) begins_run: bool,
}

impl LogLine {
    /// The line without its colors.
    pub(crate) fn text(&self) -> String {
        self.pieces.iter().map(|(text, _)| text.as_str()).collect()
    }
}

/// Consecutive lines, and the cursors around them.
#[derive(Debug, Default)]
pub(crate) struct LogPage {
    pub(crate) lines: VecDeque<LogLine>,
    /// The number of lines left out before them.
    pub(crate) skipped: u64,
    /// The number of bytes lost before they could be shown.
    pub(crate) lost: u64,
    /// True if more lines follow.
    pub(crate) has_more: bool,
    pub(crate) begin: Cursor,
    pub(crate) end: Cursor,
}

/// The newest lines, at most `count`.
pub(crate) fn newest(logs: &dyn Logs, filter: &LogFilter, count: usize) -> Result<LogPage, StoreError> {
    let start = |_: &ServiceName| match filter.takes_all() {
        true => (Start::Tail(count as u64), None),
        false => (Start::Oldest, None),
    };
    read(logs, filter, start, Limit::Newest(count), &mut LevelTracker::default())
}

/// The lines before a cursor, at most `count`.
pub(crate) fn before(
    logs: &dyn Logs,
    filter: &LogFilter,
    cursor: &Cursor,
    count: usize,
) -> Result<LogPage, StoreError> {
    let start = |service: &ServiceName| {
        let position = cursor.of(service);
        match filter.takes_all() {
            true => (Start::Before { position, count: count as u64 }, Some(position)),
            false => (Start::Oldest, Some(position)),
        }
    };
    read(logs, filter, start, Limit::Newest(count), &mut LevelTracker::default())
}

/// The lines after a cursor; if there are more than `count`, the newest ones.
pub(crate) fn after(
    logs: &dyn Logs,
    filter: &LogFilter,
    cursor: &Cursor,
    count: usize,
    levels: &mut LevelTracker,
) -> Result<LogPage, StoreError> {
    read(logs, filter, |service| (Start::At(cursor.of(service)), None), Limit::Newest(count), levels)
}

/// The lines after a cursor, at most `count`, the oldest ones.
pub(crate) fn from(
    logs: &dyn Logs,
    filter: &LogFilter,
    cursor: &Cursor,
    count: usize,
) -> Result<LogPage, StoreError> {
    let limit = Limit::Oldest(count);
    read(logs, filter, |service| (Start::At(cursor.of(service)), None), limit, &mut LevelTracker::default())
}

/// The lines since a time, at most `count`, the oldest ones.
pub(crate) fn since(
    logs: &dyn Logs,
    filter: &LogFilter,
    when: When,
    count: usize,
) -> Result<LogPage, StoreError> {
    read(logs, filter, |_| (Start::Since(when), None), Limit::Oldest(count), &mut LevelTracker::default())
}

/// The lines of one service from `start` on.
pub(crate) fn last(logs: &dyn Logs, service: &ServiceName, start: Start) -> Result<Vec<LogLine>, StoreError> {
    let filter = LogFilter::of(service);
    let start = |_: &ServiceName| (start, None);
    Ok(read(logs, &filter, start, Limit::Newest(usize::MAX), &mut LevelTracker::default())?.lines.into())
}

/// Passes every matching line to `on_line`, oldest first, until that fails.
pub(crate) fn all<E: From<StoreError>>(
    logs: &dyn Logs,
    filter: &LogFilter,
    mut on_line: impl FnMut(&LogLine) -> Result<(), E>,
) -> Result<(), E> {
    let services = services(logs, filter)?;
    let mut merged = open(logs, &services, |_| (Start::Oldest, None))?;
    let (masker, mut levels) = (logs.masker(), LevelTracker::default());
    merged.read(Patience::None, |line| {
        let line = shown(logs, &services, line, &masker, usize::MAX, &mut levels);
        if filter.takes(&line) { on_line(&line) } else { Ok(()) }
    })
}

/// The number of lines, and which ones if there are more.
#[derive(Debug, Clone, Copy)]
enum Limit {
    Newest(usize),
    Oldest(usize),
}

/// The reason why reading ended early.
enum Interruption {
    Full,
    Failed(StoreError),
}

impl From<StoreError> for Interruption {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

fn read(
    logs: &dyn Logs,
    filter: &LogFilter,
    start: impl Fn(&ServiceName) -> (Start, Option<u64>),
    limit: Limit,
    levels: &mut LevelTracker,
) -> Result<LogPage, StoreError> {
    let services = services(logs, filter)?;
    let mut page = LogPage::default();
    let mut merged = open(logs, &services, &start)?;
    // After opening the logs: every secret in them is known by then.
    let masker = logs.masker();
    let mut runs = Runs::of(&merged, &services, &logs.events(Timestamp::MIN));
    let read = merged.read(Patience::None, |line| {
        if matches!(limit, Limit::Oldest(count) if page.lines.len() == count) {
            // The line stays the next one.
            return Err(Interruption::Full);
        }
        page.lost += line.lost;
        let mut line = shown(logs, &services, line, &masker, LONGEST, levels);
        runs.see(&line);
        if filter.takes(&line) {
            line.begins_run = runs.take(&line);
            page.lines.push_back(line);
        }
        if matches!(limit, Limit::Newest(count) if page.lines.len() > count) {
            page.skipped += 1;
            page.lines.pop_front();
        }
        Ok(())
    });
    match read {
        Err(Interruption::Failed(error)) => return Err(error),
        Err(Interruption::Full) => page.has_more = true,
        Ok(()) => {}
    }
    runs.mark_first(&merged, &mut page.lines);
    for (service, end) in services.iter().zip(merged.positions()) {
        let first = page.lines.iter().find(|line| line.service == *service);
        page.begin.set(service, first.map_or(end, |line| line.offset));
        page.end.set(service, end);
    }
    Ok(page)
}

/// The existing services of a filter.
fn services(logs: &dyn Logs, filter: &LogFilter) -> Result<Vec<ServiceName>, StoreError> {
    let services = logs.services()?;
    Ok(match &filter.service {
        Some(service) => services.into_iter().filter(|known| known == service).collect(),
        None => services,
    })
}

fn open(
    logs: &dyn Logs,
    services: &[ServiceName],
    start: impl Fn(&ServiceName) -> (Start, Option<u64>),
) -> Result<Merged, StoreError> {
    let stretch = |service: &ServiceName| {
        let (start, end) = start(service);
        Stretch { service: service.clone(), start, end }
    };
    logs.open(&services.iter().map(stretch).collect::<Vec<_>>())
}

fn shown(
    logs: &dyn Logs,
    services: &[ServiceName],
    line: MergedLine,
    masker: &Masker,
    longest: usize,
    levels: &mut LevelTracker,
) -> LogLine {
    let text = Text::of(line.bytes);
    let secrets = masker.ranges_of_piece(text.plain(), line.piece);
    let (mut pieces, mut color, mut room, mut cut) = (Vec::new(), String::new(), longest, 0);
    text.for_each_part(&secrets, |part| match part {
        Part::Color(parameters) => parameters.clone_into(&mut color),
        Part::Text(part) => {
            let kept = part.floor_char_boundary(room);
            room -= kept;
            cut += part.len() - kept;
            if kept > 0 {
                pieces.push((part[..kept].to_owned(), color.clone()));
            }
        }
    });
    let time = match line.time {
        LineTime::Known(time) => Some(time),
        LineTime::NotAfter(_) => None,
    };
    let (service, place) = (services[line.service].clone(), line.service);
    let level = levels.level_of(line.service, text.plain());
    let mut line = LogLine {
        service,
        place,
        offset: line.offset,
        time,
        level,
        pieces,
        file: None,
        cut,
        begins_run: false,
    };
    if level == Level::Traceback {
        line.file = in_traceback(&line.text(), |name| logs.file(name));
    }
    line
}

#[cfg(test)]
mod tests;
