//! Moving bytes from a FIFO to a file by read and write.

use std::fs::File;
use std::io;

use crate::os::held::Held;

/// Moves bytes, and holds those that were read and not yet written.
#[derive(Debug)]
pub(crate) struct Mover(Held);

impl Mover {
    pub(crate) fn new() -> Self {
        Self(Held::default())
    }

    /// Whether bytes were taken from the FIFO that are not in the log yet.
    pub(crate) fn holds_some(&self) -> bool {
        self.0.holds_some()
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
        self.0.transfer(fifo, log, end, most)
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
        self.0.look_ahead(fifo, most)
    }

    /// Takes up to so many bytes, which then are nowhere but here.
    ///
    /// # Errors
    /// As [`Mover::transfer`].
    pub(crate) fn take(&mut self, fifo: &File, most: usize) -> io::Result<Vec<u8>> {
        self.0.take(fifo, most)
    }

    /// Sees to it that whoever follows the log, which is so long now, learns that it grew.
    ///
    /// # Errors
    /// None: a write tells them.
    pub(crate) fn announce(&self, _log: &File, _length: u64) -> io::Result<()> {
        Ok(())
    }
}
