//! Texts, before they are shown.

/// The text without what could steer a terminal: each control character becomes `\u{fffd}`.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A fragment as the beginning of a sentence: libraries write lowercase, a person reads a capital.
pub fn capitalized(fragment: &str) -> String {
    let mut letters = fragment.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_a_terminal() {
        assert_eq!(printable("a\x1b[31mb\r\n\u{9b}c é"), "a\u{fffd}[31mb\u{fffd}\u{fffd}\u{fffd}c é");
    }
}
