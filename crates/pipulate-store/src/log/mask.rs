//! Masking of secrets in every view: plain, in base64, or escaped as in URLs, forms, JSON, Python, shells and
//! HTML.
//!
//! Values shorter than [`SHORTEST`] are not masked.

mod escapes;
mod prefilter;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use pipulate_core::secret::SHORTEST;

use super::read::{Ending, Piece};
use super::sanitize::Text;
use escapes::{KINDS, Kind, Unescaped};
use prefilter::Prefilter;

/// How many nested levels of escapes are decoded: JSON in a URL, for example.
const DEPTH: u8 = 2;
/// The shortest beginning or end of a secret that is masked where a line was cut.
const SHORTEST_PART: usize = 3;

/// About how many spellings a secret has, and how many bytes of all spellings are matched: the automaton
/// needs about 25 bytes for each. Beyond that, after thousands of secrets, only plain values are matched.
const FORMS: usize = 12;
const ENCODED: usize = 1 << 20;

/// Finds the secrets that it was built with.
#[derive(Debug, Clone)]
pub struct Masker {
    /// `None` without any secret.
    automaton: Option<AhoCorasick>,
    prefilter: Prefilter,
    forms: BTreeSet<String>,
    /// One of the secrets contains a space.
    has_space: bool,
}

/// The maximum length of most escapes.
const ESCAPE: usize = 6;

/// Maps a place in an unescaped text to its place in the original.
type Origin<'a> = &'a dyn Fn(usize) -> usize;

impl Masker {
    /// Masks these values. Each line of a multi-line value is masked, too.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut forms = BTreeSet::new();
        let mut size = 0;
        for secret in secrets {
            let whole = secret.as_ref().trim();
            for secret in whole.lines().map(str::trim).chain([whole]) {
                if secret.chars().count() < SHORTEST {
                    continue;
                }
                size += FORMS * secret.len();
                if size <= ENCODED {
                    add_forms(secret, &mut forms);
                } else {
                    forms.insert(secret.to_owned());
                }
            }
        }
        forms.retain(|form| form.chars().count() >= SHORTEST);
        // May match too much, never too little.
        let build = || AhoCorasick::builder().ascii_case_insensitive(true).build(&forms).ok();
        let prefilter = Prefilter::new(forms.iter().map(String::as_str));
        let has_space = forms.iter().any(|form| form.contains(' '));
        Self { automaton: if forms.is_empty() { None } else { build() }, prefilter, forms, has_space }
    }

    /// True if a text contains no secret.
    pub fn finds_nothing(&self, text: &str) -> bool {
        let Some(automaton) = &self.automaton else { return true };
        let is_there = self.prefilter.may_find(text.as_bytes()) && automaton.is_match(text);
        let may_be_escaped = || escapes::may_hold_some(text, self.has_space);
        !is_there && (!may_be_escaped() || self.ranges(text).is_empty())
    }

    /// Returns the places of secrets in a text: ordered and disjoint.
    pub fn ranges(&self, text: &str) -> Vec<Range<usize>> {
        let Some(automaton) = &self.automaton else { return Vec::new() };
        let mut found = Vec::new();
        self.each_reading(text, DEPTH, false, &|place| place, &mut |text, origin| {
            if self.prefilter.may_find(text.as_bytes()) {
                let matches = automaton.find_overlapping_iter(text);
                found.extend(matches.map(|one| origin(one.start())..origin(one.end())));
            }
        });
        joined(found)
    }

    /// Like [`Masker::ranges`], for a piece of a line: also a possible end of a secret if its line began
    /// before it, and a possible beginning if its line continues.
    pub fn ranges_of_piece(&self, text: &str, piece: Piece) -> Vec<Range<usize>> {
        let mut found = self.ranges(text);
        // Nearly every line is whole and skips this byte-by-byte search.
        if piece.ending != Ending::Complete {
            self.each_reading(text, DEPTH, true, &|place| place, &mut |read, origin| {
                let begun = self.forms.iter().filter_map(|form| begun(read, form)).max();
                found.extend(begun.map(|length| origin(read.len() - length)..text.len()));
            });
        }
        if piece.is_rest {
            self.each_reading(text, DEPTH, false, &|place| place, &mut |read, origin| {
                // The piece may begin within an escape.
                for skipped in (0..ESCAPE.min(read.len())).filter(|&place| read.is_char_boundary(place)) {
                    let ended = self.forms.iter().filter_map(|form| ended(&read[skipped..], form)).max();
                    found.extend(ended.map(|length| 0..origin(skipped + length)));
                }
            });
        }
        joined(found)
    }

    /// Returns how many bytes of an unfinished line can be shown as they will be when the line is finished:
    /// all but a possible beginning of a secret.
    pub fn final_length(&self, text: &str) -> usize {
        let piece = Piece { is_rest: false, ending: Ending::Unfinished };
        let last = self.ranges_of_piece(text, piece).pop();
        // That range may grow with the rest of the line.
        last.filter(|range| range.end == text.len()).map_or(text.len(), |range| range.start)
    }

    /// Calls back with a text as it is, and with its escapes decoded; without a possible beginning of another
    /// escape at its end if the text `goes_on`.
    fn each_reading(
        &self,
        text: &str,
        depth: u8,
        goes_on: bool,
        origin: Origin<'_>,
        on_text: &mut dyn FnMut(&str, Origin<'_>),
    ) {
        on_text(text, origin);
        if depth == 0 || !escapes::may_hold_some(text, self.has_space) {
            return;
        }
        for kind in KINDS.into_iter().filter(|kind| *kind != Kind::Form || self.has_space) {
            let Some(decoded) = Unescaped::of(text, kind) else { continue };
            let end = decoded.open.filter(|_| goes_on).unwrap_or(decoded.text.len());
            let origin = |place| origin(decoded.original(place));
            self.each_reading(&decoded.text[..end], depth - 1, goes_on, &origin, on_text);
        }
    }

    /// Returns a text with its secrets masked.
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

/// Returns how many bytes at the end of a text may be the beginning of a secret.
fn begun(text: &str, secret: &str) -> Option<usize> {
    (SHORTEST_PART..secret.len()).rev().find(|&length| {
        let start = text.len().checked_sub(length).filter(|&start| text.is_char_boundary(start));
        start.is_some_and(|start| text.as_bytes()[start..].eq_ignore_ascii_case(&secret.as_bytes()[..length]))
    })
}

/// Returns how many bytes at the beginning of a text may be the end of a secret.
fn ended(text: &str, secret: &str) -> Option<usize> {
    let secret = secret.as_bytes();
    (SHORTEST_PART..secret.len()).rev().find(|&length| {
        text.is_char_boundary(length)
            && text.as_bytes()[..length].eq_ignore_ascii_case(&secret[secret.len() - length..])
    })
}

/// Sorts ranges and joins the overlapping ones.
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

/// Adds the spellings of a secret.
fn add_forms(secret: &str, forms: &mut BTreeSet<String>) {
    forms.insert(secret.to_owned());
    // Its form in a sanitized log line.
    forms.insert(Text::of(secret.as_bytes()).plain().to_owned());
    for shift in 0..3 {
        // In the middle of the encoded text, and at its end.
        for after in [0, 2] {
            let standard = base64_within(secret.as_bytes(), shift, after);
            forms.insert(standard.replace('+', "-").replace('/', "_"));
            forms.insert(standard);
        }
    }
}

/// Returns the characters that `bytes` alone determine within a longer base64 text, `shift` bytes after a
/// multiple of three; with the zero bits that follow the very last byte, at most `zeros` pairs of them.
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
