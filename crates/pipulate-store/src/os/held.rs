//! Moving bytes from a FIFO to a file by read and write, as any system and any file system can.
//!
//! A supervisor that is killed loses what it had read and not yet written: at most one buffer.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// How much is read at once.
const BUFFER: usize = 64 << 10;

/// The bytes that were read and not yet written.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Empty until it is needed.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Held {
    /// Whether there are any.
    pub(super) fn holds_some(&self) -> bool {
        self.start < self.end
    }

    /// Moves up to `most` bytes to this place of the log, which moves on. No bytes: no writers.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing to move for now, or the log can't be written.
    pub(super) fn transfer(
        &mut self,
        fifo: &File,
        log: &File,
        end: &mut u64,
        most: usize,
    ) -> io::Result<usize> {
        let bytes = self.bytes(fifo)?;
        let bytes = &bytes[..bytes.len().min(most)];
        let moved = log.write_at(bytes, *end)?;
        if moved == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.start += moved;
        *end += moved as u64;
        Ok(moved)
    }

    /// The next bytes, at most so many. They stay.
    ///
    /// # Errors
    /// `WouldBlock` when there are none for now, or the FIFO can't be read.
    pub(super) fn look_ahead(&mut self, fifo: &File, most: usize) -> io::Result<Vec<u8>> {
        let bytes = self.bytes(fifo)?;
        Ok(bytes[..bytes.len().min(most)].to_vec())
    }

    /// Takes up to so many bytes, which then are nowhere but in the answer.
    ///
    /// # Errors
    /// As [`Held::look_ahead`].
    pub(super) fn take(&mut self, fifo: &File, most: usize) -> io::Result<Vec<u8>> {
        let bytes = self.look_ahead(fifo, most)?;
        self.start += bytes.len();
        Ok(bytes)
    }

    /// What was read and not yet written; if that is nothing, what can be read now.
    fn bytes(&mut self, mut fifo: &File) -> io::Result<&[u8]> {
        if self.buffer.is_empty() {
            self.buffer = vec![0; BUFFER].into();
        }
        if !self.holds_some() {
            (self.start, self.end) = (0, fifo.read(&mut self.buffer)?);
        }
        Ok(&self.buffer[self.start..self.end])
    }
}
