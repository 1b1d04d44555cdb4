//! Moving bytes from a FIFO to a file by splice(2): they never leave the kernel, and unmoved bytes are still
//! in the pipe.
//!
//! If the file system or a sandbox refuses that, or no descriptor is left for a helper pipe, they are read
//! and written instead.

use std::fs::File;
use std::io::{self, Read};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice, tee};

use crate::os::held::Held;

/// The capacity of a FIFO during a flood, in bytes: the most that an ordinary user may request.
const WIDE: usize = 1 << 20;
/// Its normal capacity, in pages: the kernel's default.
const PAGES: usize = 16;

/// Moves bytes; buffers some only if they can't be spliced.
#[derive(Debug)]
pub(crate) struct Mover {
    /// This log can be written, but not spliced into.
    is_refused: bool,
    held: Held,
    /// Before Linux 6.4, splice(2) into a file caused no inotify event.
    is_silent: bool,
    /// The largest capacity was requested for the FIFO.
    is_wide: bool,
}

impl Mover {
    pub(crate) fn new() -> Self {
        Self { is_refused: false, held: Held::default(), is_silent: splice_is_silent(), is_wide: false }
    }

    /// True if bytes were taken from the FIFO that are not in the log yet.
    pub(crate) fn holds_some(&self) -> bool {
        self.held.holds_some()
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
        let was_held = self.must_read();
        if !was_held {
            match splice(fifo, None, log, Some(end), most, SpliceFlags::NONBLOCK) {
                Err(error) if is_refusal(error) => {}
                moved => return Ok(moved?),
            }
        }
        let moved = self.held.transfer(fifo, log, end, most)?;
        // Only a writable log proves that splice alone was refused; after a missing helper pipe it is
        // retried.
        self.is_refused |= moved > 0 && !was_held;
        Ok(moved)
    }

    /// Widens the FIFO when the service writes faster than its output is moved. A pipe can't be written to
    /// while bytes are moved out of it, so the two wait for each other at every pipeful: the fewer, the
    /// better for both.
    pub(crate) fn expect_much(&mut self, fifo: &File) {
        if !std::mem::replace(&mut self.is_wide, true)
            && fcntl_getpipe_size(fifo).is_ok_and(|size| size < WIDE)
        {
            // If the user's quota of pipe pages is used up, the capacity stays.
            let _refused = fcntl_setpipe_size(fifo, WIDE);
        }
    }

    /// Narrows the FIFO after the flood. Capacity counts against the user's quota of pipe pages, and when
    /// that is used up, pipes of other programs become slow.
    pub(crate) fn expect_little(&mut self, fifo: &File) {
        if std::mem::take(&mut self.is_wide) && fcntl_getpipe_size(fifo) == Ok(WIDE) {
            // Fails if it holds more than that: then it stays wide until the next time.
            let _is_full = fcntl_setpipe_size(fifo, PAGES * rustix::param::page_size());
        }
    }

    /// Returns the bytes that would be moved next, at most `most`.
    ///
    /// # Errors
    /// As [`Mover::transfer`].
    pub(crate) fn look_ahead(&mut self, fifo: &File, most: usize) -> io::Result<Vec<u8>> {
        if !self.must_read() {
            match copy(fifo, most) {
                // No descriptor or memory is left for the helper pipe, or tee(2) is refused.
                Err(error) if !is_for_now(&error) => {}
                copied => return copied,
            }
        }
        self.held.look_ahead(fifo, most)
    }

    /// Removes up to `most` bytes and returns them; they exist nowhere else then.
    ///
    /// # Errors
    /// As [`Mover::transfer`].
    pub(crate) fn take(&mut self, mut fifo: &File, most: usize) -> io::Result<Vec<u8>> {
        if self.must_read() {
            return self.held.take(fifo, most);
        }
        let mut bytes = vec![0; most];
        let count = fifo.read(&mut bytes)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Notifies the log's followers that it grew to `length`.
    ///
    /// # Errors
    /// The log can't be written.
    pub(crate) fn announce(&self, log: &File, length: u64) -> io::Result<()> {
        match self.is_silent && !self.is_refused {
            true => log.set_len(length),
            false => Ok(()),
        }
    }

    fn must_read(&self) -> bool {
        self.is_refused || self.held.holds_some()
    }
}

/// Returns the contents of the FIFO, at most `most` bytes, without consuming them.
fn copy(fifo: &File, most: usize) -> io::Result<Vec<u8>> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    let mut bytes = vec![0; tee(fifo, &writer, most, SpliceFlags::NONBLOCK)?];
    File::from(reader).read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Returns true for errors with which splice(2) may be refused where write(2) works: `EINVAL` by file systems
/// without it, the others by sandboxes. An unwritable file may cause the same errors.
fn is_refusal(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS)
}

/// True if there is merely nothing to move yet.
fn is_for_now(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn splice_is_silent() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|word| word.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (6, 4)
}
