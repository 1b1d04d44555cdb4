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

    /// True if bytes were taken from the FIFO that are not in the log yet.
    pub(crate) fn holds_some(&self) -> bool {
        self.0.holds_some()
    }

    /// Moves up to `most` bytes to offset `end` of the log, and advances it. Returns 0 if there are no
    /// writers.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing to move now; or the log can't be written.
    pub(crate) fn transfer(
        &mut self,
        fifo: &File,
        log: &File,
        end: &mut u64,
        most: usize,
    ) -> io::Result<usize> {
        self.0.transfer(fifo, log, end, most)
    }

    /// Nothing to prepare for a flood here.
    pub(crate) fn expect_much(&mut self, _fifo: &File) {}

    /// Nothing to undo after a flood.
    pub(crate) fn expect_little(&mut self, _fifo: &File) {}

    /// Returns the bytes that would be moved next, at most `most`.
    ///
    /// # Errors
    /// As [`Mover::transfer`].
    pub(crate) fn look_ahead(&mut self, fifo: &File, most: usize) -> io::Result<Vec<u8>> {
        self.0.look_ahead(fifo, most)
    }

    /// Removes up to `most` bytes and returns them; they exist nowhere else then.
    ///
    /// # Errors
    /// As [`Mover::transfer`].
    pub(crate) fn take(&mut self, fifo: &File, most: usize) -> io::Result<Vec<u8>> {
        self.0.take(fifo, most)
    }

    /// Notifies the log's followers that it grew.
    ///
    /// # Errors
    /// None: write(2) notifies them.
    pub(crate) fn announce(&self, _log: &File, _length: u64) -> io::Result<()> {
        Ok(())
    }
}
