//! Splits a stream of JSON objects into lines, independent of the network's chunks.
//!
//! A line is only parsed when it is complete, so neither a character nor an object is ever split.

/// The longest accepted line, in bytes; Ollama's own client has the same limit.
pub(crate) const MAX_LINE: usize = 8 << 20;

/// Collects chunks and returns lines.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer {
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// No line break before this position.
    searched: usize,
}

/// A line passed [`MAX_LINE`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LineTooLong;

impl LineBuffer {
    /// Takes a chunk.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.bytes.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(chunk);
    }

    /// The next whole line that is not blank, without its line break.
    pub(crate) fn next_line(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        loop {
            let line_break = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n');
            let Some(offset) = line_break else {
                self.searched = self.bytes.len();
                return if self.searched - self.start > MAX_LINE { Err(LineTooLong) } else { Ok(None) };
            };
            let (start, end) = (self.start, self.searched + offset);
            self.start = end + 1;
            self.searched = end + 1;
            if end - start > MAX_LINE {
                return Err(LineTooLong);
            }
            if !self.bytes[start..end].trim_ascii().is_empty() {
                return Ok(Some(&self.bytes[start..end]));
            }
        }
    }

    /// Returns the rest after the last line break, at the end of the stream.
    pub(crate) fn rest(&mut self) -> Option<Vec<u8>> {
        let rest = self.bytes.split_off(self.start);
        *self = Self::default();
        (!rest.trim_ascii().is_empty()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines_of(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut buffer = LineBuffer::default();
        let mut lines = Vec::new();
        for chunk in chunks {
            buffer.push(chunk);
            while let Some(line) = buffer.next_line().unwrap() {
                lines.push(line.to_vec());
            }
        }
        lines.extend(buffer.rest());
        lines
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_bytes_came(text in "([a🦙ü]{0,4}\n?){0,8}", size in 1_usize..9) {
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let wanted: Vec<Vec<u8>> =
                text.split('\n').filter(|line| !line.is_empty()).map(|line| line.as_bytes().to_vec()).collect();
            prop_assert_eq!(lines_of(&chunks), wanted);
        }
    }

    #[test]
    fn an_endless_line_is_given_up() {
        let mut buffer = LineBuffer::default();
        buffer.push(&vec![b'x'; MAX_LINE]);
        assert_eq!(buffer.next_line(), Ok(None));
        buffer.push(b"xx");
        assert_eq!(buffer.next_line(), Err(LineTooLong));
    }
}
