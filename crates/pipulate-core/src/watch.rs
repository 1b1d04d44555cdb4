//! Which files restart a service when they are saved.
//!
//! Patterns are relative to the project, with `/` on every system: `*`, `?` and `[…]` within a name, `**` for
//! any folders. One without `/` matches in every folder, as in a `.gitignore`, and one that names a folder
//! matches everything in it. Names that begin with a dot must be written out.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern};
use serde::{Deserialize, Serialize};

/// Folders whose files are generated.
const IGNORED_FOLDERS: [&str; 6] =
    [".git", ".ipynb_checkpoints", ".pipulate", ".venv", "__pycache__", "node_modules"];

/// Suffixes of temporary files that editors make while saving, besides names with a leading dot: `app.py~`,
/// `#app.py#`, JetBrains' `app.py___jb_tmp___`, sed's `sedAbC123`.
const TEMPORARY_ENDS: [&str; 9] =
    ["~", "#", ".swp", ".swo", ".swx", ".tmp", "___jb_tmp___", "___jb_old___", ".crswap"];

/// The file name with which vim tests whether it can write into a folder.
const VIMS_TRIAL: &str = "4913";

const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// The specification of a service's watch, for its supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchSpec {
    /// Not empty.
    pub globs: Vec<Glob>,
    /// The Python that checks the syntax of a changed file; a bare name is looked up on the service's `PATH`.
    pub python: PathBuf,
}

impl WatchSpec {
    /// True if a save of this file, relative to the project, counts.
    pub fn wants_file(&self, file: &Path) -> bool {
        let Some(names) = names(file) else { return false };
        let (Some(name), false) = (names.last(), is_ignored(&names)) else { return false };
        !is_temporary(name) && self.globs.iter().any(|glob| leads(&glob.parts, &names, false))
    }

    /// True if such a file may be below this folder, relative to the project.
    pub fn wants_folder(&self, folder: &Path) -> bool {
        names(folder).is_some_and(|names| {
            !is_ignored(&names) && self.globs.iter().any(|glob| leads(&glob.parts, &names, true))
        })
    }
}

/// One pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Glob {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`: any number of folders.
    Folders,
    Name(Pattern),
}

impl Glob {
    /// Checks a pattern: as in a `.gitignore`, relative to the project, without `!`.
    ///
    /// ```
    /// use pipulate_core::watch::Glob;
    ///
    /// assert!(Glob::parse("app/**/*.py").is_ok());
    /// let refused = Glob::parse("/home/me/app/*.py").unwrap_err();
    /// assert!(refused.ends_with("is absolute; write it relative to the project"));
    /// ```
    ///
    /// # Errors
    /// A sentence that says which part is invalid and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("the pattern {text:?} {why}"));
        if text.starts_with('/') {
            return refuse("is absolute; write it relative to the project");
        }
        if text.starts_with('!') || text.contains(['{', '}', '\\']) {
            return refuse(
                "is not understood; there are only *, ?, […] and **: write a pattern for each case",
            );
        }
        let relative = text.strip_prefix("./").unwrap_or(text).trim_end_matches('/');
        let mut parts = Vec::new();
        if !relative.contains('/') && relative == text {
            parts.push(Part::Folders);
        }
        for name in relative.split('/') {
            match name {
                "" => return refuse("has nothing between two slashes, or is empty"),
                "." | ".." => return refuse("leads out of the project; write it relative to the project"),
                "**" => parts.push(Part::Folders),
                name => match Pattern::new(name) {
                    Ok(pattern) => parts.push(Part::Name(pattern)),
                    Err(error) => return refuse(&format!("is not understood: {}", error.msg)),
                },
            }
        }
        if parts.last() == Some(&Part::Folders) {
            parts.extend(Pattern::new("*").ok().map(Part::Name));
        }
        Ok(Self { text: text.to_owned(), parts })
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.text
    }
}

impl TryFrom<String> for Glob {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Returns true if the pattern matches the names, or a folder among them; with `on_the_way`, if it may match
/// a path below them.
fn leads(parts: &[Part], names: &[String], on_the_way: bool) -> bool {
    match (parts, names) {
        ([], inside) => !inside.iter().any(|name| is_hidden(name)),
        (_, []) => on_the_way,
        ([Part::Folders, later @ ..], [name, others @ ..]) => {
            leads(later, names, on_the_way) || (!is_hidden(name) && leads(parts, others, on_the_way))
        }
        ([Part::Name(pattern), later @ ..], [name, others @ ..]) => {
            pattern.matches_with(name, OPTIONS) && leads(later, others, on_the_way)
        }
    }
}

/// `None` for a path that is not below the project.
fn names(relative: &Path) -> Option<Vec<String>> {
    let name = |component| match component {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
    };
    relative.components().map(name).collect()
}

fn is_ignored(names: &[String]) -> bool {
    names.iter().any(|name| IGNORED_FOLDERS.contains(&name.as_str()))
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

fn is_temporary(name: &str) -> bool {
    let is_seds = name.len() == 9 && name.starts_with("sed") && !name.contains('.');
    name == VIMS_TRIAL
        || is_seds
        || name.starts_with(".#")
        || TEMPORARY_ENDS.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(globs: &[&str]) -> WatchSpec {
        let globs = globs.iter().map(|glob| Glob::parse(glob).unwrap()).collect();
        WatchSpec { globs, python: "python3".into() }
    }

    #[test]
    fn a_pattern_means_what_it_means_in_a_gitignore() {
        for (glob, wanted, unwanted) in [
            ("*.py", &["a.py", "app/views/b.py"][..], &["a.pyc", ".hidden.py", ".tox/a.py", "a.py.txt"][..]),
            ("./*.py", &["a.py"], &["app/b.py"]),
            ("app/*.py", &["app/b.py"], &["b.py", "x/app/b.py", "app/views/b.py"]),
            ("app/**/*.py", &["app/b.py", "app/x/y/b.py"], &["b.py", "app/.x/b.py"]),
            ("**/b.py", &["b.py", "app/x/b.py"], &["a.py"]),
            ("templates", &["templates/a.html", "app/templates/x/a.html"], &["a/b", "templates/.a.html"]),
            ("templates/**", &["templates/a.html", "templates/x/a.html"], &["app/templates/a.html"]),
            ("data/", &["data/x"], &["x", "a.data"]),
            (".env", &[".env"], &["env"]),
            (".streamlit/*.toml", &[".streamlit/config.toml"], &["config.toml"]),
            ("page[0-9].?s", &["page1.js"], &["page10.js", "pagex.js"]),
            ("**", &["a", "a/b"], &[".a"]),
            ("zum Üben.py", &["zum Üben.py"], &["zum_Üben.py"]),
        ] {
            let spec = spec(&[glob]);
            for file in wanted {
                assert!(spec.wants_file(Path::new(file)), "{glob:?} wants {file:?}");
                for folder in Path::new(file).ancestors().skip(1) {
                    assert!(spec.wants_folder(folder), "{glob:?} wants {folder:?} for {file:?}");
                }
            }
            for file in unwanted {
                assert!(!spec.wants_file(Path::new(file)), "{glob:?} does not want {file:?}");
            }
        }
    }

    #[test]
    fn folders_are_entered_only_where_a_file_may_be_wanted() {
        let deep = spec(&["*.py"]);
        assert!(deep.wants_folder(Path::new("")) && deep.wants_folder(Path::new("app/x")));
        for folder in [".git", ".venv", "__pycache__", "app/__pycache__", "web/node_modules", ".cache"] {
            assert!(!deep.wants_folder(Path::new(folder)), "{folder}");
        }
        let flat = spec(&["./*.py", "web/*.js"]);
        assert!(flat.wants_folder(Path::new("")) && flat.wants_folder(Path::new("web")));
        assert!(!flat.wants_folder(Path::new("data")) && !flat.wants_folder(Path::new("web/x")));
    }

    #[test]
    fn what_editors_and_python_leave_for_a_moment_is_not_wanted() {
        let all = spec(&["**"]);
        for file in [
            "4913",
            "app.py~",
            ".app.py.swp",
            "app.py.swp",
            ".#app.py",
            "#app.py#",
            "app.py___jb_tmp___",
            "app.py___jb_old___",
            ".app.py.kate-swp",
            ".goutputstream-7X2Y3Z",
            "sedAbC123",
            "app.py.crswap",
            "app/__pycache__/app.cpython-311.pyc",
            ".ipynb_checkpoints/a.ipynb",
            ".pipulate/run/a.json",
            ".venv/lib/x.py",
        ] {
            assert!(!all.wants_file(Path::new(file)), "{file}");
        }
        assert!(all.wants_file(Path::new("app.py")));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_advice() {
        for (glob, why) in [
            ("", "is empty"),
            ("/etc/*.conf", "relative to the project"),
            ("../*.py", "leads out"),
            ("a//b", "between two slashes"),
            ("*.{py,html}", "a pattern for each case"),
            ("!a.py", "a pattern for each case"),
            ("**.py", "is not understood"),
            ("[a.py", "is not understood"),
        ] {
            let error = Glob::parse(glob).unwrap_err();
            assert!(error.contains(why), "{glob:?}: {error}");
        }
    }
}
