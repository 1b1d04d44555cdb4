//! Why a `pipulate.toml` can't be used, with the wrong line, and without the secrets in it.

use std::cmp::Reverse;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use crate::secret::{self, EnvKey, says_secret};

/// The longest line that a message repeats, in bytes.
const LONGEST_LINE: usize = 4096;

/// Why a `pipulate.toml` can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// The error, with line, column and the line itself if known.
    pub message: String,
}

impl ConfigError {
    /// Returns an error in well-formed TOML, with its place.
    pub(super) fn at(text: &str, span: &Range<usize>, message: &str) -> Self {
        let before = text.get(..span.start).unwrap_or_default();
        let number = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let line = text.lines().nth(number - 1).unwrap_or_default();
        let margin = " ".repeat(number.to_string().len());
        let indent = " ".repeat(column - 1);
        let marks = "^".repeat(text.get(span.clone()).map_or(1, |part| part.chars().count()));
        Self {
            message: format!(
                "error at line {number}, column {column}\n{margin} |\n{number} | {line}\n{margin} | {indent}{marks}\n{message}"
            ),
        }
    }

    /// Masks possible secrets in the quoted line. They don't belong in this file, and even less in a message.
    pub(super) fn without_secrets(self, text: &str) -> Self {
        let lines: Vec<&str> = self.message.lines().filter(|line| line.len() <= LONGEST_LINE).collect();
        let message = secrets_in(text).into_iter().fold(lines.join("\n"), |message, secret| {
            // The length is kept, so that the marker below the line points at the right place.
            message.replace(secret, &"*".repeat(secret.chars().count()))
        });
        Self { message }
    }
}

/// Returns the values in a file, well-formed or not, whose key suggests a secret, and invalid names where
/// only names of secrets belong. Longer ones come first: a shorter one may be a part of them.
fn secrets_in(text: &str) -> Vec<&str> {
    let mut secrets = Vec::new();
    for Value { table, key, text } in values_in(text) {
        let is_misplaced = table == "secrets" && EnvKey::parse(text).is_err();
        if says_secret(key) || is_misplaced {
            secrets
                .extend(text.lines().map(str::trim).filter(|line| line.chars().count() >= secret::SHORTEST));
        }
    }
    secrets.sort_by_key(|secret| Reverse(secret.len()));
    secrets
}

/// A value and its place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value<'a> {
    /// The first word of the table's name.
    pub(super) table: &'a str,
    pub(super) key: &'a str,
    /// As written, without its quotes.
    pub(super) text: &'a str,
}

/// The state of parsing a line, outside of brackets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LinePart {
    Begins,
    Header,
    Key,
    /// The value starts at this offset in the file.
    Value(usize),
}

/// Returns every value of a file, even if it is invalid otherwise.
pub(super) fn values_in(text: &str) -> Vec<Value<'_>> {
    let mut values: Vec<Value<'_>> = Vec::new();
    let (mut line, mut depth) = (LinePart::Begins, 0_usize);
    let (mut table, mut key, mut word) = ("", "", "");
    for token in Source::new(text).lex() {
        let span = token.span();
        let raw = text.get(span.start()..span.end()).unwrap_or_default();
        match (token.kind(), line) {
            (TokenKind::Whitespace | TokenKind::Comment | TokenKind::Eof, _) => {}
            (TokenKind::Newline, _) if depth == 0 => line = LinePart::Begins,
            (TokenKind::LeftSquareBracket, LinePart::Begins) => (line, table) = (LinePart::Header, ""),
            (_, LinePart::Header) if is_word(token.kind()) && table.is_empty() => table = unquoted(raw),
            (_, LinePart::Header) | (TokenKind::Newline | TokenKind::Comma | TokenKind::Dot, _) => {}
            (TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket, _) => depth += 1,
            (TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket, _) => {
                depth = depth.saturating_sub(1);
            }
            (TokenKind::Equals, LinePart::Begins | LinePart::Key) => {
                (line, key) = (LinePart::Value(span.end()), word);
            }
            (TokenKind::Equals, LinePart::Value(_)) => {
                // In an inline table; the text before it was no value.
                if depth > 0 && values.pop().is_some() {
                    key = word;
                }
            }
            (_, LinePart::Begins | LinePart::Key) => (line, word) = (LinePart::Key, unquoted(raw)),
            (_, LinePart::Value(begin)) => {
                word = unquoted(raw);
                // Without quotes, the value is the rest of the line.
                let written = match depth {
                    0 => unquoted(text.get(begin..span.end()).unwrap_or_default().trim()),
                    _ => word,
                };
                values.push(Value { table, key, text: written });
            }
        }
    }
    values
}

fn is_word(kind: TokenKind) -> bool {
    match kind {
        TokenKind::Atom
        | TokenKind::BasicString
        | TokenKind::LiteralString
        | TokenKind::MlBasicString
        | TokenKind::MlLiteralString => true,
        TokenKind::Dot
        | TokenKind::Equals
        | TokenKind::Comma
        | TokenKind::LeftSquareBracket
        | TokenKind::RightSquareBracket
        | TokenKind::LeftCurlyBracket
        | TokenKind::RightCurlyBracket
        | TokenKind::Whitespace
        | TokenKind::Comment
        | TokenKind::Newline
        | TokenKind::Eof => false,
    }
}

fn unquoted(raw: &str) -> &str {
    raw.trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    #[test]
    fn no_error_repeats_a_secret_however_it_is_written() {
        for text in [
            "OPENAI_API_KEY = sk-hush-hush\n",
            "OPENAI_API_KEY = \"sk-hush-hush\n",
            "api_key = \"sk-hush-hush\"\n",
            "TOKEN = correct hush-hush battery\n",
            "PASSWORD = hush-hush==\n",
            "'MY SECRET' = '''\nhush-hush\nhush-hush-2\n''' x\n",
            "[secrets]\nopenai = \"sk-hush-hush\"\n",
            "[secrets]\nrequired = [\n  \"FINE_NAME\",\n  \"sk-hush-hush\",\n]\n",
            "[secrets]\nrequired = [\"KEY=hush-hush\"]\n",
            "[services.w]\ncommand = [\"w\"]\nenv = { A = \"x\", DB_PASS = \"hush-hush\", C = [] }\n",
            "[services.w]\nenv.DB_PASS = \"hush-hush\"\nprot = 1\n",
            "[services.w.env]\nDB_PASS = [\"hush-hush\"]\n",
        ] {
            let message = Config::parse(text).unwrap_err().to_string();
            assert!(!message.contains("hush"), "{text}: {message}");
        }
    }

    #[test]
    fn what_is_no_secret_is_shown_as_it_is() {
        for (text, shown) in [
            ("[services.w]\nenv = { A_KEY = \"sk-hush\", LIBRARY = [] }\n", "LIBRARY = []"),
            ("[secrets]\nrequierd = [\"OPENAI_API_KEY\"]\n", "requierd = [\"OPENAI_API_KEY\"]"),
            ("[services.tokens]\ncommand = [\"python\", 3]\n", "command = [\"python\", 3]"),
        ] {
            let message = Config::parse(text).unwrap_err().to_string();
            assert!(message.contains(shown), "{text}: {message}");
        }
    }
}
