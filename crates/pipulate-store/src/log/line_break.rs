//! Line breaks: a line feed with the carriage returns before it, or carriage returns after text.
//!
//! So each state of a progress bar is a line. Carriage returns without text before them end no line, unless a
//! line feed follows.

/// A line break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineBreak {
    /// The length of the line before it, in bytes.
    pub(super) length: usize,
    /// Its own length, in bytes.
    pub(super) skipped: usize,
    pub(super) is_line_feed: bool,
}

/// Returns the first line break in `text`, which follows the line's beginning in `begun`; `None` if there is
/// none, or if it may continue after the end.
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
    /// The last byte that was seen, and its place.
    seen: Option<(u64, u8)>,
    /// The last carriage returns that were seen do not precede a line feed.
    is_bare: bool,
}

impl Backwards {
    /// Starts at a place where a line begins or the log ends: the break before it begins no further line.
    pub(super) fn from_line(place: u64) -> Self {
        Self { seen: Some((place, b'\r')), is_bare: true }
    }

    /// Starts at any place, where this byte is.
    pub(super) fn from(place: u64, byte: Option<u8>) -> Self {
        Self { seen: byte.map(|byte| (place, byte)), is_bare: false }
    }

    /// Finds the last byte in `text`, which starts at `place`, that ends a line.
    pub(super) fn find(&mut self, place: u64, text: &[u8]) -> Option<usize> {
        memchr::memrchr2_iter(b'\n', b'\r', text)
            .find(|&found| self.is_end(place + found as u64, text[found]))
    }

    /// True if a line begins after this byte.
    fn is_end(&mut self, place: u64, byte: u8) -> bool {
        let next = self.seen.filter(|(seen, _)| *seen == place + 1).map(|(_, byte)| byte);
        self.seen = Some((place, byte));
        if byte == b'\n' {
            // Only carriage returns may follow.
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

    /// Returns the beginnings of lines and the lines; the unfinished one included.
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
        /// However the text is cut into blocks, searching backwards finds the line beginnings that searching
        /// forwards finds.
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
            // A line that begins with the text has no break before it.
            let expected: Vec<usize> = lines(text).iter().map(|(place, _)| *place).filter(|&place| place > 0).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
