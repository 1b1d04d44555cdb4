//! Secrets don't show, in any view: as they are, URL-encoded, or in base64.
//!
//! Values shorter than [`SHORTEST`] are not masked.

mod sieve;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use pipulate_core::secret::SHORTEST;

use super::read::{Ending, Piece};
use super::sanitize::Text;
use sieve::Sieve;

/// The shortest beginning or end of one that is masked where a line was cut.
const SHORTEST_PART: usize = 3;

/// Finds the secrets that it was made with.
#[derive(Debug, Clone)]
pub struct Masker {
    /// `None` without any secret.
    automaton: Option<AhoCorasick>,
    sieve: Sieve,
    forms: BTreeSet<String>,
}

impl Masker {
    /// Knows these values. Of a value of several lines each line is one.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut forms = BTreeSet::new();
        for secret in secrets {
            for line in secret.as_ref().lines().map(str::trim) {
                if line.chars().count() >= SHORTEST {
                    add_forms(line, &mut forms);
                }
            }
        }
        // Hexadecimal digits of URLs come in both cases; the rest may match too much, never too little.
        let build = || AhoCorasick::builder().ascii_case_insensitive(true).build(&forms).ok();
        let sieve = Sieve::new(forms.iter().map(String::as_str));
        Self { automaton: if forms.is_empty() { None } else { build() }, sieve, forms }
    }

    /// Whether there is no secret in these bytes.
    pub fn finds_nothing(&self, bytes: &[u8]) -> bool {
        let is_match = |automaton: &AhoCorasick| self.sieve.may_find(bytes) && automaton.is_match(bytes);
        !self.automaton.as_ref().is_some_and(is_match)
    }

    /// Where in a text secrets are: in order, apart from each other.
    pub fn ranges(&self, text: &str) -> Vec<Range<usize>> {
        let Some(automaton) = &self.automaton else { return Vec::new() };
        joined(automaton.find_overlapping_iter(text).map(|found| found.range()).collect())
    }

    /// As [`Masker::ranges`], of a piece of a line: also what may be the end of a secret where its
    /// line began before it, and the beginning of one where its line goes on.
    pub fn ranges_of_piece(&self, text: &str, piece: Piece) -> Vec<Range<usize>> {
        let mut found = self.ranges(text);
        let is_cut = piece.ending != Ending::Complete;
        for form in &self.forms {
            // Nearly every line is whole: it is not looked at byte by byte.
            let end = piece.is_rest.then(|| ended(text, form)).flatten();
            let beginning = is_cut.then(|| begun(text, form)).flatten();
            found.extend(end.map(|length| 0..length));
            found.extend(beginning.map(|length| text.len() - length..text.len()));
        }
        joined(found)
    }

    /// A text without its secrets.
    pub fn mask<'text>(&self, text: &'text str) -> Cow<'text, str> {
        let ranges = self.ranges(text);
        if ranges.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut masked = text.to_owned();
        for range in ranges.into_iter().rev() {
            masked.replace_range(range, super::sanitize::MASK);
        }
        Cow::Owned(masked)
    }
}

/// How many bytes at the end of a text may be the beginning of a secret.
fn begun(text: &str, secret: &str) -> Option<usize> {
    (SHORTEST_PART..secret.len()).rev().find(|&length| {
        let start = text.len().checked_sub(length).filter(|&start| text.is_char_boundary(start));
        start.is_some_and(|start| text.as_bytes()[start..].eq_ignore_ascii_case(&secret.as_bytes()[..length]))
    })
}

/// How many bytes at the beginning of a text may be the end of a secret.
fn ended(text: &str, secret: &str) -> Option<usize> {
    let secret = secret.as_bytes();
    (SHORTEST_PART..secret.len()).rev().find(|&length| {
        text.is_char_boundary(length)
            && text.as_bytes()[..length].eq_ignore_ascii_case(&secret[secret.len() - length..])
    })
}

/// Ranges in order, and apart from each other.
fn joined(mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    found.sort_by_key(|range| range.start);
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for range in found {
        match ranges.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            Some(_) | None => ranges.push(range),
        }
    }
    ranges
}

/// The ways in which a secret may be written.
fn add_forms(secret: &str, forms: &mut BTreeSet<String>) {
    forms.insert(secret.to_owned());
    // As it looks after a log's line was made harmless.
    forms.insert(Text::of(secret.as_bytes()).plain().to_owned());
    // Strict, JavaScript's encodeURIComponent, Python's quote, and a form's body.
    for (unreserved, space) in [("-._~", "%20"), ("-._~!*'()", "%20"), ("-._~/", "%20"), ("-._*", "+")] {
        forms.insert(url_encoded(secret, unreserved, space));
    }
    for shift in 0..3 {
        // Followed by more, and at the end of what was encoded.
        for after in [0, 2] {
            let standard = base64_within(secret.as_bytes(), shift, after);
            forms.insert(standard.replace('+', "-").replace('/', "_"));
            forms.insert(standard);
        }
    }
    forms.retain(|form| form.chars().count() >= SHORTEST);
}

fn url_encoded(text: &str, unreserved: &str, space: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push_str(space),
            byte if byte.is_ascii_alphanumeric() || unreserved.as_bytes().contains(&byte) => {
                encoded.push(byte.into())
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The characters that `bytes` alone decide when they stand in a longer base64 text, `shift` bytes
/// after a multiple of three; with the zero bits that follow the last byte of all, at most `zeros`
/// pairs of them.
fn base64_within(bytes: &[u8], shift: usize, zeros: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |index: usize| bytes.get(index / 8).map_or(0, |byte| usize::from(byte >> (7 - index % 8) & 1));
    let value = |character: usize| {
        (0..6).fold(0, |value, offset| value << 1 | bit(6 * character + offset - 8 * shift))
    };
    let bits = 8 * (shift + bytes.len());
    let first = (8 * shift).div_ceil(6);
    let end = (bits + 2 * zeros) / 6;
    (first..end).map(|character| char::from(ALPHABET[value(character)])).collect()
}

#[cfg(test)]
mod tests;
