//! Moving bytes from a FIFO to a file by splice(2): they never leave the kernel, and what was not
//! moved is still in the pipe.
//!
//! Where that is refused, by the file system or a sandbox, or no descriptor is left for a helper pipe,
//! they are read and written instead.

use std::fs::File;
use std::io::{self, Read};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice, tee};

use crate::os::held::Held;

/// What a FIFO holds while much comes through it, in bytes: as much as an ordinary user may ask for.
const WIDE: usize = 1 << 20;
/// What it holds else, in pages: what the kernel gives.
const PAGES: usize = 16;

/// Moves bytes; holds some only where they can't be spliced.
#[derive(Debug)]
pub(crate) struct Mover {
    /// This log can be written, but nothing can be spliced into it.
    is_refused: bool,
    held: Held,
    /// Before Linux 6.4, splice(2) into a file told inotify nothing.
    is_silent: bool,
    /// It was asked for as much as a FIFO can hold.
    is_wide: bool,
}

impl Mover {
    pub(crate) fn new() -> Self {
        Self { is_refused: false, held: Held::default(), is_silent: splice_is_silent(), is_wide: false }
    }

    /// Whether bytes were taken from the FIFO that are not in the log yet.
    pub(crate) fn holds_some(&self) -> bool {
        self.held.holds_some()
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
        let was_held = self.must_read();
        if !was_held {
            match splice(fifo, None, log, Some(end), most, SpliceFlags::NONBLOCK) {
                Err(error) if is_refusal(error) => {}
                moved => return Ok(moved?),
            }
        }
        let moved = self.held.transfer(fifo, log, end, most)?;
        // Only a log that could be written shows that splice alone was refused; where a helper pipe
        // was missing it is tried again.
        self.is_refused |= moved > 0 && !was_held;
        Ok(moved)
    }

    /// The service writes faster than its output is moved. Nobody can write to a pipe while bytes are
    /// moved out of it, so the two wait for each other at every pipeful: the fewer, the better for both.
    pub(crate) fn expect_much(&mut self, fifo: &File) {
        if !std::mem::replace(&mut self.is_wide, true)
            && fcntl_getpipe_size(fifo).is_ok_and(|size| size < WIDE)
        {
            // Where the user's share of pipes is used up, it stays as it is.
            let _refused = fcntl_setpipe_size(fifo, WIDE);
        }
    }

    /// It does not any more. What a pipe could hold counts against the user's share of all pipes,
    /// and when that is used up, pipes of other programs become slow.
    pub(crate) fn expect_little(&mut self, fifo: &File) {
        if std::mem::take(&mut self.is_wide) && fcntl_getpipe_size(fifo) == Ok(WIDE) {
            // More than that is in it: then it stays wide until the next time.
            let _is_full = fcntl_setpipe_size(fifo, PAGES * rustix::param::page_size());
        }
    }

    /// What would be moved next, as much as there is and at most so much.
    ///
    /// # Errors
    /// As [`Mover::transfer`].
    pub(crate) fn look_ahead(&mut self, fifo: &File, most: usize) -> io::Result<Vec<u8>> {
        if !self.must_read() {
            match copy(fifo, most) {
                // No descriptor left for the helper pipe, no memory for it, or tee(2) is refused.
                Err(error) if !is_for_now(&error) => {}
                copied => return copied,
            }
        }
        self.held.look_ahead(fifo, most)
    }

    /// Takes up to so many bytes, which then are nowhere but here.
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

    /// Sees to it that whoever follows the log, which is so long now, learns that it grew.
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

/// What is in the FIFO, at most so much; it stays there.
fn copy(fifo: &File, most: usize) -> io::Result<Vec<u8>> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    let mut bytes = vec![0; tee(fifo, &writer, most, SpliceFlags::NONBLOCK)?];
    File::from(reader).read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Whether splice(2) may be refused where write(2) works: `EINVAL` by file systems without it, the
/// others by sandboxes. A file that can't be written may answer the same.
fn is_refusal(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS)
}

/// Whether there is only nothing to move yet.
fn is_for_now(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn splice_is_silent() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|word| word.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (6, 4)
}
