//! Several logs in one view.
//!
//! Each service's lines keep their order. Lines of different services are ordered by capture time; a line
//! without a known time comes right after its predecessor, and so does one that belongs to its predecessor
//! (see `block`). A line that is read only by a later look comes after those of earlier ones, whatever its
//! time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::Timestamp;
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;

use super::block::Block;
use super::read::{LogReader, Piece, Start};
use super::time_index::{LineTime, When};
use crate::error::StoreError;

/// The logs of some services.
#[derive(Debug)]
pub struct Merged {
    sources: Vec<Source>,
    until: Option<When>,
    /// The service whose line came last.
    last: Option<usize>,
}

/// How lines of other services wait for the end of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Until the block is complete.
    Block,
    /// Only for lines that were already read.
    None,
}

/// A part of one service's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    pub service: ServiceName,
    pub start: Start,
    /// The position of the first line after it.
    pub end: Option<u64>,
}

/// A line of one of the logs.
#[derive(Debug, Clone, Copy)]
pub struct MergedLine<'a> {
    /// The index of its service in the list that was opened.
    pub service: usize,
    /// Without the line break.
    pub bytes: &'a [u8],
    /// Where it begins, in bytes since the first log of the service.
    pub offset: u64,
    pub time: LineTime,
    pub piece: Piece,
    /// How much of the service's output was deleted unread right before it, in bytes.
    pub lost: u64,
}

/// The capture time of a service's next line, and the service: the earliest is the greatest.
type Turn = Reverse<(Option<Timestamp>, usize)>;

/// One log and its next line.
#[derive(Debug)]
struct Source {
    reader: LogReader,
    bytes: Vec<u8>,
    /// `None` if no next line was read yet.
    next: Option<NextLine>,
    block: Block,
    /// The position to end at, regardless of time.
    end: Option<u64>,
    /// The latest known time so far.
    reached: Option<Timestamp>,
    /// Lines before this position that came after the requested time are left out.
    left_out_to: u64,
    /// All further lines are after the requested time.
    is_over: bool,
}

/// A line's time and grouping.
#[derive(Debug, Clone, Copy)]
struct NextLine {
    offset: u64,
    time: LineTime,
    piece: Piece,
    lost: u64,
    /// It belongs to the line before it.
    belongs: bool,
}

impl Merged {
    /// Opens the logs of these services, each at `start`; lines with a known capture time after `until` are
    /// left out.
    ///
    /// # Errors
    /// One of them can't be opened or read.
    pub fn open(
        layout: &Layout,
        services: &[ServiceName],
        start: Start,
        until: Option<When>,
    ) -> Result<Self, StoreError> {
        let mut merged = Self { sources: Vec::new(), until, last: None };
        for service in services {
            merged.add(layout, service, start)?;
        }
        Ok(merged)
    }

    /// Adds another service's log.
    ///
    /// # Errors
    /// It can't be opened or read.
    pub fn add(&mut self, layout: &Layout, service: &ServiceName, start: Start) -> Result<(), StoreError> {
        self.add_stretch(layout, &Stretch { service: service.clone(), start, end: None })
    }

    fn add_stretch(&mut self, layout: &Layout, stretch: &Stretch) -> Result<(), StoreError> {
        let reader = LogReader::open(layout, &stretch.service, stretch.start)?;
        let end = stretch.end.or_else(|| reader.end_of(stretch.start));
        self.sources.push(Source {
            reader,
            bytes: Vec::new(),
            next: None,
            block: Block::default(),
            end,
            reached: None,
            left_out_to: 0,
            is_over: false,
        });
        Ok(())
    }

    /// Opens parts of logs.
    ///
    /// # Errors
    /// One of them can't be opened or read.
    pub fn open_stretches(layout: &Layout, stretches: &[Stretch]) -> Result<Self, StoreError> {
        let mut merged = Self { sources: Vec::new(), until: None, last: None };
        for stretch in stretches {
            merged.add_stretch(layout, stretch)?;
        }
        Ok(merged)
    }

    /// Returns where the next line of each service begins, in the order in which they were opened.
    pub fn positions(&self) -> impl Iterator<Item = u64> {
        let next = |source: &Source| source.next.map_or(source.reader.line_start(), |next| next.offset);
        self.sources.iter().map(next)
    }

    /// True if the index can divide a service's lines into those before and after this moment.
    pub fn knows(&self, service: usize, when: When) -> bool {
        self.position_of(service, when).is_some()
    }

    /// Returns the position in a service's output up to which everything was captured before this moment;
    /// `None` if unknown.
    pub fn position_of(&self, service: usize, when: When) -> Option<u64> {
        self.sources.get(service)?.reader.position_of(when)
    }

    /// True if all further lines are after the requested time.
    pub fn is_over(&self) -> bool {
        !self.sources.is_empty() && self.sources.iter().all(|source| source.is_over)
    }

    /// Calls `on_line` with every complete line that was read, until it fails.
    ///
    /// # Errors
    /// A log can't be read, or `on_line` failed.
    pub fn read<E: From<StoreError>>(
        &mut self,
        patience: Patience,
        mut on_line: impl FnMut(MergedLine) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut others = BinaryHeap::new();
        for (service, source) in self.sources.iter_mut().enumerate() {
            source.advance(self.until)?;
            if self.last != Some(service) && source.next.is_some() {
                others.push(Reverse((source.reached, service)));
            }
        }
        while let Some(service) = self.turn(patience, &mut others) {
            self.last = Some(service);
            let source = &mut self.sources[service];
            if let Some(NextLine { offset, time, piece, lost, belongs: _ }) = source.next.take() {
                on_line(MergedLine { service, bytes: &source.bytes, offset, time, piece, lost })?;
            }
            source.advance(self.until)?;
        }
        Ok(())
    }

    /// Returns the service of the next line: the last one while its lines belong together, or came no later
    /// than those of the others.
    fn turn(&self, patience: Patience, others: &mut BinaryHeap<Turn>) -> Option<usize> {
        let Some((last, source)) = self.last.and_then(|last| Some((last, self.sources.get(last)?))) else {
            return others.pop().map(|Reverse((_, service))| service);
        };
        match source.next {
            Some(next) if next.belongs => return Some(last),
            Some(_) if others.peek().is_none_or(|Reverse((time, _))| source.reached <= *time) => {
                return Some(last);
            }
            Some(_) => others.push(Reverse((source.reached, last))),
            None if patience == Patience::Block && source.block.is_open() => return None,
            None => {}
        }
        others.pop().map(|Reverse((_, service))| service)
    }

    /// True if lines wait for the end of another service's block.
    pub fn is_holding(&self) -> bool {
        self.sources.iter().any(|source| source.next.is_some())
    }

    /// Calls `on_line` with the unfinished lines at the ends; they are not consumed.
    ///
    /// # Errors
    /// `on_line` failed.
    pub fn read_unfinished<E>(
        &mut self,
        mut on_line: impl FnMut(MergedLine) -> Result<(), E>,
    ) -> Result<(), E> {
        for (service, source) in self.sources.iter_mut().enumerate() {
            // It comes after a complete line that still waits.
            if source.next.is_some() || source.is_over || source.reader.unfinished().is_none() {
                continue;
            }
            let offset = source.reader.line_start();
            let time = source.reader.line_time();
            if !source.is_after(offset, time, self.until)
                && let Some(bytes) = source.reader.unfinished()
            {
                let piece = source.reader.unfinished_piece();
                on_line(MergedLine { service, bytes, offset, time, piece, lost: 0 })?;
            }
        }
        Ok(())
    }

    /// Looks for new output in every log.
    ///
    /// # Errors
    /// One of them can't be opened or examined.
    pub fn look(&mut self) -> Result<(), StoreError> {
        self.sources.iter_mut().try_for_each(|source| source.reader.look())
    }
}

impl Source {
    /// Reads the next line, unless one is waiting.
    fn advance(&mut self, until: Option<When>) -> Result<(), StoreError> {
        while self.next.is_none() && !self.is_over {
            let Some(line) = self.reader.next_line()? else { return Ok(()) };
            self.bytes.clear();
            self.bytes.extend_from_slice(line);
            let (offset, time, piece) = self.place();
            let belongs = self.block.reads(&self.bytes);
            if let LineTime::Known(time) = time {
                self.reached = self.reached.max(Some(time));
            }
            let is_late = self.is_after(offset, time, until);
            self.is_over =
                self.end.is_some_and(|end| offset >= end) || (is_late && !self.is_left_out(offset, until));
            let lost = self.reader.lost_before();
            self.next =
                (!is_late && !self.is_over).then_some(NextLine { offset, time, piece, lost, belongs });
        }
        Ok(())
    }

    /// Returns true if a line after the requested time is not the end, because the clock was set back after
    /// it.
    fn is_left_out(&mut self, offset: u64, until: Option<When>) -> bool {
        if let Some(When::At(until)) = until
            && self.left_out_to <= offset
        {
            self.left_out_to = self.reader.index.returns_to(until, offset).unwrap_or(0);
        }
        offset < self.left_out_to
    }

    fn place(&mut self) -> (u64, LineTime, Piece) {
        (self.reader.line_start(), self.reader.line_time(), self.reader.piece())
    }

    fn is_after(&self, offset: u64, time: LineTime, until: Option<When>) -> bool {
        match (until, time) {
            (Some(When::At(until)), LineTime::Known(time)) => time > until,
            (Some(When::At(until)), LineTime::NotAfter(_)) => self.reached.is_some_and(|time| time > until),
            (Some(mark @ (When::LastStart | When::LastReady)), _) => {
                self.reader.position_of(mark).is_some_and(|position| offset >= position)
            }
            (None, _) => false,
        }
    }
}

#[cfg(test)]
mod tests;
