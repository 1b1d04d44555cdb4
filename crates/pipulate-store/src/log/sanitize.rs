//! Output lines as text that can't control a terminal.
//!
//! Only colors are kept, separate from the text: cursor movements, titles, hyperlinks, clipboard writes,
//! bells and all other controls are dropped.

use std::ops::Range;

use pipulate_core::text::{self, visible_color};

/// The replacement for a secret.
pub(super) const MASK: &str = pipulate_core::secret::MASKED;

/// A line's text, and the colors in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    plain: String,
    /// The colors' places in `plain`, and their SGR parameters.
    colors: Vec<(usize, String)>,
}

impl Text {
    /// Parses a line without its line break. Bytes that are not UTF-8 become replacement characters.
    pub fn of(line: &[u8]) -> Self {
        if let Some(plain) = as_harmless(line) {
            return Self { plain: plain.to_owned(), colors: Vec::new() };
        }
        let text = String::from_utf8_lossy(line);
        let mut cleaner = Cleaner { text: Self::default() };
        let mut rest = text.trim_end_matches('\r').chars();
        while let Some(character) = rest.next() {
            match character {
                '\x1b' => cleaner.escape(&mut rest),
                '\u{9b}' => cleaner.control_sequence(&mut rest),
                '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut rest),
                // Not in a line, but possible in a secret.
                '\r' | '\u{2028}' | '\u{2029}' => cleaner.push(' '),
                character if is_harmless(character) => cleaner.push(character),
                _ => {}
            }
        }
        cleaner.text
    }

    /// Returns the text after a place, with the colors that apply there.
    pub fn after(&self, place: usize) -> Self {
        let colors = self.colors.iter();
        let colors = colors.map(|(begin, parameters)| (begin.saturating_sub(place), parameters.clone()));
        Self { plain: self.plain[place..].to_owned(), colors: colors.collect() }
    }

    /// Returns the text before a place.
    pub fn before(&self, place: usize) -> Self {
        let colors = self.colors.iter().filter(|(begin, _)| *begin <= place).cloned();
        Self { plain: self.plain[..place].to_owned(), colors: colors.collect() }
    }

    /// Returns the text without colors.
    pub fn plain(&self) -> &str {
        &self.plain
    }

    /// Calls back with the parts of the text, `masked` ranges of it (ordered and disjoint) replaced.
    pub fn for_each_part(&self, masked: &[Range<usize>], mut on_part: impl FnMut(Part<'_>)) {
        let mut colors = self.colors.iter().peekable();
        let mut position = 0;
        let end = self.plain.len();
        for range in masked.iter().cloned().chain(std::iter::once(end..end)) {
            while let Some((place, parameters)) = colors.next_if(|(place, _)| *place <= range.start) {
                on_part(Part::Text(&self.plain[position..*place]));
                on_part(Part::Color(parameters));
                position = *place;
            }
            on_part(Part::Text(&self.plain[position..range.start]));
            if !range.is_empty() {
                on_part(Part::Text(MASK));
            }
            position = range.end;
            // A color that begins within a mask is moved after it.
            while let Some((_, parameters)) = colors.next_if(|(place, _)| *place < range.end) {
                on_part(Part::Color(parameters));
            }
        }
    }

    /// Returns the text with `masked` ranges of it (ordered and disjoint) replaced, and with its colors if
    /// requested; they are reset at the end of the line.
    pub fn render(&self, masked: &[Range<usize>], with_colors: bool) -> String {
        let mut output = String::with_capacity(self.plain.len() + 16);
        self.for_each_part(masked, |part| match part {
            Part::Text(text) => output.push_str(text),
            Part::Color(parameters) if with_colors => output.push_str(&format!("\x1b[{parameters}m")),
            Part::Color(_) => {}
        });
        if with_colors && !self.colors.is_empty() {
            output.push_str("\x1b[0m");
        }
        output
    }
}

/// Returns a line that is harmless without changes and has no color; most lines are.
pub fn as_harmless(line: &[u8]) -> Option<&str> {
    // Without an early exit, so that the compiler can vectorize it.
    let is_harmless = line.iter().fold(true, |so_far, &byte| so_far & matches!(byte, b'\t' | b' '..=b'~'));
    is_harmless.then(|| std::str::from_utf8(line).ok()).flatten()
}

/// A text, or the beginning of a color.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'text> {
    Text(&'text str),
    /// From here on: the parameters of an SGR sequence, digits and `;` and `:`.
    Color(&'text str),
}

struct Cleaner {
    text: Text,
}

impl Cleaner {
    fn push(&mut self, character: char) {
        self.text.plain.push(character);
    }

    /// Parses the rest of an escape sequence.
    fn escape(&mut self, rest: &mut std::str::Chars) {
        match rest.next() {
            Some('[') => self.control_sequence(rest),
            Some('P' | 'X' | ']' | '^' | '_') => skip_string(rest),
            // Intermediate characters, then a final one (ECMA-48).
            Some(' '..='/') => drop(rest.find(|character| !(' '..='/').contains(character))),
            Some(_) | None => {}
        }
    }

    /// Parses parameters, intermediate characters and a final one; keeps a color.
    fn control_sequence(&mut self, rest: &mut std::str::Chars) {
        let body = rest.as_str();
        let length = body.find(|character| !(' '..='?').contains(&character)).unwrap_or(body.len());
        let parameters = &body[..length];
        *rest = body[length..].chars();
        // A control character in the middle ends the sequence, and is then parsed itself.
        if !rest.as_str().starts_with(|character| ('@'..='~').contains(&character)) {
            return;
        }
        let is_color = rest.next() == Some('m')
            && parameters.len() <= 64
            && parameters.bytes().all(|byte| byte.is_ascii_digit() || byte == b';' || byte == b':');
        if let Some(visible) = is_color.then(|| visible_color(parameters)).flatten() {
            self.text.colors.push((self.text.plain.len(), visible.into_owned()));
        }
    }
}

/// Skips the text of a title, a hyperlink or similar, up to a bell or a string terminator.
fn skip_string(rest: &mut std::str::Chars) {
    while let Some(character) = rest.next() {
        match character {
            '\x07' | '\u{9c}' => return,
            '\x1b' => {
                if rest.as_str().starts_with('\\') {
                    let _backslash = rest.next();
                }
                return;
            }
            _ => {}
        }
    }
}

/// False for control characters, and for the marks that reverse the direction of text.
fn is_harmless(character: char) -> bool {
    character == '\t' || text::is_harmless(character)
}

#[cfg(test)]
mod tests;
