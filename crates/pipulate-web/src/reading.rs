//! Lines of the services' logs as a page shows them: harmless, masked, with their colors as words.
//!
//! A place in the logs is [`Positions`], one for each service, and nothing else: whoever has it can
//! go on from there without a gap and without a line twice, on this connection or on the next one.

mod level;
mod position;

use std::collections::VecDeque;

use jiff::Timestamp;
use pipulate_core::service::ServiceName;
use pipulate_store::error::StoreError;
use pipulate_store::log::mask::Masker;
use pipulate_store::log::merge::{Merged, MergedLine, Patience, Stretch};
use pipulate_store::log::read::Start;
use pipulate_store::log::sanitize::{Part, Text};
use pipulate_store::log::time_index::LineTime;

pub(crate) use level::{Level, Reader};
pub(crate) use position::Positions;

use crate::world::Logs;

/// How much of a line is shown, in bytes; the file has all of it.
const LONGEST: usize = 8 << 10;

/// A line, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogLine {
    pub(crate) service: ServiceName,
    /// Where it begins in the service's whole output.
    pub(crate) offset: u64,
    pub(crate) time: Option<Timestamp>,
    pub(crate) level: Level,
    /// Texts, each with the parameters of its color.
    pub(crate) pieces: Vec<(String, String)>,
    /// How many bytes more it has.
    pub(crate) cut: usize,
}

impl LogLine {
    /// The line without its colors.
    pub(crate) fn text(&self) -> String {
        self.pieces.iter().map(|(text, _)| text.as_str()).collect()
    }
}

/// Which lines a person wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// All of them if there is none.
    pub(crate) service: Option<ServiceName>,
    /// In lower case; empty: every line.
    pub(crate) filter: String,
}

impl Choice {
    /// Its services that there are.
    fn services(&self, logs: &dyn Logs) -> Result<Vec<ServiceName>, StoreError> {
        let services = logs.services()?;
        Ok(match &self.service {
            Some(service) => services.into_iter().filter(|known| known == service).collect(),
            None => services,
        })
    }
}

/// Lines that follow each other.
#[derive(Debug, Default)]
pub(crate) struct Passage {
    pub(crate) lines: VecDeque<LogLine>,
    /// How many lines before them were left out.
    pub(crate) skipped: u64,
    /// How much was thrown away before it could be shown, in bytes.
    pub(crate) lost: u64,
    /// Whether more lines follow them.
    pub(crate) has_more: bool,
    pub(crate) begin: Positions,
    pub(crate) end: Positions,
}

/// The newest lines, at most `count`.
pub(crate) fn newest(logs: &dyn Logs, choice: &Choice, count: usize) -> Result<Passage, StoreError> {
    let start = |_: &ServiceName| match choice.filter.is_empty() {
        true => (Start::Tail(count as u64), None),
        false => (Start::Oldest, None),
    };
    read(logs, choice, start, count, &mut Reader::default())
}

/// The lines before these positions, at most `count`.
pub(crate) fn before(
    logs: &dyn Logs,
    choice: &Choice,
    positions: &Positions,
    count: usize,
) -> Result<Passage, StoreError> {
    let start = |service: &ServiceName| {
        let position = positions.of(service);
        match choice.filter.is_empty() {
            true => (Start::Before { position, count: count as u64 }, Some(position)),
            false => (Start::Oldest, Some(position)),
        }
    };
    read(logs, choice, start, count, &mut Reader::default())
}

/// The lines from these positions on; of more than `count` only the newest.
pub(crate) fn after(
    logs: &dyn Logs,
    choice: &Choice,
    positions: &Positions,
    count: usize,
    reader: &mut Reader,
) -> Result<Passage, StoreError> {
    read(logs, choice, |service| (Start::At(positions.of(service)), None), count, reader)
}

/// The lines from these positions on, at most `count`, the oldest ones.
pub(crate) fn from(
    logs: &dyn Logs,
    choice: &Choice,
    positions: &Positions,
    count: usize,
) -> Result<Passage, StoreError> {
    let most = Most::Oldest(count);
    read_most(logs, choice, |service| (Start::At(positions.of(service)), None), most, &mut Reader::default())
}

/// The lines of one service from `start` on.
pub(crate) fn last(logs: &dyn Logs, service: &ServiceName, start: Start) -> Result<Vec<LogLine>, StoreError> {
    let choice = Choice { service: Some(service.clone()), filter: String::new() };
    let start = |_: &ServiceName| (start, None);
    Ok(read(logs, &choice, start, usize::MAX, &mut Reader::default())?.lines.into())
}

/// Hands every line of a choice to `on_line`, oldest first, until that fails.
pub(crate) fn all<E: From<StoreError>>(
    logs: &dyn Logs,
    choice: &Choice,
    mut on_line: impl FnMut(&LogLine) -> Result<(), E>,
) -> Result<(), E> {
    let services = choice.services(logs)?;
    let mut merged = open(logs, &services, |_| (Start::Oldest, None))?;
    let (masker, mut reader) = (logs.masker(), Reader::default());
    merged.read(Patience::None, |line| {
        let line = shown(&services, line, &masker, usize::MAX, &mut reader);
        if matches(&line, &choice.filter) { on_line(&line) } else { Ok(()) }
    })
}

fn read(
    logs: &dyn Logs,
    choice: &Choice,
    start: impl Fn(&ServiceName) -> (Start, Option<u64>),
    count: usize,
    reader: &mut Reader,
) -> Result<Passage, StoreError> {
    read_most(logs, choice, start, Most::Newest(count), reader)
}

/// How many lines are read, and which of more.
#[derive(Debug, Clone, Copy)]
enum Most {
    Newest(usize),
    Oldest(usize),
}

/// Why reading ended before the end.
enum Halt {
    Full,
    Failed(StoreError),
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

fn read_most(
    logs: &dyn Logs,
    choice: &Choice,
    start: impl Fn(&ServiceName) -> (Start, Option<u64>),
    most: Most,
    reader: &mut Reader,
) -> Result<Passage, StoreError> {
    let services = choice.services(logs)?;
    let mut passage = Passage::default();
    let mut merged = open(logs, &services, &start)?;
    // After the look at the logs: what they hold was a secret by then.
    let masker = logs.masker();
    let read = merged.read(Patience::None, |line| {
        if matches!(most, Most::Oldest(count) if passage.lines.len() == count) {
            // It stays the next one.
            return Err(Halt::Full);
        }
        passage.lost += line.lost;
        let line = shown(&services, line, &masker, LONGEST, reader);
        if matches(&line, &choice.filter) {
            passage.lines.push_back(line);
        }
        if matches!(most, Most::Newest(count) if passage.lines.len() > count) {
            passage.skipped += 1;
            passage.lines.pop_front();
        }
        Ok(())
    });
    match read {
        Err(Halt::Failed(error)) => return Err(error),
        Err(Halt::Full) => passage.has_more = true,
        Ok(()) => {}
    }
    for (service, end) in services.iter().zip(merged.positions()) {
        let first = passage.lines.iter().find(|line| line.service == *service);
        passage.begin.set(service, first.map_or(end, |line| line.offset));
        passage.end.set(service, end);
    }
    Ok(passage)
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

/// What is searched is what is seen: a filter finds no secret.
fn matches(line: &LogLine, filter: &str) -> bool {
    filter.is_empty() || line.text().to_lowercase().contains(filter)
}

fn shown(
    services: &[ServiceName],
    line: MergedLine,
    masker: &Masker,
    longest: usize,
    reader: &mut Reader,
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
    let service = services[line.service].clone();
    let level = reader.level_of(line.service, text.plain());
    LogLine { service, offset: line.offset, time, level, pieces, cut }
}

#[cfg(test)]
mod tests;
