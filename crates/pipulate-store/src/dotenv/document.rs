//! A `.env` text that can be queried and edited; an edit preserves every other byte.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;

use pipulate_core::env_error::Unwritable;
use pipulate_core::secret::EnvKey;

use super::grammar::{Binding, Kind, Statement, parse};
use super::interpolation::interpolate;
use super::quoting::{Warning, quote};
use super::value::SecretValue;

/// The longest value with its variables filled in, in bytes.
const LONGEST: usize = 64 << 10;

/// The maximum total length of all values with variables filled in, in bytes.
const LONGEST_TOGETHER: usize = 2 << 20;

/// The values of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Each name with its value, once, in the order of the file.
    pub values: Vec<(String, Option<SecretValue>)>,
    /// The first line whose value would be too long with its variables filled in. Such a value stays as
    /// written.
    pub too_long: Option<usize>,
}

/// A text with its statements. Its `Debug` output shows names only.
pub struct Document {
    text: String,
    statements: Vec<Statement>,
}

/// Why an edit can't be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Unwritable(Unwritable),
    /// The edit would change the meaning of other lines.
    OpenQuote {
        line: usize,
    },
}

impl Document {
    /// Parses a text. Never fails: an invalid line is kept and ignored.
    ///
    /// ```
    /// use pipulate_store::dotenv::document::Document;
    ///
    /// let text = "export REGION='eu'  # where\nURL=https://${REGION}.example.org\nnot a line of it\n";
    /// let document = Document::parse(text);
    /// assert_eq!(document.broken_lines().collect::<Vec<_>>(), [3]);
    /// let value = document.get("URL", &|_| None).unwrap();
    /// assert_eq!(value.expose(), "https://eu.example.org");
    /// ```
    pub fn parse(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { statements: parse(&text), text }
    }

    /// Returns the text, secrets included, for tests that compare readers.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The names, each once, in the order of the file.
    pub fn keys(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        self.bindings().map(|binding| binding.key.as_str()).filter(|key| seen.insert(*key)).collect()
    }

    /// The lines that python-dotenv skips, counted from 1.
    pub fn broken_lines(&self) -> impl Iterator<Item = usize> {
        let mut line = 1;
        self.statements.iter().filter_map(move |statement| {
            let within = &self.text[statement.span.clone()];
            let begin = line + line_breaks(leading_space(within));
            line += line_breaks(within);
            (statement.kind == Kind::Broken).then_some(begin)
        })
    }

    /// Returns the first line with a name or value that an environment can't hold; `load_dotenv` fails there.
    pub(super) fn line_of_no_variable(&self) -> Option<usize> {
        let is_none = |Binding { key, value, .. }: &Binding| {
            let set = value.as_ref();
            set.is_some_and(|value| key.contains(['=', '\0']) || value.contains('\0'))
        };
        let statement = self.statements.iter().find(|statement| match &statement.kind {
            Kind::Binding(binding) => is_none(binding),
            Kind::Blank | Kind::Broken => false,
        });
        statement.map(|statement| self.line_of(statement))
    }

    /// Resolves the values as `load_dotenv` does: a name's last value, variables filled in from `environment`
    /// first and from earlier lines second. `None` for a name without `=`.
    pub fn resolve(&self, environment: &dyn Fn(&str) -> Option<String>) -> Resolved {
        let mut resolved = Resolved::default();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut room = LONGEST_TOGETHER;
        for (statement, binding) in self.placed_bindings() {
            let lookup = |name: &str| {
                // A name without a value is found, and empty.
                let value =
                    |&place: &usize| resolved.values[place].1.as_ref().map_or("", SecretValue::expose);
                environment(name).or_else(|| places.get(name).map(value).map(str::to_owned))
            };
            let written = binding.value.as_ref();
            let filled = written.map(|written| match written.contains("${") {
                true => interpolate(written, LONGEST.min(room), lookup),
                false => Some(written.clone()),
            });
            if let Some(None) = filled {
                resolved.too_long.get_or_insert_with(|| self.line_of(statement));
            }
            // A value that grew too long stays as written.
            let value = filled.flatten().or_else(|| written.cloned());
            if written.is_some_and(|written| written.contains("${")) {
                room -= value.as_ref().map_or(0, String::len).min(room);
            }
            let value = value.map(SecretValue::new);
            match places.get(binding.key.as_str()) {
                Some(&place) => resolved.values[place].1 = value,
                None => {
                    places.insert(&binding.key, resolved.values.len());
                    resolved.values.push((binding.key.clone(), value));
                }
            }
        }
        resolved
    }

    /// Returns one value of [`Document::resolve`].
    pub fn get(&self, key: &str, environment: &dyn Fn(&str) -> Option<String>) -> Option<SecretValue> {
        self.resolve(environment).values.into_iter().find(|(name, _)| name == key)?.1
    }

    /// Returns the text with a value set: it replaces every old one, or is added on a new last line.
    pub(super) fn with(
        &self,
        key: &EnvKey,
        value: &SecretValue,
    ) -> Result<(String, Option<Warning>), Refusal> {
        let (quoted, warning) = quote(value.expose()).map_err(Refusal::Unwritable)?;
        let assignment = format!("{}={quoted}", key.as_str());
        let mut edits = Vec::new();
        let mut meaning = Vec::new();
        for binding in self.bindings() {
            if binding.key != key.as_str() {
                meaning.push((binding.key.as_str(), binding.value.as_deref()));
                continue;
            }
            let export = if binding.exported { "export " } else { "" };
            // A shell wants a space before a comment.
            let space = if self.text[binding.assignment.end..].starts_with('#') { " " } else { "" };
            edits.push((binding.assignment.clone(), format!("{export}{assignment}{space}")));
            meaning.push((key.as_str(), Some(value.expose())));
        }
        if edits.is_empty() {
            edits.push((self.text.len()..self.text.len(), self.as_last_line(&assignment)));
            meaning.push((key.as_str(), Some(value.expose())));
        }
        Ok((self.edited(edits, &meaning)?, warning))
    }

    /// Returns the text without the lines of a key; `None` if there are none.
    pub(super) fn without(&self, key: &str) -> Result<Option<String>, Refusal> {
        let mut edits = Vec::new();
        let mut meaning = Vec::new();
        for statement in &self.statements {
            match &statement.kind {
                Kind::Binding(binding) if binding.key == key => {
                    edits.push((self.line_start(statement, binding)..statement.span.end, String::new()));
                }
                Kind::Binding(binding) => meaning.push((binding.key.as_str(), binding.value.as_deref())),
                Kind::Blank | Kind::Broken => {}
            }
        }
        if edits.is_empty() { Ok(None) } else { self.edited(edits, &meaning).map(Some) }
    }

    /// Applies edits, in order, and verifies that the result means exactly what is wanted.
    fn edited(
        &self,
        edits: Vec<(Range<usize>, String)>,
        meaning: &[(&str, Option<&str>)],
    ) -> Result<String, Refusal> {
        let mut text = String::new();
        let mut copied = 0;
        for (span, replacement) in edits {
            text.push_str(&self.text[copied..span.start]);
            text.push_str(&replacement);
            copied = span.end;
        }
        text.push_str(&self.text[copied..]);
        let edited = Self::parse(text);
        let means = edited.bindings().map(|binding| (binding.key.as_str(), binding.value.as_deref()));
        if means.eq(meaning.iter().copied()) {
            return Ok(edited.text);
        }
        // An edit is well formed in itself, so a line before it must have an open quote.
        Err(Refusal::OpenQuote { line: self.broken_lines().next().unwrap_or(1) })
    }

    fn as_last_line(&self, assignment: &str) -> String {
        let line_break = if self.text.contains("\r\n") { "\r\n" } else { "\n" };
        let content = self.text.strip_prefix('\u{feff}').unwrap_or(&self.text);
        let separator = if content.is_empty() || content.ends_with(['\n', '\r']) { "" } else { line_break };
        format!("{separator}{assignment}{line_break}")
    }

    fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.placed_bindings().map(|(_, binding)| binding)
    }

    fn placed_bindings(&self) -> impl Iterator<Item = (&Statement, &Binding)> {
        self.statements.iter().filter_map(|statement| match &statement.kind {
            Kind::Binding(binding) => Some((statement, binding)),
            Kind::Blank | Kind::Broken => None,
        })
    }

    /// Returns where the binding's own line begins, after the blank lines before it.
    fn line_start(&self, statement: &Statement, binding: &Binding) -> usize {
        let leading = &self.text[statement.span.start..binding.assignment.start];
        statement.span.start + leading.rfind(['\n', '\r']).map_or(0, |line_break| line_break + 1)
    }

    fn line_of(&self, statement: &Statement) -> usize {
        let begin = statement.span.start + leading_space(&self.text[statement.span.clone()]).len();
        line_breaks(&self.text[..begin]) + 1
    }
}

fn leading_space(text: &str) -> &str {
    &text[..text.len() - text.trim_start().len()]
}

fn line_breaks(text: &str) -> usize {
    let bytes = text.as_bytes();
    let ends =
        |&(at, &byte): &(usize, &u8)| byte == b'\n' || (byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
    bytes.iter().enumerate().filter(ends).count()
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("keys", &self.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
