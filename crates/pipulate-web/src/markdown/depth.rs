//! Limits the number of quotes and lists that a line opens: the parser compares each line with all open ones.

use std::borrow::Cow;

/// The text with too deep markers escaped, which makes them part of the text.
pub(super) fn limited(markdown: &str, deepest: usize) -> Cow<'_, str> {
    let mut result = String::new();
    let mut copied = 0;
    let mut begin = 0;
    for line in markdown.split_inclusive('\n') {
        if let Some(place) = too_deep(line, deepest) {
            result.push_str(&markdown[copied..begin + place]);
            result.push('\\');
            copied = begin + place;
        }
        begin += line.len();
    }
    if copied == 0 {
        return Cow::Borrowed(markdown);
    }
    Cow::Owned(result + &markdown[copied..])
}

/// The position of a line's first quote or list marker that is too deep.
fn too_deep(line: &str, deepest: usize) -> Option<usize> {
    let bytes = line.as_bytes();
    let mut level = 0;
    let mut at = 0;
    loop {
        let mut columns = 0_usize;
        while let Some(byte @ (b' ' | b'\t')) = bytes.get(at) {
            columns += if *byte == b'\t' { 4 } else { 1 };
            at += 1;
        }
        // The contents of a list are indented by at least two columns.
        level += columns.saturating_sub(1) / 2;
        let (escaped, after) = marker(bytes, at)?;
        if level >= deepest {
            return Some(escaped);
        }
        level += 1;
        at = after;
    }
}

/// The marker at a position: the character to escape, and its end.
fn marker(line: &[u8], at: usize) -> Option<(usize, usize)> {
    let is_end = |at: usize| line.get(at).is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    match line.get(at)? {
        b'>' => Some((at, at + 1)),
        b'-' | b'+' | b'*' => is_end(at + 1).then_some((at, at + 1)),
        byte if byte.is_ascii_digit() => {
            let digits = line[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let delimiter = at + digits;
            let is_list = matches!(line.get(delimiter), Some(b'.' | b')')) && is_end(delimiter + 1);
            is_list.then_some((delimiter, delimiter + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_too_deep_is_escaped() {
        for (text, limit) in [
            ("a\n> - 1. b\n", "a\n> - 1. b\n"),
            ("> > > > a\n> b", "> > > \\> a\n> b"),
            ("- - - 12) a", "- - - 12\\) a"),
            ("--- ---\n-- - - -", "--- ---\n-- - - -"),
            ("       - a\n", "       \\- a\n"),
            ("       indented code\n", "       indented code\n"),
        ] {
            assert_eq!(limited(text, 3), limit, "{text}");
        }
    }
}
