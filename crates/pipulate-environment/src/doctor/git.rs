//! Queries git about the project's files, without the checkout's own configuration.
//!
//! A checkout's configuration names programs that git runs even for queries (`core.fsmonitor`). So git gets
//! an empty repository, with the checkout's index and its .gitignore files.

use std::fs;
use std::path::{Path, PathBuf};

use pipulate_process::command::Command;
use pipulate_store::files;

use super::evidence::{self, Said};

/// A checkout to query.
pub(super) struct Checkout {
    git: PathBuf,
    /// The folder that has `.git` in it.
    top: PathBuf,
    index: PathBuf,
    /// The project's folder.
    project: PathBuf,
    /// An empty repository.
    empty: tempfile::TempDir,
}

impl Checkout {
    /// The checkout that the project is in, if there is one.
    pub(super) fn around(project: &Path, git: PathBuf) -> Option<Self> {
        let top = project.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok())?;
        let folder = git_folder(&top.join(".git"))?;
        let empty = empty_repository(&folder).ok()?;
        let (top, project) = (top.to_owned(), project.to_owned());
        Some(Self { git, top, index: folder.join("index"), project, empty })
    }

    /// Runs git with these arguments.
    pub(super) fn ask(&self, words: &[&str]) -> Said {
        let option = |name: &str, path: &Path| {
            let mut option = std::ffi::OsString::from(name);
            option.push(path);
            option
        };
        // Never open a device or FIFO in its place.
        let index = Some(&self.index).filter(|index| index.is_file());
        let command = Command::new(&self.git)
            .args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"])
            .arg(option("--git-dir=", self.empty.path()))
            .arg(option("--work-tree=", &self.top))
            .args(words.iter().copied())
            .env("GIT_INDEX_FILE", index.map_or_else(|| self.empty.path().join("index"), Clone::clone))
            .env("GIT_NO_LAZY_FETCH", "1")
            .directory(&self.project);
        evidence::of_machine(command).called(format!("git {}", words.join(" ")))
    }
}

/// The `.git` folder, or the folder that a worktree's or submodule's `.git` file names.
fn git_folder(dot_git: &Path) -> Option<PathBuf> {
    if dot_git.is_dir() {
        return Some(dot_git.to_owned());
    }
    let text = files::read_foreign_text(dot_git).ok()?;
    Some(dot_git.parent()?.join(text.strip_prefix("gitdir:")?.trim()))
}

/// A repository with the checkout's excludes and nothing else.
fn empty_repository(folder: &Path) -> std::io::Result<tempfile::TempDir> {
    let empty = tempfile::tempdir()?;
    for name in ["objects", "refs", "info"] {
        fs::create_dir(empty.path().join(name))?;
    }
    fs::write(empty.path().join("HEAD"), "ref: refs/heads/main\n")?;
    let common = files::read_foreign_text(&folder.join("commondir")).ok();
    let common = common.map_or_else(|| folder.to_owned(), |common| folder.join(common.trim()));
    if let Ok(excluded) = files::read_foreign(&common.join("info/exclude")) {
        fs::write(empty.path().join("info/exclude"), excluded)?;
    }
    Ok(empty)
}
