//! The notebooks of a project's folder: their list, and their bytes.
//!
//! Invariants: nothing outside of the folder, nothing hidden and nothing of an installed environment is
//! listed or read, regardless of links and names. A walk visits a bounded number of entries.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use pipulate_core::project::AbsPath;
use serde_json::json;

use crate::files;

/// A larger notebook is not read, in bytes.
pub const LARGEST: u64 = 32 << 20;
/// The maximum number of folder entries that are visited.
const MOST_ENTRIES: usize = 50_000;
/// The maximum number of notebooks that are listed.
const MOST_LISTED: usize = 1_000;
/// The maximum depth of nested folders.
const DEEPEST: usize = 12;
/// Folders of other programs with notebooks that the user did not write.
const FOREIGN: [&str; 3] = ["__pycache__", "node_modules", "site-packages"];
/// How many names for a new notebook are tried.
const MOST_NAMES: u32 = 1_000;

/// A notebook in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Below the folder, with `/` between its parts.
    pub path: String,
    pub changed: Timestamp,
    /// In bytes.
    pub size: u64,
}

/// The result of a walk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The most recently changed one first.
    pub notebooks: Vec<Found>,
    /// There may be more: the walk was ended early.
    pub is_cut: bool,
}

/// Why a notebook was not read.
#[derive(Debug, thiserror::Error)]
pub enum NotRead {
    /// There is none under that name, or it must not be shown.
    #[error("there is no such notebook in this folder")]
    NotThere,
    /// It is larger than [`LARGEST`]; its size in bytes.
    #[error("it is too large")]
    TooLarge(u64),
    #[error("it could not be read: {0}")]
    Io(io::Error),
}

/// Lists the notebooks of a folder. Unreadable folders are skipped.
pub fn list(root: &AbsPath) -> Listing {
    let Ok(real_root) = fs::canonicalize(root) else { return Listing::default() };
    let mut walk = Walk { root: real_root.clone(), looked_at: 0, listing: Listing::default() };
    walk.folder(&real_root, 0);
    let Walk { mut listing, .. } = walk;
    listing.notebooks.sort_by(|a, b| b.changed.cmp(&a.changed).then_with(|| a.path.cmp(&b.path)));
    if listing.notebooks.len() > MOST_LISTED {
        listing.notebooks.truncate(MOST_LISTED);
        listing.is_cut = true;
    }
    listing
}

/// True if a path below the folder is a notebook that may be shown.
pub fn has(root: &AbsPath, path: &str) -> bool {
    resolve(root, path).is_some_and(|real| real.is_file())
}

/// Reads a notebook by its path below the folder; also returns its time of change.
///
/// # Errors
/// There is no such notebook, it is too large, or it can't be read.
pub fn read(root: &AbsPath, path: &str) -> Result<(Vec<u8>, Timestamp), NotRead> {
    let real = resolve(root, path).ok_or(NotRead::NotThere)?;
    // Taken before the bytes are read: the same time later means these bytes, or once older ones.
    let changed = fs::metadata(&real).map(|meta| changed(&meta)).unwrap_or_default();
    let read = files::read_foreign_within(&real, LARGEST).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => NotRead::NotThere,
        io::ErrorKind::FileTooLarge => NotRead::TooLarge(fs::metadata(&real).map_or(0, |meta| meta.len())),
        _ => NotRead::Io(error),
    })?;
    Ok((read, changed))
}

fn changed(meta: &fs::Metadata) -> Timestamp {
    meta.modified().ok().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or_default()
}

/// Returns the path below the folder of a file that a program names, by its absolute path or relative to the
/// folder; `None` if it is not a file in the folder.
pub fn file(root: &AbsPath, named: &str) -> Option<String> {
    let below = Path::new(named);
    let below = if below.is_absolute() { below.strip_prefix(root).ok()? } else { below };
    let real_root = fs::canonicalize(root).ok()?;
    let real = fs::canonicalize(real_root.join(below)).ok()?;
    let real_below = real.strip_prefix(&real_root).ok()?;
    (is_shown(below) && is_shown(real_below) && real.is_file()).then(|| below.to_str().map(str::to_owned))?
}

/// The name and content of a new notebook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum New<'a> {
    Empty,
    /// One cell of Python.
    Code(&'a str),
}

impl New<'_> {
    fn stem(self) -> &'static str {
        match self {
            Self::Empty => "Untitled",
            Self::Code(_) => "From-chat",
        }
    }

    fn text(self) -> String {
        let (cells, metadata) = match self {
            Self::Empty => (Vec::new(), json!({})),
            Self::Code(code) => (
                vec![
                    json!({"cell_type": "code", "id": "first", "execution_count": null, "metadata": {}, "outputs": [], "source": code}),
                ],
                json!({"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}}),
            ),
        };
        let notebook = json!({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5});
        format!("{notebook:#}\n")
    }
}

/// Creates a notebook without overwriting any, and returns its path below the folder.
///
/// # Errors
/// The folder can't be written to.
pub fn create(root: &AbsPath, new: New) -> io::Result<String> {
    let stem = new.stem();
    for number in 0..MOST_NAMES {
        let name = if number == 0 { format!("{stem}.ipynb") } else { format!("{stem}{number}.ipynb") };
        match fs::OpenOptions::new().write(true).create_new(true).open(root.at(&name)) {
            Ok(mut file) => {
                io::Write::write_all(&mut file, new.text().as_bytes())?;
                return Ok(name);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        format!("{MOST_NAMES} unnamed notebooks are in this folder already"),
    ))
}

struct Walk {
    root: PathBuf,
    looked_at: usize,
    listing: Listing,
}

impl Walk {
    fn folder(&mut self, folder: &Path, depth: usize) {
        // The mark of a virtual environment of any name.
        if depth > DEEPEST || folder.join("pyvenv.cfg").exists() {
            return;
        }
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            self.looked_at += 1;
            if self.looked_at > MOST_ENTRIES {
                self.listing.is_cut = true;
                return;
            }
            self.entry(&entry, depth);
        }
    }

    fn entry(&mut self, entry: &DirEntry, depth: usize) {
        let path = entry.path();
        let (Ok(kind), Ok(below)) = (entry.file_type(), path.strip_prefix(&self.root)) else { return };
        if !is_shown(below) {
            return;
        }
        if kind.is_dir() {
            return self.folder(&path, depth + 1);
        }
        // Linked folders are skipped: their target is listed itself, or is outside.
        let (true, Some(text)) = (is_notebook(below), below.to_str()) else { return };
        let real = if kind.is_symlink() { real_path(&self.root, &path) } else { Some(path.clone()) };
        let Some(meta) = real.and_then(|real| fs::metadata(real).ok()).filter(fs::Metadata::is_file) else {
            return;
        };
        self.listing.notebooks.push(Found {
            path: text.to_owned(),
            changed: changed(&meta),
            size: meta.len(),
        });
    }
}

/// Returns the file at a path below the folder, if it may be shown.
fn resolve(root: &AbsPath, path: &str) -> Option<PathBuf> {
    let below = Path::new(path);
    if !is_shown(below) || !is_notebook(below) {
        return None;
    }
    let real_root = fs::canonicalize(root).ok()?;
    real_path(&real_root, &real_root.join(below))
}

/// Returns a path's target if it is a notebook below the same folder that may be shown.
fn real_path(real_root: &Path, path: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(path).ok()?;
    let below = real.strip_prefix(real_root).ok()?;
    (is_shown(below) && is_notebook(below)).then(|| real.clone())
}

/// True for a path of plain names, none hidden and none of an installed environment.
fn is_shown(below: &Path) -> bool {
    let mut parts = below.components();
    parts.all(|part| match part {
        Component::Normal(name) => {
            let name = name.to_string_lossy();
            !name.starts_with('.') && !FOREIGN.contains(&&*name)
        }
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => false,
    })
}

fn is_notebook(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "ipynb")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder with these files; names that end in `/` are folders.
    fn folder(files: &[&str]) -> (tempfile::TempDir, AbsPath) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("project");
        fs::create_dir(&root).unwrap();
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
        }
        let root = AbsPath::new(root).unwrap();
        (folder, root)
    }

    fn listed(root: &AbsPath) -> Vec<String> {
        let mut paths: Vec<_> = list(root).notebooks.into_iter().map(|found| found.path).collect();
        paths.sort();
        paths
    }

    #[test]
    fn what_people_wrote_is_listed_and_nothing_else() {
        let (_folder, root) = folder(&[
            "a.ipynb",
            "deep/er/b.ipynb",
            "c.py",
            ".hidden/d.ipynb",
            "deep/.ipynb_checkpoints/b-checkpoint.ipynb",
            ".e.ipynb",
            "web/node_modules/f.ipynb",
            "env/lib/g.ipynb",
            "env/pyvenv.cfg",
        ]);
        assert_eq!(listed(&root), ["a.ipynb", "deep/er/b.ipynb"]);
    }

    #[test]
    fn the_one_that_was_changed_last_is_first() {
        let (_folder, root) = folder(&["old.ipynb", "new.ipynb"]);
        let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        fs::File::open(root.at("old.ipynb")).unwrap().set_modified(hour_ago).unwrap();
        let paths: Vec<_> = list(&root).notebooks.into_iter().map(|found| found.path).collect();
        assert_eq!(paths, ["new.ipynb", "old.ipynb"]);
    }

    #[test]
    fn attack_14_no_name_and_no_link_leads_out_of_the_folder_or_to_what_is_hidden() {
        let (folder, root) = folder(&["a.ipynb", ".git/b.ipynb", "c.txt", "sub/d.ipynb"]);
        let outside = folder.path().canonicalize().unwrap().join("secret.ipynb");
        fs::write(&outside, "{}").unwrap();
        for (link, target) in [
            ("out.ipynb", "../secret.ipynb"),
            ("hidden.ipynb", ".git/b.ipynb"),
            ("text.ipynb", "c.txt"),
            ("inside.ipynb", "sub/d.ipynb"),
            ("dangling.ipynb", "nowhere.ipynb"),
            ("folder", ".."),
            ("loop", "."),
        ] {
            symlink(target, root.at(link)).unwrap();
        }
        assert_eq!(listed(&root), ["a.ipynb", "inside.ipynb", "sub/d.ipynb"]);
        for path in ["a.ipynb", "inside.ipynb", "sub/d.ipynb"] {
            assert!(has(&root, path), "{path}");
            assert_eq!(read(&root, path).unwrap().0, b"{}", "{path}");
        }
        for path in [
            "../secret.ipynb",
            "sub/../../secret.ipynb",
            "./a.ipynb",
            outside.to_str().unwrap(),
            "out.ipynb",
            "hidden.ipynb",
            "text.ipynb",
            "dangling.ipynb",
            "folder/secret.ipynb",
            ".git/b.ipynb",
            "c.txt",
            "sub",
            "",
            "a.ipynb\0",
        ] {
            assert!(!has(&root, path), "{path:?}");
            assert!(matches!(read(&root, path), Err(NotRead::NotThere)), "{path:?}");
        }
    }

    #[test]
    fn what_is_too_large_is_not_read_and_what_is_no_file_is_not_waited_for() {
        let (_folder, root) = folder(&["large.ipynb"]);
        fs::File::options().write(true).open(root.at("large.ipynb")).unwrap().set_len(LARGEST + 1).unwrap();
        assert!(matches!(read(&root, "large.ipynb"), Err(NotRead::TooLarge(size)) if size == LARGEST + 1));
        nix::unistd::mkfifo(&*root.at("fifo.ipynb"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(read(&root, "fifo.ipynb"), Err(NotRead::Io(_))));
        assert_eq!(listed(&root), ["large.ipynb"]);
    }

    #[test]
    fn a_file_is_named_by_its_whole_path_or_from_the_folder_on() {
        let (_folder, root) = folder(&["lib/a.py", ".venv/x.py", "site-packages/y.py"]);
        std::os::unix::fs::symlink("/etc/passwd", root.at("passwd.txt")).unwrap();
        let whole = root.at("lib/a.py");
        assert_eq!(file(&root, &whole.to_string()).as_deref(), Some("lib/a.py"));
        assert_eq!(file(&root, "lib/a.py").as_deref(), Some("lib/a.py"));
        for other in [
            "lib",
            "b.py",
            ".venv/x.py",
            "site-packages/y.py",
            "../x",
            "lib/../lib/a.py",
            "/etc/passwd",
            "passwd.txt",
            "",
        ] {
            assert_eq!(file(&root, other), None, "{other}");
        }
    }

    #[test]
    fn a_new_notebook_takes_the_place_of_no_other() {
        let (_folder, root) = folder(&["Untitled.ipynb"]);
        assert_eq!(create(&root, New::Empty).unwrap(), "Untitled1.ipynb");
        assert_eq!(create(&root, New::Empty).unwrap(), "Untitled2.ipynb");
        assert_eq!(create(&root, New::Code("print(\"ü\")")).unwrap(), "From-chat.ipynb");
        assert_eq!(create(&root, New::Code("2")).unwrap(), "From-chat1.ipynb");
        let made: serde_json::Value =
            serde_json::from_slice(&read(&root, "From-chat.ipynb").unwrap().0).unwrap();
        assert_eq!((&made["cells"][0]["source"], &made["nbformat"]), (&json!("print(\"ü\")"), &json!(4)));
        assert_eq!(read(&root, "Untitled.ipynb").unwrap().0, b"{}");
    }
}
