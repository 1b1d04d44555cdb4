//! The rules that the compiler and clippy don't check. Each complaint names the place and the remedy.
//!
//! The crate arrows are read from docs/ARCHITECTURE.md, so that the document is the rule; all exceptions,
//! with reasons, are in [`exceptions`].

mod crates;
mod documents;
mod exceptions;
mod known_cycles;
mod modules;
mod repository;
mod sources;
mod tokens;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use proc_macro2::TokenStream;

use crate::{run, say};

pub(crate) use tokens::{after_test_item, is_punct};

/// The endings of checked text files; vendored files have others.
const TEXT: [&str; 5] = ["rs", "md", "toml", "nix", "sh"];

/// Prints every complaint; succeeds if there is none.
///
/// # Errors
/// A file could not be read, or cargo could not describe the workspace.
pub(crate) fn run() -> Result<ExitCode> {
    let complaints = complaints(run::root())?;
    if complaints.is_empty() {
        say::result("tidy: nothing to mend");
        return Ok(ExitCode::SUCCESS);
    }
    say::progress(&complaints.join("\n"));
    say::progress(&format!("tidy: {} to mend", complaints.len()));
    Ok(ExitCode::FAILURE)
}

fn complaints(root: &Path) -> Result<Vec<String>> {
    let files = text_files(root)?;
    let mut complaints = sources::check(&files);
    complaints.extend(documents::check(root, &files));
    complaints.extend(crates::check(&files)?);
    complaints.extend(modules::check(&files));
    complaints.extend(repository::check(root, &files, &crate::tasks())?);
    complaints.sort();
    Ok(complaints)
}

/// The path and the tokens of each Rust file, sorted by path.
///
/// # Errors
/// A file can't be read or is not Rust.
pub(crate) fn rust_files(root: &Path) -> Result<Vec<(String, TokenStream)>> {
    let files = text_files(root)?.into_iter();
    Ok(files.filter_map(|file| Some((file.path, file.tokens?))).collect())
}

/// One text file of the project.
struct TextFile {
    /// Relative to the workspace, with `/`.
    path: String,
    text: String,
    /// Only for Rust files.
    tokens: Option<TokenStream>,
}

impl TextFile {
    fn new(path: String, text: String) -> Result<Self> {
        let parsed = path.ends_with(".rs").then(|| text.parse()).transpose();
        let tokens = parsed.ok().with_context(|| format!("{path} is not Rust"))?;
        Ok(Self { path, text, tokens })
    }
}

fn text_files(root: &Path) -> Result<Vec<TextFile>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("could not list {}", folder.display()))?;
        for entry in entries {
            let path = entry.with_context(|| format!("could not list {}", folder.display()))?.path();
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                folders.extend(is_ours(&path).then_some(path));
            } else if has_text(&path) {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("could not read {}", path.display()))?;
                files.push(TextFile::new(relative(root, &path), text)?);
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Returns true for folders that are neither built nor hidden: a home in this folder (`.venv`, `.pipulate`)
/// is not part of the project.
fn is_ours(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default();
    name != "target" && !name.as_encoded_bytes().starts_with(b".")
}

fn has_text(file: &Path) -> bool {
    file.extension().is_some_and(|ending| TEXT.iter().any(|text| ending == *text))
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_project_is_tidy() -> anyhow::Result<()> {
        let complaints = super::complaints(crate::run::root())?;
        assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
        Ok(())
    }
}
