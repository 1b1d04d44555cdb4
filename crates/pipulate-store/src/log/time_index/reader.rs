//! The reading side of the time index: when a line was captured, and the output after a time.
//!
//! A line's time is that of the move that completed it: of the first entry at or after its end, which is at
//! most 10 ms after the move. Bytes after the last entry were moved last, when the log was last changed (the
//! writer is between log and index, or was killed there). All other times are unknown but have an upper
//! bound.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt as _;

use jiff::Timestamp;
use pipulate_core::layout::Layout;
use pipulate_core::project::AbsPath;
use pipulate_core::service::ServiceName;

use super::{AT_ONCE, Found, IndexEntry, ONE_DRAIN, Stored};
use crate::log::chain::OpenFile;

/// When a line was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineTime {
    /// At this time, to 10 ms.
    Known(Timestamp),
    /// Some time before.
    NotAfter(Timestamp),
}

/// A moment in a service's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    At(Timestamp),
    /// Its last start.
    LastStart,
    /// Its first answer after a start, the most recent one.
    LastReady,
}

/// The index of one service's log.
#[derive(Debug)]
pub(in crate::log) struct IndexReader {
    path: AbsPath,
    stored: Option<Stored>,
    inode: u64,
    last: Option<IndexEntry>,
    /// Consecutive entries, and the position of the one before them.
    block: Vec<IndexEntry>,
    floor: u64,
    /// The last result, and the range of positions for which it holds.
    answer: Option<(u64, u64, LineTime)>,
    /// The beginning of the current log if it was truncated: the entries' bytes are gone.
    truncated: Option<u64>,
}

impl IndexReader {
    /// Opens the index of these logs, if there is a valid one, and sets their positions.
    pub(in crate::log) fn open(layout: &Layout, service: &ServiceName, logs: &mut [OpenFile]) -> Self {
        let path = layout.log_index(service);
        let mut index = Self {
            path,
            stored: None,
            inode: 0,
            last: None,
            block: Vec::new(),
            floor: 0,
            answer: None,
            truncated: None,
        };
        index.refresh();
        index.place(logs);
        index
    }

    /// Refreshes the index: it grows, and a rotation replaces it.
    pub(in crate::log) fn refresh(&mut self) {
        let inode = fs::symlink_metadata(&self.path).map_or(0, |meta| meta.ino());
        if inode != self.inode || self.stored.is_none() {
            self.stored = match Stored::open(&self.path, &mut OpenOptions::new()) {
                Found::Sound(stored) => Some(stored),
                Found::Damaged | Found::Nothing => None,
            };
            self.inode = inode;
        } else if let Some(stored) = &mut self.stored {
            stored.count_entries();
        }
        self.block.clear();
        self.answer = None;
        self.last = self.stored.as_ref().and_then(Stored::last);
    }

    /// Sets the positions of logs: of those that the index names, and from them of the others; a log that was
    /// deleted meanwhile has its position already. An index that names none of them belongs to other logs, of
    /// which these may be copies.
    pub(in crate::log) fn place(&mut self, logs: &mut [OpenFile]) {
        let begins = self.stored.as_ref().map(|stored| stored.header.logs.as_slice()).unwrap_or_default();
        let named = |log: &OpenFile| {
            let begin = begins.iter().rev().find(|begin| begin.file == log.file_number);
            begin.map(|begin| begin.position)
        };
        let is_of_others = logs.iter().all(|log| named(log).is_none());
        let named = |log: &OpenFile| named(log).or_else(|| log.is_severed.then_some(log.base));
        let first = logs.iter().enumerate().find_map(|(place, log)| Some((place, named(log)?)));
        let mut next = first.map_or(0, |(place, position)| {
            let before: u64 = logs[..place].iter().map(|log| log.length).sum();
            position.saturating_sub(before)
        });
        for log in logs {
            let indexed = named(log);
            log.was_emptied |= log.indexed.is_some() && indexed.is_some() && indexed != log.indexed;
            log.indexed = indexed;
            log.base = indexed.unwrap_or(next);
            next = log.end();
        }
        if is_of_others {
            (self.stored, self.last) = (None, None);
        }
    }

    /// Returns how much of a log was left when it was truncated; the time of those bytes is unknown.
    pub(in crate::log) fn kept_of(&mut self, log: &OpenFile) -> u64 {
        let first = self.entry_at(log.base.saturating_add(1)).filter(|(_, entry)| !entry.is_exact);
        first.map_or(0, |(_, entry)| entry.position.saturating_sub(log.base))
    }

    /// Detects a truncation of the current log. A log that grew since its length was noted did not shrink:
    /// its length is read after the last entry.
    pub(in crate::log) fn compare(&mut self, current: &OpenFile) {
        let begin = self.stored.as_ref().and_then(|stored| stored.header.logs.last());
        let is_current = begin.is_some_and(|begin| begin.file == current.file_number);
        let indexed = self.last.map_or(0, |last| last.position);
        let is_shorter = || current.actual_length().is_some_and(|length| current.base + length < indexed);
        self.truncated = (is_current && is_shorter()).then_some(current.base);
    }

    /// Returns when the line that ends at this position of this log was captured.
    pub(in crate::log) fn time_of(&mut self, position: u64, log: &OpenFile) -> LineTime {
        let changed = timestamp(log.changed);
        let Some(indexed) = self.indexed() else { return LineTime::NotAfter(changed) };
        if self.is_truncated(log) {
            return LineTime::NotAfter(changed);
        }
        if position > indexed {
            return match position - indexed <= ONE_DRAIN {
                true => LineTime::Known(changed),
                false => LineTime::NotAfter(changed),
            };
        }
        if let Some((_, _, time)) = self.answer.filter(|(after, to, _)| *after < position && position <= *to)
        {
            return time;
        }
        let Some((after, entry)) = self.entry_at(position) else { return LineTime::NotAfter(changed) };
        let time = match entry.is_exact {
            true => LineTime::Known(timestamp(entry.time)),
            false => LineTime::NotAfter(timestamp(entry.time)),
        };
        self.answer = Some((after, entry.position, time));
        time
    }

    /// Returns the end of the indexed part: the last entry, or the beginning of the current log before its
    /// first entry. A log's first bytes can be read before their entry is written.
    fn indexed(&self) -> Option<u64> {
        let begin = || self.stored.as_ref()?.header.logs.last().map(|begin| begin.position);
        self.last.map(|last| last.position).or_else(begin)
    }

    fn is_truncated(&self, log: &OpenFile) -> bool {
        self.truncated.is_some_and(|base| log.base >= base)
    }

    /// Returns the first entry at or after a position, and the position of the one before it.
    fn entry_at(&mut self, position: u64) -> Option<(u64, IndexEntry)> {
        let is_here =
            self.block.last().is_some_and(|last| self.floor < position && position <= last.position);
        if !is_here {
            let stored = self.stored.as_ref()?;
            let first = stored.first_not(|entry| entry.position < position);
            let before = first.checked_sub(1).and_then(|before| stored.entry(before));
            self.floor = before.map_or(0, |before| before.position);
            self.block = stored.entries(first, AT_ONCE);
        }
        let place = self.block.partition_point(|entry| entry.position < position);
        let before = place.checked_sub(1).map_or(self.floor, |before| self.block[before].position);
        Some((before, *self.block.get(place)?))
    }

    /// Returns the position up to which everything came before this moment; `None` if the index does not know
    /// the moment.
    pub(in crate::log) fn position_of<'a>(
        &self,
        when: When,
        mut logs: impl DoubleEndedIterator<Item = &'a OpenFile>,
    ) -> Option<u64> {
        let header = self.stored.as_ref().map(|stored| &stored.header);
        let time = match when {
            When::LastStart => return header?.start,
            When::LastReady => return header?.ready,
            When::At(time) => time.as_microsecond(),
        };
        let indexed = self.last.map_or(0, |last| last.position);
        let in_index = self.stored.as_ref().and_then(|stored| {
            let first = stored.first_not(|entry| entry.time < time);
            stored.entry(first.checked_sub(1)?).map(|before| before.position)
        });
        // It has no entry, but nothing was added to it since.
        let old = logs.rfind(|log| log.changed < time && (log.end() > indexed || self.is_truncated(log)));
        let in_index = in_index.unwrap_or(0).min(self.truncated.unwrap_or(u64::MAX));
        Some(in_index.max(old.map_or(0, OpenFile::end)))
    }

    /// Returns where, after this position, output with times up to `time` begins: nowhere, unless the clock
    /// was set back.
    pub(in crate::log) fn returns_to(&self, time: Timestamp, position: u64) -> Option<u64> {
        let stored = self.stored.as_ref()?;
        let mut next = stored.first_not(|entry| entry.position <= position);
        let mut floor = position;
        loop {
            let block = stored.entries(next, AT_ONCE);
            next += u64::try_from(block.len()).ok().filter(|&count| count > 0)?;
            for entry in block {
                if entry.time <= time.as_microsecond() {
                    return Some(floor);
                }
                floor = entry.position;
            }
        }
    }
}

fn timestamp(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
