//! Moving bytes from a FIFO to a file by read and write, which works on any system and file system.
//!
//! A killed supervisor loses the bytes in the buffer.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// How many bytes are read at once.
const BUFFER: usize = 64 << 10;

/// The bytes that were read and not yet written.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Empty until it is used.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Held {
    /// True if there are any.
    pub(super) fn holds_some(&self) -> bool {
        self.start < self.end
    }

    /// Moves up to `most` bytes to offset `end` of the log, and advances it. Returns 0 if there are no
    /// writers.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing to move now; or the log can't be written.
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

    /// Returns the next bytes, at most `most`, without consuming them.
    ///
    /// # Errors
    /// `WouldBlock` if there are none now; or the FIFO can't be read.
    pub(super) fn look_ahead(&mut self, fifo: &File, most: usize) -> io::Result<Vec<u8>> {
        let bytes = self.bytes(fifo)?;
        Ok(bytes[..bytes.len().min(most)].to_vec())
    }

    /// Removes up to `most` bytes and returns them; they exist nowhere else then.
    ///
    /// # Errors
    /// As [`Held::look_ahead`].
    pub(super) fn take(&mut self, fifo: &File, most: usize) -> io::Result<Vec<u8>> {
        let bytes = self.look_ahead(fifo, most)?;
        self.start += bytes.len();
        Ok(bytes)
    }

    /// Returns the bytes that were read and not yet written, or reads some if there are none.
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
