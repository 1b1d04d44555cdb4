//! What ends a line: a line feed, with the carriage returns before it, or carriage returns behind text.
//!
//! So each state of a progress bar is a line. Where nothing stands before carriage returns there is no
//! line, unless a line feed follows.

/// The end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineBreak {
    /// How much of the line comes before it.
    pub(super) length: usize,
    /// How long it is.
    pub(super) skipped: usize,
    pub(super) is_line_feed: bool,
}

/// The first line break in what follows the beginning of a line; `None` if there is none, or if it
/// may go on after the end.
pub(super) fn next(begun: &[u8], text: &[u8]) -> Option<LineBreak> {
    let length = match begun.last() {
        Some(b'\r') => 0,
        Some(_) | None => memchr::memchr2(b'\n', b'\r', text)?,
    };
    let returns = text[length..].iter().take_while(|&&byte| byte == b'\r').count();
    let is_line_feed = *text.get(length + returns)? == b'\n';
    Some(LineBreak { length, skipped: returns + usize::from(is_line_feed), is_line_feed })
}

/// A line without the carriage returns at its end.
pub(super) fn trimmed(line: &[u8]) -> &[u8] {
    let returns = line.iter().rev().take_while(|&&byte| byte == b'\r').count();
    &line[..line.len() - returns]
}

/// Finds where lines begin, from the end to the beginning.
#[derive(Debug)]
pub(super) struct Backwards {
    /// Where the byte that was seen last stands, and which one it is.
    seen: Option<(u64, u8)>,
    /// The carriage returns that were seen last stand before no line feed.
    is_bare: bool,
}

impl Backwards {
    /// Before a place at which a line begins, or the log ends: the break before it begins no other one.
    pub(super) fn from_line(place: u64) -> Self {
        Self { seen: Some((place, b'\r')), is_bare: true }
    }

    /// Before any place; this byte stands there.
    pub(super) fn from(place: u64, byte: Option<u8>) -> Self {
        Self { seen: byte.map(|byte| (place, byte)), is_bare: false }
    }

    /// The last byte of `text`, which stands at `place`, after which a line begins.
    pub(super) fn find(&mut self, place: u64, text: &[u8]) -> Option<usize> {
        memchr::memrchr2_iter(b'\n', b'\r', text)
            .find(|&found| self.is_end(place + found as u64, text[found]))
    }

    /// Whether a line begins after this byte.
    fn is_end(&mut self, place: u64, byte: u8) -> bool {
        let next = self.seen.filter(|(seen, _)| *seen == place + 1).map(|(_, byte)| byte);
        self.seen = Some((place, byte));
        if byte == b'\n' {
            // What follows may be nothing but carriage returns.
            let is_end = next != Some(b'\r') || !self.is_bare;
            self.is_bare = false;
            return is_end;
        }
        let is_end = !matches!(next, Some(b'\r' | b'\n'));
        self.is_bare |= is_end;
        is_end
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where lines begin, and what they are; the unfinished one included.
    fn lines(text: &[u8]) -> Vec<(usize, &[u8])> {
        let (mut lines, mut place) = (Vec::new(), 0);
        while let Some(LineBreak { length, skipped, is_line_feed }) = next(b"", &text[place..]) {
            if length > 0 || is_line_feed {
                lines.push((place, &text[place..place + length]));
            }
            place += length + skipped;
        }
        let rest = trimmed(&text[place..]);
        lines.extend((!rest.is_empty()).then_some((place, rest)));
        lines
    }

    #[test]
    fn each_state_of_a_progress_bar_is_a_line() {
        for (text, expected) in [
            ("one\ntwo\n", vec!["one", "two"]),
            ("one\r\n\r\ntwo\r\r\n", vec!["one", "", "two"]),
            ("\r 1%\r 2%\r100%\n", vec![" 1%", " 2%", "100%"]),
            (" 1%\r 2%\r", vec![" 1%", " 2%"]),
            ("\n\r 1%\r\r 2%", vec!["", " 1%", " 2%"]),
            ("\r\r\n\r", vec![""]),
        ] {
            let found: Vec<_> = lines(text.as_bytes()).into_iter().map(|(_, line)| line).collect();
            assert_eq!(found, expected.iter().map(|line| line.as_bytes()).collect::<Vec<_>>(), "{text:?}");
        }
    }

    proptest! {
        /// Backwards, however the text is cut into blocks, lines begin where they do forwards.
        #[test]
        fn lines_begin_at_the_same_places_in_both_directions(
            text in "[a\r\n]{0,24}", block in 1_usize..8,
        ) {
            let text = text.as_bytes();
            let mut backwards = Backwards::from_line(text.len() as u64);
            let (mut found, mut end) = (Vec::new(), text.len());
            while end > 0 {
                let begin = end.saturating_sub(block);
                let mut part = &text[begin..end];
                while let Some(place) = backwards.find(begin as u64, part) {
                    found.push(begin + place + 1);
                    part = &part[..place];
                }
                end = begin;
            }
            found.reverse();
            // The first one may begin with the text, which no break says.
            let expected: Vec<usize> = lines(text).iter().map(|(place, _)| *place).filter(|&place| place > 0).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
