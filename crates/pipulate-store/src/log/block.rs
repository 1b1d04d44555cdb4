//! Grouping of a service's lines: a Python traceback, and indented lines.

/// The first line of a traceback.
const TRACEBACK: &[u8] = b"Traceback (most recent call last):";

/// The lines that Python writes between an exception and one that it caused.
const LINKS: [&[u8]; 2] = [
    b"The above exception was the direct cause of the following exception:",
    b"During handling of the above exception, another exception occurred:",
];

/// The state of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Block {
    /// A line that needs no continuation.
    #[default]
    Complete,
    /// The frames of a traceback; its exception is still to come.
    Frames,
    /// The exception that a traceback ends with; a linked traceback may follow.
    Exception,
    /// The empty line after it.
    Gap,
    /// The line that links the next traceback to it.
    Link,
}

impl Block {
    /// Reads the next line; returns true if it belongs to the line before it.
    pub(super) fn reads(&mut self, line: &[u8]) -> bool {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_empty = line.is_empty();
        let is_indented = matches!(line.first(), Some(b' ' | b'\t'));
        let is_traceback = line.starts_with(TRACEBACK);
        let (next, belongs) = match *self {
            Self::Frames if is_indented || is_empty => (Self::Frames, true),
            Self::Frames => (Self::Exception, true),
            Self::Exception if is_empty => (Self::Gap, true),
            Self::Gap if LINKS.contains(&line) => (Self::Link, true),
            Self::Link if is_empty => (Self::Link, true),
            Self::Link if is_traceback => (Self::Frames, true),
            Self::Exception if is_indented => (Self::Exception, true),
            Self::Complete | Self::Exception | Self::Gap | Self::Link => match is_traceback {
                true => (Self::Frames, false),
                false => (Self::Complete, is_indented),
            },
        };
        *self = next;
        belongs
    }

    /// True if more lines of the block must follow.
    pub(super) fn is_open(self) -> bool {
        match self {
            Self::Frames | Self::Link => true,
            Self::Complete | Self::Exception | Self::Gap => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceback_with_all_that_is_linked_to_it_is_one_block() {
        let lines = [
            ("before", false),
            ("Traceback (most recent call last):", false),
            ("  File \"a.py\", line 1, in <module>", true),
            ("    1 / 0", true),
            ("    ~~^~~", true),
            ("ZeroDivisionError: division by zero", true),
            ("", true),
            ("During handling of the above exception, another exception occurred:", true),
            ("", true),
            ("Traceback (most recent call last):", true),
            ("  File \"a.py\", line 3, in <module>\r", true),
            ("ValueError: no", true),
            ("  a note of it", true),
            ("after", false),
            ("  an indented line", true),
            ("another", false),
        ];
        let mut block = Block::default();
        for (line, belongs) in lines {
            assert_eq!(block.reads(line.as_bytes()), belongs, "{line}");
        }
    }

    #[test]
    fn an_exception_without_a_link_ends_its_block() {
        let mut block = Block::default();
        let mut read = |line: &str| (block.reads(line.as_bytes()), block.is_open());
        assert_eq!(read("Traceback (most recent call last):"), (false, true));
        assert_eq!(read("  File"), (true, true));
        assert_eq!(read("KeyError: 1"), (true, false));
        assert_eq!(read(""), (true, false));
        assert_eq!(read("something else"), (false, false));
        assert_eq!(read("Traceback (most recent call last):"), (false, true));
        assert_eq!(read("KeyError: 2"), (true, false));
        assert_eq!(read("Traceback (most recent call last):"), (false, true));
    }
}
