//! The readiness line: searched for in all output, as it is captured.
//!
//! Lines are those of `logs`: without colors, and split at carriage returns that overwrite a line.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use pipulate_core::pattern::{self, Case, Regex};
use pipulate_store::capture::Capture;
use pipulate_store::log::sanitize::Text;

/// How many bytes are read at once.
const CHUNK: usize = 64 << 10;
/// A longer line is searched in overlapping parts, in bytes.
const LONGEST_LINE: usize = 64 << 10;
const OVERLAP: usize = 4 << 10;
/// An unfinished line without new output for this long may be a prompt.
const PAUSE: Duration = Duration::from_millis(100);

/// The search for one instance's line.
pub(crate) struct LineWatch {
    text: String,
    /// Only during the search: it takes memory.
    pattern: Option<Regex>,
    /// The offset in the current log up to which it was read.
    read_to: u64,
    /// The capture's rotations by then.
    rotations: u32,
    /// The unfinished line so far.
    rest: Vec<u8>,
    /// When to search the unfinished line.
    rest_at: Option<Instant>,
    has_come: bool,
}

impl LineWatch {
    /// Searches from this offset in the current log on.
    pub(crate) fn new(text: &str, read_to: u64) -> Self {
        Self {
            text: text.to_owned(),
            pattern: None,
            read_to,
            rotations: 0,
            rest: Vec::new(),
            rest_at: None,
            has_come: false,
        }
    }

    /// Starts over, for an instance that has printed nothing yet.
    pub(crate) fn begin(&mut self, capture: &Capture) {
        *self = Self { rotations: capture.rotations(), ..Self::new(&self.text, capture.end()) };
    }

    /// Returns the pattern.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns when to search without new output.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.rest_at
    }

    /// Returns true if the line has come. Reads everything since the last call, however much that is; call it
    /// after each drain. `is_over`: nothing will be added to the last line.
    pub(crate) fn has_come(&mut self, capture: &mut Capture, is_over: bool) -> bool {
        if self.has_come {
            return true;
        }
        if self.pattern.is_none() {
            self.pattern = pattern::parse(&self.text, Case::Matters).ok();
        }
        let Some(pattern) = self.pattern.take() else { return false };
        self.has_come = self.look(&pattern, capture, is_over);
        if self.has_come {
            (self.rest, self.rest_at) = (Vec::new(), None);
        } else {
            self.pattern = Some(pattern);
        }
        self.has_come
    }

    fn look(&mut self, pattern: &Regex, capture: &mut Capture, is_over: bool) -> bool {
        if self.rotations != capture.rotations() {
            self.rotations = capture.rotations();
            let full = capture.take_full_log();
            if full.is_some_and(|full| self.read(pattern, &full, u64::MAX)) {
                return true;
            }
            self.read_to = 0;
        }
        if self.read(pattern, capture.log(), capture.end()) {
            return true;
        }
        let is_due = is_over || self.rest_at.is_some_and(|at| at <= Instant::now());
        if is_due {
            self.rest_at = None;
        }
        is_due && matches(pattern, &self.rest)
    }

    fn read(&mut self, pattern: &Regex, log: &File, end: u64) -> bool {
        let mut chunk = Vec::new();
        while self.read_to < end {
            chunk.resize(CHUNK.min(usize::try_from(end - self.read_to).unwrap_or(CHUNK)), 0);
            let count = match log.read_at(&mut chunk, self.read_to) {
                Ok(0) | Err(_) => return false,
                Ok(count) => count,
            };
            self.read_to += count as u64;
            if self.take(pattern, &chunk[..count]) {
                return true;
            }
        }
        false
    }

    fn take(&mut self, pattern: &Regex, bytes: &[u8]) -> bool {
        self.rest.extend_from_slice(bytes);
        let whole = self.rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let found = self.rest[..whole].split(|&byte| byte == b'\n').any(|line| matches(pattern, line));
        self.rest.drain(..whole);
        let is_too_long = self.rest.len() > LONGEST_LINE;
        let found = found || (is_too_long && matches(pattern, &self.rest));
        if is_too_long {
            self.rest.drain(..self.rest.len() - OVERLAP);
        }
        self.rest_at = (!self.rest.is_empty()).then(|| Instant::now() + PAUSE);
        found
    }
}

fn matches(pattern: &Regex, line: &[u8]) -> bool {
    let mut parts = line.split(|&byte| byte == b'\r').filter(|part| !part.is_empty());
    parts.any(|part| pattern.is_match(Text::of(part).plain()))
}
