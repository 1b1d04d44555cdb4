//! Handling of a full disk: a service's output is dropped and counted in whole lines until there is room.
//!
//! The service is never blocked, and no line in the log is cut off: the rest of the log's last line is kept
//! here and written first once there is room. Only a killed supervisor loses that rest.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::os::calls;

/// The longest rest that is kept, in bytes; a longer one is cut off, visibly.
const LONGEST_REST: usize = 64 << 10;
/// Free space that is enough to go on, in bytes.
const ENOUGH: u64 = 4 << 10;

/// A time without room.
#[derive(Debug)]
pub(super) struct Shortage {
    /// Why the last attempt to write failed; `None` once there seems to be room again.
    why: Option<String>,
    /// Bytes to write at the end of the log.
    rest: Vec<u8>,
    next: NextBytes,
}

/// The role of the service's next bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextBytes {
    Line,
    /// More of the line in `rest`, or of the log's last line.
    RestOfLine,
    /// The remainder of a line whose beginning was dropped.
    RestOfDropped,
}

impl Shortage {
    /// Begins when the log can't be written any more.
    pub(super) fn new(error: &io::Error, log_ends_with_line: bool) -> Self {
        let next = if log_ends_with_line { NextBytes::Line } else { NextBytes::RestOfLine };
        Self { why: Some(error.to_string()), rest: Vec::new(), next }
    }

    /// Returns why the log can't be written at present.
    pub(super) fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// Notes that another attempt failed.
    pub(super) fn goes_on(&mut self, error: &io::Error) {
        self.why = Some(error.to_string());
    }

    /// Returns the role of the service's next bytes.
    pub(super) fn next(&self) -> NextBytes {
        self.next
    }

    /// Writes the rest at the end of the log, as far as there is room. Then the log continues with the
    /// service's output, unless a line is being dropped.
    ///
    /// # Errors
    /// There is no room, or the log can't be written for another reason.
    pub(super) fn catch_up(&mut self, log: &File, end: &mut u64) -> io::Result<()> {
        while !self.rest.is_empty() {
            let written = log.write_at(&self.rest, *end)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            *end += written as u64;
            self.rest.drain(..written);
        }
        Ok(())
    }

    /// Notes whether there is room by now; nothing needs to be written for that.
    pub(super) fn look_for_room(&mut self, log: &File, end: u64) {
        self.why = calls::has_room(log, end, ENOUGH).err().map(|error| error.to_string());
    }

    /// Returns how many of the next bytes belong to the line that is being finished; all of them if there is
    /// none.
    pub(super) fn share_of(&self, ahead: &[u8]) -> usize {
        match self.next {
            NextBytes::Line => ahead.len(),
            NextBytes::RestOfLine | NextBytes::RestOfDropped => {
                ahead.iter().position(|&byte| byte == b'\n').map_or(ahead.len(), |place| place + 1)
            }
        }
    }

    /// Takes bytes for which there is no room; returns how many lines were lost by that.
    pub(super) fn absorb(&mut self, bytes: &[u8]) -> u64 {
        if bytes.is_empty() {
            return 0;
        }
        let ends_line = bytes.last() == Some(&b'\n');
        let next = |unfinished| if ends_line { NextBytes::Line } else { unfinished };
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        match self.next {
            NextBytes::RestOfLine if self.rest.len() + bytes.len() <= LONGEST_REST => {
                self.rest.extend_from_slice(bytes);
                self.next = next(NextBytes::RestOfLine);
                0
            }
            NextBytes::RestOfLine => {
                self.rest.push(b'\n');
                self.next = next(NextBytes::RestOfDropped);
                lines
            }
            NextBytes::Line | NextBytes::RestOfDropped => {
                self.next = next(NextBytes::RestOfDropped);
                lines
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn no_room() -> io::Error {
        io::ErrorKind::StorageFull.into()
    }

    proptest! {
        /// However the output is split into pieces: the log's last line is finished, the others are counted,
        /// and the first one for which there is room starts at its beginning.
        #[test]
        fn whole_lines_are_dropped_and_one_is_finished(
            lines in prop::collection::vec("[a-z]{0,12}", 1..20),
            cuts in prop::collection::vec(1_usize..9, 1..80),
            is_cut: bool,
        ) {
            let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
            let mut shortage = Shortage::new(&no_room(), !is_cut);
            let (mut left, mut dropped, mut cuts) = (text.as_bytes(), 0, cuts.into_iter().cycle());
            while !left.is_empty() {
                let ahead = &left[..cuts.next().unwrap().min(left.len())];
                let share = shortage.share_of(ahead);
                dropped += shortage.absorb(&ahead[..share]);
                left = &left[share..];
                let at_a_beginning = text.len() == left.len() || text.as_bytes()[text.len() - left.len() - 1] == b'\n';
                prop_assert_eq!(shortage.next() == NextBytes::Line, at_a_beginning);
            }
            let finished = if is_cut { format!("{}\n", lines[0]) } else { String::new() };
            prop_assert_eq!(&shortage.rest, finished.as_bytes());
            prop_assert_eq!(dropped, lines.len() as u64 - u64::from(is_cut));
        }
    }

    #[test]
    fn a_rest_without_an_end_is_cut_off_and_counted_once() {
        let mut shortage = Shortage::new(&no_room(), false);
        for _ in 0..3 {
            assert_eq!(shortage.absorb(&[b'x'; 40 << 10]), 0);
        }
        assert_eq!(shortage.absorb(b"x\n"), 1);
        assert_eq!((shortage.rest.len(), shortage.rest.last()), ((40 << 10) + 1, Some(&b'\n')));
        assert_eq!(shortage.next(), NextBytes::Line);
    }
}
