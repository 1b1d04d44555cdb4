//! Regular expressions written by users: the same syntax for `logs --grep` and for `ready.log`.

use regex::RegexBuilder;
pub use regex::{Error, Regex};

/// Whether capitals matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    Matters,
    Ignored,
}

/// Parses a regular expression.
///
/// # Errors
/// It is invalid. The message shows where, on several lines.
pub fn parse(text: &str, case: Case) -> Result<Regex, Error> {
    builder(text, case).build()
}

/// Parses a pattern typed by the user: case-insensitive unless it contains a capital letter; `\W` and other
/// escapes don't count as capitals.
///
/// # Errors
/// It is no regular expression.
pub fn as_typed(text: &str) -> Result<Regex, String> {
    let mut has_capital = false;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            character => has_capital |= character.is_uppercase(),
        }
    }
    let case = if has_capital { Case::Matters } else { Case::Ignored };
    parse(text, case).map_err(|error| error.to_string())
}

/// Like [`parse`], for an untrusted expression: limits its compiled size to `bytes`.
///
/// # Errors
/// As [`parse`], or it is larger.
pub fn parse_within(text: &str, case: Case, bytes: usize) -> Result<Regex, Error> {
    builder(text, case).size_limit(bytes).dfa_size_limit(bytes).build()
}

fn builder(text: &str, case: Case) -> RegexBuilder {
    let mut builder = RegexBuilder::new(text);
    builder.case_insensitive(case == Case::Ignored);
    builder
}

/// Returns why a text is no regular expression, on one line.
pub fn why(error: &Error) -> String {
    let message = error.to_string();
    let why = message.lines().find_map(|line| line.strip_prefix("error: "));
    why.map_or_else(|| message.replace('\n', " "), str::to_owned)
}

/// Escapes a text as an expression that matches only that text.
pub fn literal(text: &str) -> String {
    regex::escape(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_read_or_refused_with_a_reason() {
        assert!(parse(r"^port \w\d$", Case::Matters).unwrap().is_match("port Ä٣"));
        assert!(!parse("ready", Case::Matters).unwrap().is_match("READY"));
        assert!(parse("ready", Case::Ignored).unwrap().is_match("READY"));
        let why = |text: &str| why(&parse(text, Case::Matters).unwrap_err());
        assert_eq!(why("* Running on"), "repetition operator missing expression");
        assert_eq!(why("(ready"), "unclosed group");
        assert!(why("(a{1000}){1000}").contains("size limit"));
        assert!(parse(&literal("* Running on (x)"), Case::Matters).unwrap().is_match("* Running on (x)"));
    }
}
