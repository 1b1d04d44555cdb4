//! Moving bytes from a FIFO to a file by read and write, as any system can.
//!
//! What a killed supervisor had read and not yet written is lost: at most one buffer.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// How much is read at once.
const BUFFER: usize = 64 << 10;

/// Moves bytes, and holds those that were read and not yet written.
#[derive(Debug)]
pub(crate) struct Mover {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Mover {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; BUFFER].into(), start: 0, end: 0 }
    }

    /// Whether bytes were taken from the FIFO that are not in the log yet.
    pub(crate) fn holds_some(&self) -> bool {
        self.start < self.end
    }

    /// Moves up to `most` bytes to this place of the log, which moves on. No bytes: no writers.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing to move for now, or the log can't be written.
    pub(crate) fn transfer(
        &mut self,
        fifo: &File,
        log: &File,
        end: &mut u64,
        most: usize,
    ) -> io::Result<usize> {
        let held = self.held(fifo)?;
        let moved = log.write_at(&held[..held.len().min(most)], *end)?;
        self.start += moved;
        *end += moved as u64;
        Ok(moved)
    }

    /// The service writes faster than its output is moved.
    pub(crate) fn expect_much(&mut self, _fifo: &File) {}

    /// It does not any more.
    pub(crate) fn expect_little(&mut self, _fifo: &File) {}

    /// What would be moved next, as much as there is and at most so much.
    ///
    /// # Errors
    /// As [`Mover::transfer`].
    pub(crate) fn look_ahead(&mut self, fifo: &File, most: usize) -> io::Result<Vec<u8>> {
        let held = self.held(fifo)?;
        Ok(held[..held.len().min(most)].to_vec())
    }

    /// Takes up to so many bytes, which then are nowhere but here.
    ///
    /// # Errors
    /// As [`Mover::transfer`].
    pub(crate) fn take(&mut self, fifo: &File, most: usize) -> io::Result<Vec<u8>> {
        let bytes = self.look_ahead(fifo, most)?;
        self.start += bytes.len();
        Ok(bytes)
    }

    /// Sees to it that whoever follows the log, which is so long now, learns that it grew.
    ///
    /// # Errors
    /// None: a write tells them.
    pub(crate) fn announce(&self, _log: &File, _length: u64) -> io::Result<()> {
        Ok(())
    }

    /// What was read and not yet written; if that is nothing, what can be read now.
    fn held(&mut self, mut fifo: &File) -> io::Result<&[u8]> {
        if !self.holds_some() {
            (self.start, self.end) = (0, fifo.read(&mut self.buffer)?);
        }
        Ok(&self.buffer[self.start..self.end])
    }
}
