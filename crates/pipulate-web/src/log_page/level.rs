//! The severity of a line, by common formats: Python's logging, uvicorn, JupyterLab, tracebacks.
//!
//! A service has one output for everything, so this is a guess; it only chooses a mark.

use std::collections::BTreeMap;

use serde_json::Value;

/// The mark of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// No level.
    Plain,
    Debug,
    Info,
    Warning,
    Error,
    /// Part of a Python traceback.
    Traceback,
}

impl Level {
    /// The word in the markup, and for screen readers; `None` without a level.
    pub(crate) fn word(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Info => None,
            Self::Debug => Some("debug"),
            Self::Warning => Some("warning"),
            Self::Error => Some("error"),
            Self::Traceback => Some("traceback"),
        }
    }
}

/// Finds the level of each line in order: a traceback spans several lines.
#[derive(Debug, Default)]
pub(crate) struct LevelTracker {
    /// By the index of the service.
    in_traceback: BTreeMap<usize, bool>,
}

/// The part of a line that is searched for a level.
const HEAD: usize = 64;
/// The longest line of JSON that is parsed for its level, in bytes.
const LONGEST_JSON: usize = 64 << 10;

/// Returns true for the first line of a Python traceback.
pub(crate) fn is_traceback(line: &str) -> bool {
    line.trim_start_matches(['|', '+', '-', ' ']).starts_with("Traceback (most recent call last)")
}

impl LevelTracker {
    /// The level of a service's next line.
    pub(crate) fn level_of(&mut self, service: usize, line: &str) -> Level {
        let in_traceback = self.in_traceback.entry(service).or_default();
        if is_traceback(line) {
            *in_traceback = true;
            return Level::Traceback;
        }
        if *in_traceback {
            // The frames are indented; the first line that is not has the exception.
            *in_traceback = line.is_empty() || line.starts_with([' ', '\t', '|']);
            return Level::Traceback;
        }
        json_level(line).unwrap_or_else(|| level_word(line))
    }
}

/// The level in a line of JSON, as Python's and JavaScript's loggers write it.
fn json_level(line: &str) -> Option<Level> {
    if !line.starts_with('{') || !line.ends_with('}') || line.len() > LONGEST_JSON {
        return None;
    }
    let fields: serde_json::Map<String, Value> = serde_json::from_str(line).ok()?;
    const NAMES: [&str; 6] = ["level", "levelname", "severity", "lvl", "log_level", "log.level"];
    let named = NAMES.into_iter().find_map(|name| Some((name, fields.get(name)?)));
    // Python's `levelno` ranges from 10 (debug) to 50, the `level` of pino and bunyan from 10 (trace) to 60.
    let levelno = || Some(("levelno", fields.get("levelno")?));
    match named.or_else(levelno)? {
        (_, Value::String(word)) => named_level(word),
        ("levelno", number) => numbered_level(number.as_u64()?),
        (_, number) => numbered_level(number.as_u64()?.checked_sub(10)?),
    }
}

fn named_level(word: &str) -> Option<Level> {
    let word = word.to_ascii_lowercase();
    Some(match word.as_str() {
        "trace" | "debug" | "verbose" => Level::Debug,
        "info" | "information" | "notice" | "log" => Level::Info,
        "warn" | "warning" => Level::Warning,
        "error" | "err" | "critical" | "fatal" | "alert" | "emergency" | "panic" => Level::Error,
        _ => return None,
    })
}

/// By the numbers of Python's logging.
fn numbered_level(number: u64) -> Option<Level> {
    Some(match number {
        0..20 => Level::Debug,
        20..30 => Level::Info,
        30..40 => Level::Warning,
        40..=50 => Level::Error,
        _ => return None,
    })
}

fn level_word(line: &str) -> Level {
    let head = &line[..line.floor_char_boundary(HEAD)];
    let says = |words: &[&str]| words.iter().any(|word| has_word(head, word));
    if says(&["ERROR", "CRITICAL", "FATAL", "Error:", "error:", "[E", "[C", "panicked"]) {
        Level::Error
    } else if says(&["WARNING", "WARN", "Warning:", "warning:", "[W"]) {
        Level::Warning
    } else if says(&["DEBUG", "TRACE", "[D"]) {
        Level::Debug
    } else if says(&["INFO", "NOTICE", "[I"]) {
        Level::Info
    } else {
        Level::Plain
    }
}

/// Returns true if a separate word is there. `ValueError:` counts as one that ends in `Error:`.
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
            ("INFO:     Uvicorn running on http://127.0.0.1:5001", Level::Info),
            ("ERROR:    Exception in ASGI application", Level::Error),
            ("[E 2026-11-22 10:00:00.123 ServerApp] Could not open static file", Level::Error),
            ("[W 2026-11-22 10:00:00.123 ServerApp] No such comm", Level::Warning),
            ("[I 2026-11-22 10:00:00.123 ServerApp] Serving notebooks", Level::Info),
            ("2026-11-22 10:00:00,123 WARNING root: careful", Level::Warning),
            ("ValueError: no", Level::Error),
            ("/x.py:3: DeprecationWarning: old", Level::Warning),
            ("no ERRORS here, terrors: none", Level::Plain),
            ("", Level::Plain),
            ("DEBUG:asyncio:Using selector: EpollSelector", Level::Debug),
            (r#"{"level":"warn","msg":"ERROR"}"#, Level::Warning),
            (r#"{"levelname": "CRITICAL"}"#, Level::Error),
            (r#"{"severity":"Debug"}"#, Level::Debug),
            (r#"{"level":30,"msg":"pino"}"#, Level::Info),
            (r#"{"level":60}"#, Level::Error),
            (r#"{"levelno":30}"#, Level::Warning),
            (r#"{"level":"ERROR""#, Level::Error),
            (r#"{"level":{"a":1}}"#, Level::Plain),
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
