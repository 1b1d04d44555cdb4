//! Reading a log line by line, and following it while it grows.
//!
//! Every line is returned once and in the order of writing, over any number of rotations between two looks.
//! Output that a rotation deleted before it was read is lost, and its length is reported; after a truncation,
//! the rest is read from its beginning. A line is returned when it is complete: see `line_break`.

mod begin;

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;

use super::chain::{self, Chain, FileId, OpenFile};
use super::line_break;
use super::time_index::{IndexReader, LineTime, When};
use crate::error::StoreError;

/// Where reading starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the oldest line that is kept.
    Oldest,
    /// This many lines before the end; an unfinished line counts.
    Tail(u64),
    /// This many lines before the end, none from before the last start if that is known.
    TailOfRun(u64),
    /// At the first line that was not captured before this; at the oldest one if unknown.
    Since(When),
    /// Exactly here, where an earlier reading ended; at the oldest kept line if that place is gone, and at
    /// the beginning of the current log if positions started over.
    At(u64),
    /// This many lines before the last start, and nothing after it: the end of the previous instance's
    /// output.
    BeforeLastStart(u64),
    /// This many lines before a place where a line begins.
    Before { position: u64, count: u64 },
}

/// How many bytes are read at a time.
const BLOCK: usize = 64 * 1024;

/// The length at which an unfinished line is returned in pieces, to bound memory, in bytes.
const LONGEST_LINE: usize = 16 * 1024 * 1024;

/// A place in one service's output.
#[derive(Debug)]
pub struct LogReader {
    chain: Chain,
    /// Still to be read, oldest first. The last one is the file that may grow.
    files: VecDeque<OpenFile>,
    /// Older than every file in `files`; must not be read again under any name.
    done: Vec<FileId>,
    pub(super) index: IndexReader,
    /// The last file's identity, length and time of change when the index was last read.
    looked_at: Option<(FileId, u64, i64)>,
    /// Where `line` begins in the service's whole output.
    line_start: u64,
    block: Box<[u8]>,
    /// The part of `block` that was read from a file and not yet returned.
    start: usize,
    end: usize,
    line: Vec<u8>,
    state: LineState,
    /// The next bytes do not continue `line`.
    line_is_cut: bool,
    piece: Piece,
    /// The next piece is the rest of a line.
    rest_follows: bool,
    /// How much was deleted before the next bytes, in bytes.
    lost: u64,
    lost_before: u64,
}

/// How much of a line was returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Piece {
    /// The line began in the piece before.
    pub is_rest: bool,
    pub ending: Ending,
}

/// How the returned part of a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ending {
    /// With the line.
    #[default]
    Complete,
    /// In the middle of a line that is too long, or whose rest is lost.
    Cut,
    /// At the end of the output so far.
    Unfinished,
}

/// The contents of `line`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineState {
    /// The beginning of a line; may be empty.
    Unfinished,
    /// The beginning of a line whose end will never come.
    Abandoned,
    /// A line that was returned.
    HandedOut,
}

/// Returns the services that have a log in this home, ordered by name.
///
/// # Errors
/// The folder of the logs can't be listed.
pub fn services(layout: &Layout) -> Result<BTreeSet<ServiceName>, StoreError> {
    chain::services_with_logs(layout)
}

impl LogReader {
    /// Opens a service's log, which need not exist yet.
    ///
    /// # Errors
    /// A file of it can't be opened or read.
    pub fn open(layout: &Layout, service: &ServiceName, start: Start) -> Result<Self, StoreError> {
        let chain = Chain::new(layout, service);
        let mut files = chain.open()?;
        let index = IndexReader::open(layout, service, &mut files);
        let mut reader = Self {
            files: files.into(),
            chain,
            index,
            looked_at: None,
            line_start: 0,
            done: Vec::new(),
            block: vec![0; BLOCK].into(),
            start: 0,
            end: 0,
            line: Vec::new(),
            state: LineState::Unfinished,
            line_is_cut: false,
            piece: Piece::default(),
            rest_follows: false,
            lost: 0,
            lost_before: 0,
        };
        reader.compare_index();
        reader.skip_to_start(start)?;
        Ok(reader)
    }

    /// Returns the next complete line without its line break; `None` at the end of the output that
    /// [`LogReader::open`] or the last [`LogReader::look`] saw.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, StoreError> {
        if self.state == LineState::HandedOut {
            self.line.clear();
            self.state = LineState::Unfinished;
        }
        if self.line.is_empty() {
            self.line_start = self.position();
        }
        loop {
            let is_too_long = self.line.len() >= LONGEST_LINE;
            if self.state == LineState::Abandoned || is_too_long {
                self.hand_out(Ending::Cut, is_too_long);
                self.state = LineState::HandedOut;
                return Ok(Some(&self.line));
            }
            let unread = &self.block[self.start..self.end];
            if let Some(found) = line_break::next(&self.line, unread) {
                let range = self.start..self.start + found.length;
                self.start += found.length + found.skipped;
                self.line.truncate(line_break::trimmed(&self.line).len());
                let is_empty = self.line.is_empty() && range.is_empty();
                if is_empty && !found.is_line_feed && !self.rest_follows {
                    self.line_start = self.position();
                    continue;
                }
                self.hand_out(Ending::Complete, false);
                if self.line.is_empty() {
                    return Ok(Some(&self.block[range]));
                }
                self.line.extend_from_slice(&self.block[range]);
                self.state = LineState::HandedOut;
                return Ok(Some(&self.line));
            }
            self.line.extend_from_slice(unread);
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Returns the unfinished line at the end, if there is one. A carriage return at its end may belong to a
    /// line feed that has not been written yet.
    pub fn unfinished(&self) -> Option<&[u8]> {
        let is_one = self.state == LineState::Unfinished && !line_break::trimmed(&self.line).is_empty();
        is_one.then_some(&*self.line)
    }

    /// Says how much of its line the unfinished line is.
    pub fn unfinished_piece(&self) -> Piece {
        Piece { is_rest: self.rest_follows, ending: Ending::Unfinished }
    }

    /// Takes the unfinished line at the end, if there is one. Later bytes then form a new line.
    pub fn take_unfinished(&mut self) -> Option<Vec<u8>> {
        self.unfinished()?;
        self.hand_out(Ending::Unfinished, false);
        let mut line = std::mem::take(&mut self.line);
        line.truncate(line_break::trimmed(&line).len());
        Some(line)
    }

    fn hand_out(&mut self, ending: Ending, rest_follows: bool) {
        self.piece = Piece { is_rest: std::mem::replace(&mut self.rest_follows, rest_follows), ending };
        // A line whose rest is lost precedes the gap.
        let is_before = ending == Ending::Cut && !rest_follows;
        self.lost_before = if is_before { 0 } else { std::mem::take(&mut self.lost) };
    }

    /// Returns how many bytes were deleted unread right before the last returned line, according to the
    /// index.
    pub fn lost_before(&self) -> u64 {
        self.lost_before
    }

    /// Says how much of its line was last returned.
    pub fn piece(&self) -> Piece {
        self.piece
    }

    /// Returns where the last returned line begins, in bytes since the first log of the service; before the
    /// first one, where the next line begins.
    pub fn line_start(&self) -> u64 {
        self.line_start
    }

    /// Returns when the last returned line was captured.
    pub fn line_time(&mut self) -> LineTime {
        let position = self.position();
        match self.files.front() {
            Some(file) => self.index.time_of(position, file),
            None => LineTime::NotAfter(Timestamp::MAX),
        }
    }

    /// Returns the position up to which everything was captured before this moment; `None` if unknown.
    pub fn position_of(&self, when: When) -> Option<u64> {
        match self.files.is_empty() {
            // Nothing was captured in an empty log.
            true => Some(0),
            false => self.index.position_of(when, self.files.iter()),
        }
    }

    /// Returns the position of the first line after a stretch that begins at `start`.
    pub(super) fn end_of(&self, start: Start) -> Option<u64> {
        match start {
            Start::BeforeLastStart(_) => self.position_of(When::LastStart),
            Start::Oldest
            | Start::Tail(_)
            | Start::TailOfRun(_)
            | Start::Since(_)
            | Start::At(_)
            | Start::Before { .. } => None,
        }
    }

    /// Detects growth, rotation, truncation, replacement or creation of the log.
    ///
    /// # Errors
    /// A file of it can't be opened or examined.
    pub fn look(&mut self) -> Result<(), StoreError> {
        let current = self.chain.current()?;
        if current.is_some() && current != self.files.back().map(|last| last.id) {
            self.follow_rotation()?;
        }
        let Some(last) = self.files.back_mut() else { return Ok(()) };
        let before = (last.id, last.length, last.changed);
        last.refresh()?;
        if last.length < last.offset {
            last.offset = 0;
            self.line_is_cut = true;
        }
        if self.looked_at != Some(before) || before != (last.id, last.length, last.changed) {
            self.looked_at = Some((last.id, last.length, last.changed));
            self.index.refresh();
            self.index.place(self.files.make_contiguous());
            self.restart_emptied();
            self.compare_index();
        }
        Ok(())
    }

    /// Treats the content of a truncated log as new, even if the log has grown again.
    fn restart_emptied(&mut self) {
        let Some(last) = self.files.back_mut().filter(|last| last.was_emptied) else { return };
        last.was_emptied = false;
        let kept = self.index.kept_of(last);
        if last.offset > kept {
            last.offset = kept;
            self.line_is_cut = true;
        }
    }

    fn compare_index(&mut self) {
        if let Some(last) = self.files.back() {
            self.index.compare(last);
        }
    }

    /// Returns the position of the next byte to read.
    fn position(&self) -> u64 {
        let unread = (self.end - self.start) as u64;
        self.files.front().map_or(0, |file| file.base.saturating_add(file.offset).saturating_sub(unread))
    }

    /// Follows the current name, which now belongs to a newer file than our last one.
    fn follow_rotation(&mut self) -> Result<(), StoreError> {
        let chain = self.chain.open()?;
        let ids: Vec<FileId> = chain.iter().map(|file| file.id).collect();
        let known = self.files.back().map(|last| last.id);
        if let Some(last) = self.files.back_mut() {
            // A newer file exists, so this one has its final length now.
            last.refresh()?;
        }
        let newer: Vec<OpenFile> = match known.and_then(|known| ids.iter().position(|&id| id == known)) {
            Some(place) => chain.into_iter().skip(place + 1).collect(),
            None => {
                // Ours was deleted, by hand or by more rotations than files are kept.
                if let Some(last) = self.files.back_mut() {
                    last.is_severed = true;
                }
                chain.into_iter().filter(|file| !self.knows(file.id)).collect()
            }
        };
        self.files.extend(newer);
        self.done.retain(|id| ids.contains(id));
        Ok(())
    }

    fn knows(&self, id: FileId) -> bool {
        self.done.contains(&id) || self.files.iter().any(|file| file.id == id)
    }

    /// Reads the next block, or detects that the line has no continuation; false at the end of all known
    /// output.
    fn fill(&mut self) -> Result<bool, StoreError> {
        (self.start, self.end) = (0, 0);
        loop {
            let is_last = self.files.len() == 1;
            let Some(file) = self.files.front_mut() else { return Ok(false) };
            if std::mem::take(&mut self.line_is_cut) && !self.line.is_empty() {
                self.state = LineState::Abandoned;
                return Ok(true);
            }
            if file.offset < file.length {
                let count = file.read_at(file.offset, &mut self.block)?;
                if count > 0 {
                    file.offset += count as u64;
                    self.end = count;
                    return Ok(true);
                }
                // It was truncated since the last look; the next look sees how far.
            }
            if is_last {
                return Ok(false);
            }
            self.line_is_cut = file.is_severed;
            let end = file.end();
            self.done.extend(self.files.pop_front().map(|file| file.id));
            if self.line_is_cut
                && let Some(next) = self.files.front()
            {
                self.lost += next.base.saturating_sub(end);
            }
            if self.line.is_empty() {
                self.line_start = self.position();
            }
        }
    }
}

#[cfg(test)]
mod tests;
