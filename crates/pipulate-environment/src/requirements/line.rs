//! One line of a requirements file: its package, its condition, or the file that it includes.
//!
//! The installers read these files themselves. Lines that can't be parsed here are left to them.

use std::str::FromStr as _;

use pep508_rs::{MarkerTree, Requirement, VerbatimUrl};

use super::normalized_name;
use crate::surroundings::Surroundings;

/// The meaning of an included file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Install these.
    Requirements,
    /// If you install these, use this version.
    Constraints,
}

/// A package that a line requires by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Normalized.
    pub name: String,
    /// Its condition; `None`: always.
    pub marker: Option<MarkerTree>,
}

/// The line without its comment.
pub(crate) fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    line.find(" #").or_else(|| line.find("\t#")).map_or(line, |at| &line[..at])
}

/// The file that a line includes, and its role.
pub(super) fn included(line: &str, role: Role, around: &Surroundings) -> Option<(String, Role)> {
    let options = [
        ("--requirement", role),
        ("-r", role),
        ("--constraint", Role::Constraints),
        ("-c", Role::Constraints),
    ];
    options.into_iter().find_map(|(option, role)| {
        let rest = line.strip_prefix(option)?;
        // `--requirement=x` and `--requirement x`, but not `--requirements-x`; `-rx` is fine.
        let separated = rest.starts_with([' ', '\t', '=']) || !option.starts_with("--");
        let name = unquoted(rest.trim_start_matches([' ', '\t', '=']));
        (separated && !name.is_empty()).then(|| (with_variables(&name, around), role))
    })
}

/// Parses the words after an option as pip does: `a\ b.txt` and `"a b.txt"` are one name.
fn unquoted(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    let mut quote = None;
    let mut characters = word.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None | Some('"'), '\\') => plain.extend(characters.next()),
            (None | Some(_), c) => plain.push(c),
        }
    }
    plain
}

/// Expands `${NAME}` if the variable is set, as both installers do.
fn with_variables(text: &str, around: &Surroundings) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        filled.push_str(&rest[..at]);
        let tail = &rest[at + 2..];
        let value = tail.find('}').and_then(|end| Some((around.text(&tail[..end])?, end)));
        match value {
            Some((value, end)) => {
                filled.push_str(value);
                rest = &tail[end + 1..];
            }
            None => {
                filled.push_str("${");
                rest = tail;
            }
        }
    }
    filled + rest
}

/// The package that a line requires; paths, addresses and options require none by name.
pub(crate) fn asked(line: &str) -> Option<Asked> {
    let line = line.split(" --").next().unwrap_or_default().trim();
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let follows = rest.trim_start().chars().next();
    let named = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && follows.is_none_or(|c| "[=<>!~;@(-".contains(c));
    named.then(|| Asked { name: normalized_name(name), marker: marker(line) })
}

/// The text after the semicolon; in an address, only after a space.
fn marker(line: &str) -> Option<MarkerTree> {
    let is_address = line.contains('@');
    let (_, condition) = if is_address { line.split_once(" ;") } else { line.split_once(';') }?;
    MarkerTree::from_str(condition.trim()).ok().filter(|marker| !marker.is_true())
}

/// Checks a package that a user names: `pandas`, `"pandas>=2"`, `"app @ https://host/app.whl"`.
///
/// # Errors
/// The reason why it is invalid.
pub(crate) fn check(text: &str) -> Result<Asked, String> {
    let text = text.trim();
    if text.starts_with('-') || text.contains(['\n', '\r']) {
        return Err("it is not the name of a package".to_owned());
    }
    Requirement::<VerbatimUrl>::from_str(text).map_err(|error| error.message.to_string())?;
    asked(text).ok_or_else(|| "it is not the name of a package".to_owned())
}
