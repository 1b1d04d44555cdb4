//! Selects the lines of the logs to show.

use std::ops::Range;

use pipulate_core::pattern::{self, Case, Regex};
use pipulate_core::service::ServiceName;

use super::{Level, LogLine};

/// The memory limit of a compiled expression, in bytes: any signed-in client can send one.
const LARGEST_PATTERN: usize = 1 << 20;
/// The number of matches that are marked in a line.
const MOST_MARKS: usize = 100;

/// Selects lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogFilter {
    /// All services if there is none.
    pub(crate) service: Option<ServiceName>,
    /// Only matching lines.
    pub(crate) only: Option<Pattern>,
    /// No matching lines.
    pub(crate) without: Option<Pattern>,
    pub(crate) levels: Levels,
}

impl LogFilter {
    /// All lines of one service.
    pub(crate) fn of(service: &ServiceName) -> Self {
        Self { service: Some(service.clone()), ..Self::default() }
    }

    /// Returns true if every line is shown.
    pub(crate) fn takes_all(&self) -> bool {
        self.only.is_none() && self.without.is_none() && self.levels.is_all()
    }

    /// Returns true if a line is shown. The filter sees the masked text: it finds no secret.
    pub(super) fn takes(&self, line: &LogLine) -> bool {
        if self.takes_all() {
            return true;
        }
        if !self.levels.has(line.level) {
            return false;
        }
        let text = line.text();
        let finds = |pattern: &Pattern| pattern.regex.is_match(&text);
        self.only.as_ref().is_none_or(finds) && !self.without.as_ref().is_some_and(finds)
    }

    /// The matches to mark in a line's text.
    pub(crate) fn found_in(&self, text: &str) -> Vec<Range<usize>> {
        let Some(only) = &self.only else { return Vec::new() };
        let found = only.regex.find_iter(text).map(|found| found.range());
        found.filter(|range| !range.is_empty()).take(MOST_MARKS).collect()
    }
}

/// A text or a regular expression, as typed. Case is ignored.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    text: String,
    kind: PatternKind,
    regex: Regex,
}

/// The kind of a filter's text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum PatternKind {
    /// Literal.
    #[default]
    Text,
    Regex,
}

impl Pattern {
    /// Parses a pattern; an empty text is none.
    ///
    /// # Errors
    /// The regular expression is invalid or too large: why, as a fragment.
    pub(crate) fn parse(text: &str, kind: PatternKind) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let expression = match kind {
            PatternKind::Text => pattern::literal(text),
            PatternKind::Regex => text.to_owned(),
        };
        let regex = pattern::parse_within(&expression, Case::Ignored, LARGEST_PATTERN);
        let regex = regex.map_err(|error| pattern::why(&error))?;
        Ok(Some(Self { text: text.to_owned(), kind, regex }))
    }

    /// As typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn kind(&self) -> PatternKind {
        self.kind
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.kind) == (&other.text, other.kind)
    }
}

impl Eq for Pattern {}

/// The levels to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LevelGroup {
    Error,
    Warning,
    /// Includes lines without a level.
    Info,
    Debug,
}

impl LevelGroup {
    pub(crate) const ALL: [Self; 4] = [Self::Error, Self::Warning, Self::Info, Self::Debug];

    /// The word in an address.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// The word on the page.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Error => "Errors",
            Self::Warning => "Warnings",
            Self::Info => "Info",
            Self::Debug => "Debug",
        }
    }

    fn of(level: Level) -> Self {
        match level {
            Level::Error | Level::Traceback => Self::Error,
            Level::Warning => Self::Warning,
            Level::Info | Level::Plain => Self::Info,
            Level::Debug => Self::Debug,
        }
    }
}

/// A set of levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Levels([bool; 4]);

impl Default for Levels {
    fn default() -> Self {
        Self([true; 4])
    }
}

impl Levels {
    /// The named levels; all if the list is empty.
    pub(crate) fn named(names: &[String]) -> Self {
        let named = LevelGroup::ALL.map(|group| names.iter().any(|name| name == group.word()));
        if named.contains(&true) { Self(named) } else { Self::default() }
    }

    pub(crate) fn is_all(self) -> bool {
        self == Self::default()
    }

    pub(crate) fn contains(self, group: LevelGroup) -> bool {
        LevelGroup::ALL.iter().zip(self.0).any(|(one, is_in)| *one == group && is_in)
    }

    fn has(self, level: Level) -> bool {
        self.contains(LevelGroup::of(level))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str, kind: PatternKind) -> Option<Pattern> {
        Pattern::parse(text, kind).unwrap()
    }

    #[test]
    fn a_text_is_itself_and_an_expression_is_read_or_refused_with_a_reason() {
        let text = LogFilter { only: pattern("A.b", PatternKind::Text), ..LogFilter::default() };
        assert_eq!(text.found_in("xa.B a-b a.b"), [1..4, 9..12]);
        let regex = LogFilter { only: pattern("a.b", PatternKind::Regex), ..LogFilter::default() };
        assert_eq!(regex.found_in("xa.B a-b"), [1..4, 5..8]);
        let never_empty = LogFilter { only: pattern("x*", PatternKind::Regex), ..LogFilter::default() };
        assert_eq!(never_empty.found_in("axbx"), [1..2, 3..4]);
        assert_eq!(Pattern::parse("(a", PatternKind::Regex).unwrap_err(), "unclosed group");
        assert!(Pattern::parse("(a{1000}){100}", PatternKind::Regex).unwrap_err().contains("size limit"));
        assert_eq!(pattern("", PatternKind::Regex), None);
    }

    #[test]
    fn no_level_and_every_level_are_all_levels() {
        let named =
            |names: &[&str]| Levels::named(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert!(named(&[]).is_all() && named(&["error", "warning", "info", "debug"]).is_all());
        assert!(named(&["shout"]).is_all());
        let errors = named(&["error"]);
        assert!(errors.has(Level::Traceback) && errors.has(Level::Error) && !errors.has(Level::Plain));
        assert!(named(&["info"]).has(Level::Plain), "what says no level is not hidden with the debugging");
    }
}
