//! python-dotenv's grammar, one statement at a time, over the original text.
//!
//! The statements cover the text without a gap, so that unedited parts stay byte for byte. Python reads files
//! with every line break as `\n`; here line breaks are preserved, and only the decoded keys and values have
//! `\n`.

use std::ops::Range;

/// A part of the text: leading blank lines, then at most one binding, comment or broken line.
#[derive(PartialEq, Eq)]
pub(super) struct Statement {
    /// Starts at the end of the statement before.
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(PartialEq, Eq)]
pub(super) enum Kind {
    Binding(Binding),
    /// A comment, or nothing but blank lines.
    Blank,
    /// A line that python-dotenv skips with a warning.
    Broken,
}

/// `KEY=value`, or a bare `KEY`.
#[derive(PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) key: String,
    /// Decoded, but not interpolated; `None` for a bare key.
    pub(super) value: Option<String>,
    pub(super) exported: bool,
    /// From `export` or the key to the end of the value: without indentation, comment and line break.
    pub(super) assignment: Range<usize>,
}

/// The text does not follow the grammar.
struct Broken;

/// Parses a whole text. A byte order mark at its start is not part of the first key.
pub(super) fn parse(text: &str) -> Vec<Statement> {
    let mut scanner =
        Scanner { text, at: text.strip_prefix('\u{feff}').map_or(0, |rest| text.len() - rest.len()) };
    let mut statements = Vec::new();
    while scanner.peek().is_some() {
        let start = scanner.at;
        let kind = scanner.statement().unwrap_or_else(|Broken| {
            scanner.skip_while(|c| !is_line_break(c));
            scanner.line_break();
            Kind::Broken
        });
        statements.push(Statement { span: start..scanner.at, kind });
    }
    statements
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn statement(&mut self) -> Result<Kind, Broken> {
        self.skip_while(is_space);
        if self.peek().is_none() {
            return Ok(Kind::Blank);
        }
        let start = self.at;
        let exported = self.export();
        let key = self.key()?;
        let mut end = self.at;
        self.skip_while(is_blank);
        let mut value = None;
        if self.eat('=') {
            let spaces = self.skip_while(is_blank);
            let comment_follows = !spaces.is_empty() && self.peek() == Some('#');
            let (text, value_end) = if comment_follows { (String::new(), self.at) } else { self.value()? };
            value = Some(text);
            end = value_end;
        }
        self.end_of_line()?;
        Ok(key.map_or(Kind::Blank, |key| {
            Kind::Binding(Binding { key, value, exported, assignment: start..end })
        }))
    }

    /// `export` counts only with a space after it; else it is a key.
    fn export(&mut self) -> bool {
        let after = self.rest().strip_prefix("export");
        let exported = after.is_some_and(|rest| rest.starts_with(is_blank));
        if exported {
            self.at += "export".len();
            self.skip_while(is_blank);
        }
        exported
    }

    /// `None` where a comment begins.
    fn key(&mut self) -> Result<Option<String>, Broken> {
        if self.peek() == Some('#') {
            return Ok(None);
        }
        let key = match self.rest().strip_prefix('\'') {
            // An unclosed quote breaks its own line only, so nothing is read past it.
            Some(quoted) => {
                let key = &quoted[..quoted.find('\'').ok_or(Broken)?];
                self.at += key.len() + 2;
                key
            }
            None => self.skip_while(|c| c != '=' && c != '#' && !is_space(c)),
        };
        if key.is_empty() { Err(Broken) } else { Ok(Some(with_plain_line_breaks(key))) }
    }

    /// Returns the value and where it ends: before the comment that may follow an unquoted value.
    fn value(&mut self) -> Result<(String, usize), Broken> {
        match self.peek() {
            Some(quote @ ('\'' | '"')) => {
                let raw = self.quoted(quote)?;
                Ok((decode(&with_plain_line_breaks(raw), quote), self.at))
            }
            Some(_) | None => {
                let start = self.at;
                let value = without_comment(self.skip_while(|c| !is_line_break(c)));
                Ok((value.to_owned(), start + value.len()))
            }
        }
    }

    /// Returns the text between the quotes; a backslash escapes the character after it.
    fn quoted(&mut self, quote: char) -> Result<&'a str, Broken> {
        let body = &self.rest()[1..];
        let mut chars = body.char_indices();
        while let Some((index, c)) = chars.next() {
            if c == '\\' {
                chars.next();
            } else if c == quote {
                self.at += 1 + index + 1;
                return Ok(&body[..index]);
            }
        }
        Err(Broken)
    }

    /// Reads optional spaces, an optional comment and an optional line break; nothing else.
    fn end_of_line(&mut self) -> Result<(), Broken> {
        self.skip_while(is_blank);
        if self.peek() == Some('#') {
            self.skip_while(|c| !is_line_break(c));
        }
        if self.line_break() || self.peek().is_none() { Ok(()) } else { Err(Broken) }
    }

    fn line_break(&mut self) -> bool {
        let carriage_return = self.eat('\r');
        self.eat('\n') || carriage_return
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let skipped = &rest[..rest.find(|c| !wanted(c)).unwrap_or(rest.len())];
        self.at += skipped.len();
        skipped
    }
}

/// Python's `str.isspace`, which includes four control characters that Unicode's White_Space property does
/// not.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

fn is_line_break(c: char) -> bool {
    c == '\n' || c == '\r'
}

/// A space inside a line.
fn is_blank(c: char) -> bool {
    is_space(c) && !is_line_break(c)
}

/// A comment begins at the first `#` after a space.
fn without_comment(text: &str) -> &str {
    let begins = |(index, _): &(usize, &str)| text[..*index].ends_with(is_space);
    let end = text.match_indices('#').find(begins).map_or(text.len(), |(index, _)| index);
    text[..end].trim_end_matches(is_space)
}

fn with_plain_line_breaks(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Single quotes know two escapes, double quotes some more; an unknown one is two characters.
fn decode(text: &str, quote: char) -> String {
    let mut decoded = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.peek().and_then(|next| unescape(*next, quote)) } else { None };
        decoded.push(escaped.unwrap_or(c));
        if escaped.is_some() {
            chars.next();
        }
    }
    decoded
}

fn unescape(c: char, quote: char) -> Option<char> {
    match c {
        '\\' | '\'' => Some(c),
        _ if quote == '\'' => None,
        '"' => Some('"'),
        'a' => Some('\x07'),
        'b' => Some('\x08'),
        'f' => Some('\x0c'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\x0b'),
        _ => None,
    }
}
