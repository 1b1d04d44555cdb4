//! Finds the project's folder.
//!
//! The nearest folder around the current one with a project's marker; only below the home directory, so that
//! a stray file there does not make all of a user's folders one project; and never a folder that other users
//! can write to: their pipulate.toml would choose the programs that we run.

use std::path::Path;

use pipulate_core::project::AbsPath;
use pipulate_core::text::shell_words;

use super::trust;
use crate::call::{Call, Verb};
use crate::error::{Failure, FailureKind};

/// The markers of a project.
const MARKERS: [Marker; 3] =
    [Marker::File("pipulate.toml"), Marker::Folder(".pipulate"), Marker::Folder(".venv")];

enum Marker {
    File(&'static str),
    Folder(&'static str),
}

/// A project, and notes on how it was chosen.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) root: AbsPath,
    pub(super) warnings: Vec<String>,
    /// It is a folder above the current one, and only its `.venv` says that it is a project.
    pub(super) is_guess: bool,
}

/// Chooses the project of a call.
///
/// # Errors
/// Those of the functions below.
pub(super) fn choose(call: &Call, current: &Path, home: Option<&Path>) -> Result<Chosen, Failure> {
    match &call.global.project {
        Some(directory) => named(&current.join(directory), home),
        // A new project may be inside another one.
        None if matches!(call.verb, Verb::Init) => here(current, home),
        None => around(current, home),
    }
}

/// Returns the project around a folder; the folder itself if there is none.
///
/// # Errors
/// The folder would be the home directory or `/`, which are projects only if named; or it is another user's.
fn around(current: &Path, home: Option<&Path>) -> Result<Chosen, Failure> {
    let current = own(current)?;
    let mut warnings = Vec::new();
    let home = home.and_then(|home| home.canonicalize().ok());
    let home = home.as_deref();
    for folder in current.ancestors() {
        if is_project(folder, home) {
            match doubt_about(folder).filter(|_| folder != &*current) {
                None => {
                    let is_guess = folder != &*current && has_only_a_venv(folder);
                    return Ok(Chosen { root: canonical(folder)?, warnings, is_guess });
                }
                Some(why) => warnings.push(skipped(folder, why)),
            }
        }
        if Some(folder) == home {
            break;
        }
    }
    Ok(Chosen { root: refuse_by_accident(current, home)?, warnings, is_guess: false })
}

/// Returns the current folder as the project.
///
/// # Errors
/// As [`around`].
fn here(current: &Path, home: Option<&Path>) -> Result<Chosen, Failure> {
    named(&own(current)?, home)
}

/// Returns the project in a named folder.
///
/// # Errors
/// There is no such folder, or it is the home directory or `/`.
fn named(directory: &Path, home: Option<&Path>) -> Result<Chosen, Failure> {
    let root = canonical(directory)?;
    if !root.is_dir() {
        return Err(Failure::new(FailureKind::Usage, format!("this is not a folder: {root}")));
    }
    let home = home.and_then(|home| home.canonicalize().ok());
    let root = refuse_by_accident(root, home.as_deref())?;
    let doubt = doubt_about(&root)
        .map(|why| format!("{why}, and its settings and programs would run as you: {root}"));
    Ok(Chosen { warnings: doubt.into_iter().collect(), root, is_guess: false })
}

/// Any folder, for verbs without a project.
///
/// # Errors
/// The folder is gone.
pub(super) fn anywhere(current: &Path) -> Result<AbsPath, Failure> {
    canonical(current)
}

fn is_project(folder: &Path, home: Option<&Path>) -> bool {
    MARKERS.iter().any(|marker| match marker {
        Marker::File(name) => folder.join(name).is_file(),
        Marker::Folder(name) => folder.join(name).is_dir() && !is_special(folder, home),
    })
}

/// Returns true if only an environment marks it as a project, which may have another purpose.
fn has_only_a_venv(folder: &Path) -> bool {
    !folder.join("pipulate.toml").is_file() && !folder.join(".pipulate").is_dir()
}

fn refuse_by_accident(root: AbsPath, home: Option<&Path>) -> Result<AbsPath, Failure> {
    if !is_special(&root, home) || is_project(&root, home) {
        return Ok(root);
    }
    let what = if root.parent().is_none() { "the root of the file system" } else { "your home directory" };
    Err(Failure::failed(format!("{what} is not a project: {root}"))
        .hint("go to a folder of its own: mkdir demo && cd demo")
        .hint("or make it one on purpose: touch pipulate.toml"))
}

fn is_special(folder: &Path, home: Option<&Path>) -> bool {
    folder.parent().is_none() || Some(folder) == home
}

/// The reason why a folder or its marker may be another user's work.
fn doubt_about(folder: &Path) -> Option<&'static str> {
    let mut marks = MARKERS.iter().map(|marker| match marker {
        Marker::File(name) | Marker::Folder(name) => folder.join(name),
    });
    trust::doubt(folder).or_else(|| marks.find_map(|mark| trust::doubt(&mark)))
}

fn skipped(folder: &Path, why: &str) -> String {
    let path = folder.display().to_string();
    let words = shell_words(&["pipulate".to_owned(), "-C".to_owned(), path.clone()]);
    format!("{path} is not used as the project, because {why}; to use it anyway: {words} …")
}

/// The current folder, unless it is another user's.
fn own(current: &Path) -> Result<AbsPath, Failure> {
    let current = canonical(current)?;
    if trust::is_anothers(&current) {
        return Err(Failure::new(
            FailureKind::Refused,
            format!("this folder belongs to another user: {current}"),
        )
        .hint("its settings and programs would run as you; to use it anyway: pipulate -C . …"));
    }
    Ok(current)
}

fn canonical(path: &Path) -> Result<AbsPath, Failure> {
    let real = path.canonicalize().map_err(|error| {
        Failure::new(FailureKind::Usage, format!("there is no such folder: {}", path.display())).cause(error)
    })?;
    AbsPath::new(real)
        .ok_or_else(|| Failure::failed(format!("this is not an absolute path: {}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::style::Style;

    struct Tree {
        directory: tempfile::TempDir,
    }

    impl Tree {
        fn new(folders: &[&str], files: &[&str]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            for folder in folders {
                fs::create_dir_all(directory.path().join(folder)).unwrap();
            }
            for file in files {
                fs::write(directory.path().join(file), "").unwrap();
            }
            Self { directory }
        }

        fn path(&self, relative: &str) -> AbsPath {
            AbsPath::new(self.directory.path().canonicalize().unwrap()).unwrap().at(relative)
        }

        /// The project found from a folder, relative to the tree, with `home` as the home directory.
        fn around(&self, current: &str) -> Result<String, String> {
            let found = around(&self.path(current), Some(&self.path("home")));
            let relative = |root: AbsPath| root.strip_prefix(self.path("")).unwrap().display().to_string();
            found.map(|chosen| relative(chosen.root)).map_err(|failure| failure.render(Style::plain()))
        }
    }

    #[test]
    fn the_nearest_marked_folder_is_the_project() {
        let folders = ["home/a/b/c", "home/v/.venv", "home/v/x", "home/p/.pipulate", "home/p/x", "home/n"];
        let tree = Tree::new(&folders, &["home/a/pipulate.toml", "home/a/b/pipulate.toml"]);
        assert_eq!(tree.around("home/a/b/c").unwrap(), "home/a/b");
        assert_eq!(tree.around("home/a").unwrap(), "home/a");
        assert_eq!(tree.around("home/v/x").unwrap(), "home/v");
        assert_eq!(tree.around("home/p/x").unwrap(), "home/p");
        assert_eq!(tree.around("home/n").unwrap(), "home/n");
    }

    #[test]
    fn the_home_directory_is_a_project_only_on_purpose() {
        let tree = Tree::new(&["home/.venv", "home/.pipulate", "home/x"], &[]);
        assert!(tree.around("home").unwrap_err().contains("home directory"));
        assert_eq!(tree.around("home/x").unwrap(), "home/x");
        fs::write(tree.path("home/pipulate.toml"), "").unwrap();
        assert_eq!(tree.around("home").unwrap(), "home");
        assert_eq!(tree.around("home/x").unwrap(), "home");
    }

    #[test]
    fn nothing_above_the_home_directory_counts() {
        let tree = Tree::new(&["home/x"], &["pipulate.toml"]);
        assert_eq!(tree.around("home/x").unwrap(), "home/x");
    }

    #[test]
    fn a_folder_that_anyone_may_write_to_does_not_choose_for_others() {
        let tree = Tree::new(&["shared/mine"], &["shared/pipulate.toml"]);
        assert_eq!(tree.around("shared/mine").unwrap(), "shared");
        fs::set_permissions(tree.path("shared"), fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(tree.around("shared/mine").unwrap(), "shared/mine");
        assert_eq!(tree.around("shared").unwrap(), "shared");
        let said = around(&tree.path("shared/mine"), None).unwrap().warnings.concat();
        assert!(said.contains("other users can write to it; to use it anyway: pipulate -C"), "{said}");
    }

    #[test]
    fn nor_does_one_whose_group_or_file_is_not_the_users_own() {
        let tree = Tree::new(&["team/mine", "home/a/x"], &["team/pipulate.toml", "home/a/pipulate.toml"]);
        let chmod = |path: &str, mode| {
            fs::set_permissions(tree.path(path), fs::Permissions::from_mode(mode)).unwrap();
        };
        chmod("home/a/pipulate.toml", 0o666);
        assert_eq!(tree.around("home/a/x").unwrap(), "home/a/x");
        chmod("home/a/pipulate.toml", 0o644);
        assert_eq!(tree.around("home/a/x").unwrap(), "home/a");
        if nix::unistd::chown(&*tree.path("team"), None, Some(nix::unistd::Gid::from_raw(12345))).is_ok() {
            assert_eq!(tree.around("team/mine").unwrap(), "team");
            chmod("team", 0o775);
            assert_eq!(tree.around("team/mine").unwrap(), "team/mine");
        }
    }

    #[test]
    fn a_named_folder_is_taken_at_its_word() {
        let tree = Tree::new(&["home/a/b"], &["home/a/pipulate.toml", "file"]);
        let home = tree.path("home");
        assert_eq!(named(&tree.path("home/a/b"), Some(&home)).unwrap().root, tree.path("home/a/b"));
        assert_eq!(named(&tree.path("nowhere"), Some(&home)).unwrap_err().kind, FailureKind::Usage);
        assert_eq!(named(&tree.path("file"), Some(&home)).unwrap_err().kind, FailureKind::Usage);
        assert!(named(&home, Some(&home)).is_err());
        assert!(named(Path::new("/"), Some(&home)).is_err());
    }

    #[test]
    fn the_real_path_counts() {
        let tree = Tree::new(&["home/real/sub"], &["home/real/pipulate.toml"]);
        std::os::unix::fs::symlink(tree.path("home/real"), tree.path("home/link")).unwrap();
        assert_eq!(tree.around("home/link/sub").unwrap(), "home/real");
    }
}
