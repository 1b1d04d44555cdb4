//! The writing side of the time index: one entry for each move, at most one per 10 ms.
//!
//! The index never delays or prevents writing to the log: an entry is written after the bytes were moved, and
//! a failure is not an error, only a line without a known time. A supervisor that is killed between the two
//! loses at most the last entry, and the next one uses the time of the log's last change instead. An index
//! that is missing, damaged, or does not fit its log (which was truncated) is replaced; bytes that are there
//! already have an unknown time.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use jiff::Timestamp;
use pipulate_core::layout::Layout;
use pipulate_core::project::AbsPath;
use pipulate_core::service::ServiceName;

use super::{Begin, Found, Header, IndexEntry, ONE_DRAIN, READY_AT, RECORD, START_AT, Stored};
use crate::files::{self, changed_at};
use crate::unwatched;

/// Moves this close to each other share an entry, in microseconds.
const RESOLUTION: i64 = 10_000;

/// The moments that `logs --since last-…` finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The service is about to be started: what it prints comes after.
    Start,
    /// The service answered for the first time since its start.
    Ready,
}

/// The open index of one service.
#[derive(Debug)]
pub(crate) struct IndexWriter {
    path: AbsPath,
    /// The most logs its header names: the kept ones, the current one, and the last deleted one, which may
    /// still be open in a reader.
    logs: usize,
    /// `None` if it can't be written.
    stored: Option<Stored>,
    /// The position of the last entry.
    last: u64,
    /// The time of the last entry's first bytes, if we wrote it.
    since: Option<i64>,
    /// The number of entries for logs before the current one.
    before_log: u64,
    /// There was an invalid index.
    was_damaged: bool,
}

impl IndexWriter {
    /// Opens the index of the open current log, or begins one. Also returns the position at which that log
    /// begins.
    pub(crate) fn open(layout: &Layout, service: &ServiceName, log: &Metadata, keep: u32) -> (Self, u64) {
        let path = layout.log_index(service);
        let logs = usize::try_from(keep).unwrap_or(usize::MAX).saturating_add(2);
        let (stored, was_damaged) = match Stored::open(&path, OpenOptions::new().write(true)) {
            Found::Sound(stored) if stored.is_in_order() => (Some(stored), false),
            Found::Sound(_) | Found::Damaged => (None, true),
            Found::Nothing => (None, false),
        };
        let last = stored.as_ref().and_then(Stored::last).map_or(0, |last| last.position);
        let mut index = Self { path, logs, stored, last, since: None, before_log: 0, was_damaged };
        let base = match index.base_of(log) {
            Some(base) => base,
            None => index.adopt(layout, service, log),
        };
        index.count_entries_before(base);
        (index, base)
    }

    /// Returns the size of the current log's entries, in bytes: they count as part of the log.
    pub(crate) fn weight(&self) -> u64 {
        self.stored.as_ref().map_or(0, |stored| RECORD * stored.count.saturating_sub(self.before_log))
    }

    /// True if the old index was invalid, so that this is a new one.
    pub(crate) fn was_damaged(&self) -> bool {
        self.was_damaged
    }

    fn count_entries_before(&mut self, base: u64) {
        let first = |stored: &Stored| stored.first_not(|entry| entry.position <= base);
        self.before_log = self.stored.as_ref().map_or(0, first);
    }

    /// Returns where this log begins, if the index has it and its length fits.
    fn base_of(&mut self, log: &Metadata) -> Option<u64> {
        let begin = *self.stored.as_ref()?.header.logs.last()?;
        let end = begin.position.checked_add(log.len())?;
        if begin.file != files::number(log) || end < self.last {
            return None;
        }
        self.heal(end, log, true);
        Some(begin.position)
    }

    /// Adds a log that is not in the index, or whose length does not fit.
    fn adopt(&mut self, layout: &Layout, service: &ServiceName, log: &Metadata) -> u64 {
        let old = |number| fs::symlink_metadata(layout.old_log(service, number)).ok();
        let old: Vec<Metadata> = (1..).map_while(old).collect();
        let mut header = self.header();
        let is_here = |begin: &Begin| old.iter().chain([log]).any(|file| files::number(file) == begin.file);
        let base = match header.logs.last().copied().filter(|_| header.logs.iter().any(is_here)) {
            Some(begin) => {
                // A rotation was interrupted between the two names.
                if let Some(previous) = old.first().filter(|previous| files::number(previous) == begin.file) {
                    self.heal(begin.position.saturating_add(previous.len()), previous, true);
                }
                begin.position.max(self.last)
            }
            // There was no index, or these are copies of its logs.
            None => {
                (header, self.stored, self.last) = (Header::default(), None, 0);
                old.iter().map(Metadata::len).sum()
            }
        };
        self.rewrite(header, Begin { file: files::number(log), position: base });
        self.heal(base + log.len(), log, false);
        base
    }

    /// Continues with a current log that was replaced or truncated: its content begins at this position or
    /// later; returns where.
    pub(crate) fn take_over(&mut self, log: &Metadata, position: u64) -> u64 {
        let position = position.max(self.last);
        self.rewrite(self.header(), Begin { file: files::number(log), position });
        self.heal(position + log.len(), log, false);
        // The next bytes have a time of their own.
        self.since = None;
        position
    }

    fn header(&self) -> Header {
        self.stored.as_ref().map(|stored| stored.header.clone()).unwrap_or_default()
    }

    /// Adds an entry for bytes that have none.
    fn heal(&mut self, end: u64, log: &Metadata, is_known: bool) {
        if end > self.last {
            let is_exact = is_known && end - self.last <= ONE_DRAIN;
            self.write(IndexEntry { position: end, time: changed_at(log), is_exact }, false);
        }
    }

    /// Uses the new paths after the project's folder was moved.
    pub(crate) fn follow(&mut self, layout: &Layout, service: &ServiceName) {
        self.path = layout.log_index(service);
    }

    /// Hides later writes from watchers of the folder, as for the log itself.
    pub(crate) fn unwatch(&mut self) {
        let Some(stored) = &mut self.stored else { return };
        if let Some(file) = unwatched::reopened(&stored.file, &self.path) {
            stored.file = file;
        }
    }

    /// Records that everything before this position is in the log now.
    pub(crate) fn moved(&mut self, position: u64) {
        if position <= self.last {
            return;
        }
        let time = Timestamp::now().as_microsecond();
        let widen = self.since.is_some_and(|since| (since..since + RESOLUTION).contains(&time));
        if self.write(IndexEntry { position, time, is_exact: true }, widen) && !widen {
            self.since = Some(time);
        }
    }

    /// Remembers this position.
    pub(crate) fn mark(&mut self, mark: Mark, position: u64) {
        let Some(stored) = &mut self.stored else { return };
        let (at, known) = match mark {
            Mark::Start => (START_AT, &mut stored.header.start),
            Mark::Ready => (READY_AT, &mut stored.header.ready),
        };
        if stored.file.write_all_at(&position.to_le_bytes(), at).is_ok() {
            *known = Some(position);
        }
    }

    /// Begins a new log at this position; entries of logs that are no longer kept are dropped.
    pub(crate) fn begin_log(&mut self, log: &File, position: u64) {
        if let Ok(meta) = log.metadata() {
            self.rewrite(self.header(), Begin { file: files::number(&meta), position });
        }
    }

    /// Appends an entry, or overwrites the last one.
    fn write(&mut self, entry: IndexEntry, in_place: bool) -> bool {
        let Some(stored) = &mut self.stored else { return false };
        let number = stored.count - u64::from(in_place && stored.count > 0);
        let written = stored.file.write_all_at(&entry.encode(), stored.offset_of(number)).is_ok();
        if written {
            stored.count = number + 1;
            self.last = entry.position;
        }
        written
    }

    /// Rewrites the index, with another log in its header.
    fn rewrite(&mut self, mut header: Header, log: Begin) {
        header.logs.push(log);
        header.logs.drain(..header.logs.len().saturating_sub(self.logs));
        let temporary = files::temporary_beside(&self.path);
        let written = write_anew(&temporary, &header, self.stored.as_ref())
            .and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            let _never_there = fs::remove_file(&temporary);
        }
        // If that failed, the old index stays in use: positions are unchanged.
        if let Found::Sound(stored) = Stored::open(&self.path, OpenOptions::new().write(true)) {
            if stored.count == 0 {
                self.since = None;
            }
            self.stored = Some(stored);
        }
        self.count_entries_before(log.position);
    }
}

/// Writes a new file with a header and the entries that are still needed.
fn write_anew(path: &Path, header: &Header, old: Option<&Stored>) -> io::Result<()> {
    let _left_behind = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&header.encode())?;
    if let Some(old) = old {
        let oldest = header.logs.first().map_or(0, |log| log.position);
        let first = old.offset_of(old.first_not(|entry| entry.position <= oldest));
        let length = old.offset_of(old.count) - first;
        let mut entries = &old.file;
        entries.seek(SeekFrom::Start(first))?;
        io::copy(&mut io::Read::take(entries, length), &mut file)?;
    }
    Ok(())
}
