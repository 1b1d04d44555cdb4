//! Rules about the files around the code: every command in instructions for people, GitHub
//! and editors exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::TextFile;

/// Hidden folders whose files contain commands, in addition to all documents.
const HIDDEN: [&str; 3] = [".ci", ".devcontainer", ".github"];

const DEVCONTAINER: &str = ".devcontainer/devcontainer.json";

/// Returns every complaint. `tasks` are the names after `cargo xtask`.
///
/// # Errors
/// A file could not be read.
pub(super) fn check(root: &Path, files: &[TextFile], tasks: &BTreeSet<String>) -> Result<Vec<String>> {
    let documents = files.iter().filter(|file| file.path.ends_with(".md"));
    let mut told: Vec<(String, String)> =
        documents.map(|file| (file.path.clone(), file.text.clone())).collect();
    let mut folders: Vec<_> = HIDDEN.map(|folder| root.join(folder)).into();
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("could not list {}", folder.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("could not read {}", path.display()))?;
                told.push((super::relative(root, &path), text));
            }
        }
    }
    let mut complaints = Vec::new();
    for (path, text) in &told {
        complaints.extend(unknown_tasks(path, text, tasks));
        complaints.extend(missing_scripts(root, path, text));
    }
    complaints.extend(check_devcontainer(told.iter().find(|(path, _)| path == DEVCONTAINER)));
    let text = |path: &str| files.iter().find(|file| file.path == path).map_or("", |file| &file.text);
    complaints.extend(check_oldest_compiler(text("Cargo.toml"), text("rust-toolchain.toml")));
    Ok(complaints)
}

fn unknown_tasks(path: &str, text: &str, tasks: &BTreeSet<String>) -> Vec<String> {
    let named = text
        .split("cargo xtask ")
        .skip(1)
        .map(|rest| rest.split(|letter: char| !letter.is_ascii_lowercase()).next().unwrap_or_default());
    let unknown = named.filter(|task| !task.is_empty() && !tasks.contains(*task));
    unknown.map(|task| format!("{path}: there is no `cargo xtask {task}`")).collect()
}

fn missing_scripts(root: &Path, path: &str, text: &str) -> Vec<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    let words = text.split(|letter| !is_part(letter)).filter(|word| word.starts_with("scripts/"));
    let missing = words.map(|word| word.trim_end_matches('.')).filter(|word| !root.join(word).exists());
    missing.map(|word| format!("{path}: there is no {word}")).collect()
}

/// The devcontainer is JSON, and forwards the default ports of the web app and JupyterLab.
fn check_devcontainer(file: Option<&(String, String)>) -> Option<String> {
    let (path, text) = file?;
    let container: serde_json::Value = match serde_json::from_str(text) {
        Ok(container) => container,
        Err(error) => return Some(format!("{path}: {error}")),
    };
    let is_forwarded = container["forwardPorts"] == serde_json::json!([5001, 8888]);
    (!is_forwarded).then(|| format!("{path}: forward the ports of the web app and JupyterLab: 5001, 8888"))
}

/// CI's pinned compiler must be the oldest supported one.
fn check_oldest_compiler(manifest: &str, toolchain: &str) -> Option<String> {
    let value = |text: &str, key: &str| -> Option<String> {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))?;
        Some(line.trim().trim_matches('"').to_owned())
    };
    let (promised, pinned) = (value(manifest, "rust-version"), value(toolchain, "channel"));
    let is_promised = pinned.as_ref().zip(promised.as_ref()).is_some_and(|(pinned, promised)| {
        pinned.strip_prefix(promised.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    (!is_promised).then(|| {
        format!("Cargo.toml: rust-version is {promised:?}, but rust-toolchain.toml pins {pinned:?}, so it isn't tested")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_and_a_script_that_are_told_to_run_exist() {
        let tasks = BTreeSet::from(["ci".to_owned()]);
        let text = "`cargo xtask ci`, cargo xtask lint --all, `cargo xtask`; sh scripts/check-tools and scripts/gone.";
        assert_eq!(unknown_tasks("a.md", text, &tasks), ["a.md: there is no `cargo xtask lint`"]);
        assert_eq!(missing_scripts(crate::run::root(), "a.md", text), ["a.md: there is no scripts/gone"]);
    }

    #[test]
    fn a_devcontainer_is_json_and_forwards_both_ports() {
        let complaint = |text: &str| check_devcontainer(Some(&("c.json".to_owned(), text.to_owned())));
        assert_eq!(complaint(r#"{"forwardPorts": [5001, 8888]}"#), None);
        assert!(complaint(r#"{"forwardPorts": [5001]}"#).is_some() && complaint("{ // no\n}").is_some());
    }

    #[test]
    fn the_compiler_that_is_promised_is_the_one_that_tests_run_with() {
        let complaint = |promised: &str, pinned: &str| {
            check_oldest_compiler(
                &format!("rust-version = \"{promised}\"\n"),
                &format!("channel = \"{pinned}\"\n"),
            )
        };
        assert_eq!(complaint("1.95", "1.95.0"), None);
        assert!(complaint("1.9", "1.95.0").is_some() && complaint("1.94", "1.95.0").is_some());
    }
}
