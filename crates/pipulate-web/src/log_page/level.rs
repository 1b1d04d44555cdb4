//! How bad a line is, by what programs usually print: Python's logging, uvicorn, JupyterLab, tracebacks.
//!
//! A service has one output for everything, so this is a guess; it only chooses a mark.

use std::collections::BTreeMap;

/// What a line is marked as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Plain,
    Warning,
    Error,
    /// Part of a Python traceback.
    Traceback,
}

impl Level {
    /// The word in the markup, and for those who don't see colors; `None` where there is nothing to say.
    pub(crate) fn word(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Warning => Some("warning"),
            Self::Error => Some("error"),
            Self::Traceback => Some("traceback"),
        }
    }
}

/// Finds the level of each line in order: a traceback spans several lines.
#[derive(Debug, Default)]
pub(crate) struct LevelTracker {
    /// By the services' places.
    in_traceback: BTreeMap<usize, bool>,
}

/// How far into a line a level is looked for.
const HEAD: usize = 64;

impl LevelTracker {
    /// The level of a service's next line.
    pub(crate) fn level_of(&mut self, service: usize, line: &str) -> Level {
        let in_traceback = self.in_traceback.entry(service).or_default();
        let is_headline =
            line.trim_start_matches(['|', '+', '-', ' ']).starts_with("Traceback (most recent call last)");
        if is_headline {
            *in_traceback = true;
            return Level::Traceback;
        }
        if *in_traceback {
            // The frames are indented; the first line that is not says what was raised.
            *in_traceback = line.is_empty() || line.starts_with([' ', '\t', '|']);
            return Level::Traceback;
        }
        level_word(line)
    }
}

fn level_word(line: &str) -> Level {
    let head = &line[..line.floor_char_boundary(HEAD)];
    let says = |words: &[&str]| words.iter().any(|word| has_word(head, word));
    if says(&["ERROR", "CRITICAL", "FATAL", "Error:", "error:", "[E", "[C", "panicked"]) {
        Level::Error
    } else if says(&["WARNING", "WARN", "Warning:", "warning:", "[W"]) {
        Level::Warning
    } else {
        Level::Plain
    }
}

/// Whether a word stands there by itself. `ValueError:` is one that ends in `Error:`.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(place, _)| {
        let before = text[..place].chars().next_back();
        let after = text[place + word.len()..].chars().next();
        let begins = before.is_none_or(|c| !c.is_alphanumeric()) || word.ends_with(':');
        begins && after.is_none_or(|c| !c.is_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_print_has_its_level() {
        for (line, level) in [
            ("INFO:     Uvicorn running on http://127.0.0.1:5001", Level::Plain),
            ("ERROR:    Exception in ASGI application", Level::Error),
            ("[E 2026-11-22 10:00:00.123 ServerApp] Could not open static file", Level::Error),
            ("[W 2026-11-22 10:00:00.123 ServerApp] No such comm", Level::Warning),
            ("[I 2026-11-22 10:00:00.123 ServerApp] Serving notebooks", Level::Plain),
            ("2026-11-22 10:00:00,123 WARNING root: careful", Level::Warning),
            ("ValueError: no", Level::Error),
            ("/x.py:3: DeprecationWarning: old", Level::Warning),
            ("no ERRORS here, terrors: none", Level::Plain),
            ("", Level::Plain),
        ] {
            assert_eq!(LevelTracker::default().level_of(0, line), level, "{line}");
        }
    }

    #[test]
    fn a_traceback_goes_from_its_headline_to_what_was_raised() {
        let mut levels = LevelTracker::default();
        let lines = [
            ("before", Level::Plain),
            ("Traceback (most recent call last):", Level::Traceback),
            ("  File \"server.py\", line 3, in <module>", Level::Traceback),
            ("    1 / 0", Level::Traceback),
            ("ZeroDivisionError: division by zero", Level::Traceback),
            ("after", Level::Plain),
        ];
        for (line, level) in lines {
            assert_eq!(levels.level_of(0, line), level, "{line}");
            assert_eq!(levels.level_of(1, "of another service"), Level::Plain);
        }
    }
}
