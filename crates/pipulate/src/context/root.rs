//! Which folder is the project.
//!
//! The nearest one around the current folder that has something of a project in it; below the
//! home directory, so that a stray file there does not swallow every project of a user; and never
//! through a folder that anyone may write to: whoever put a pipulate.toml there would choose what
//! we run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use pipulate_core::project::AbsPath;

use crate::error::{Failure, FailureKind};

/// What makes a folder a project.
const MARKERS: [Marker; 3] =
    [Marker::File("pipulate.toml"), Marker::Folder(".pipulate"), Marker::Folder(".venv")];

enum Marker {
    File(&'static str),
    Folder(&'static str),
}

/// The project around a folder; the folder itself if there is none.
///
/// # Errors
/// The folder would be the home directory or `/`, which are no projects by accident.
pub(super) fn around(current: &Path, home: Option<&Path>) -> Result<AbsPath, Failure> {
    let current = canonical(current)?;
    let home = home.and_then(|home| home.canonicalize().ok());
    let home = home.as_deref();
    for folder in current.ancestors() {
        let is_near = folder == &*current;
        if (is_near || !is_anyones(folder)) && is_project(folder, home) {
            return canonical(folder);
        }
        if Some(folder) == home {
            break;
        }
    }
    refuse_by_accident(current, home)
}

/// The project in a folder that was named.
///
/// # Errors
/// There is no such folder, or it is the home directory or `/`.
pub(super) fn named(directory: &Path, home: Option<&Path>) -> Result<AbsPath, Failure> {
    let root = canonical(directory)?;
    if !root.is_dir() {
        return Err(Failure::new(FailureKind::Usage, format!("this is not a folder: {root}")));
    }
    let home = home.and_then(|home| home.canonicalize().ok());
    refuse_by_accident(root, home.as_deref())
}

/// Any folder, for what is about no project in particular.
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

fn is_anyones(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|data| data.permissions().mode() & 0o002 != 0)
}

fn canonical(path: &Path) -> Result<AbsPath, Failure> {
    let real = path.canonicalize().map_err(|error| {
        Failure::new(FailureKind::Usage, format!("there is no such folder: {}", path.display())).cause(error)
    })?;
    AbsPath::new(real).ok_or_else(|| Failure::failed(format!("this is no absolute path: {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::style::Style;

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
            found.map(relative).map_err(|failure| failure.render(Style::plain()))
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
    }

    #[test]
    fn a_named_folder_is_taken_at_its_word() {
        let tree = Tree::new(&["home/a/b"], &["home/a/pipulate.toml", "file"]);
        let home = tree.path("home");
        assert_eq!(named(&tree.path("home/a/b"), Some(&home)).unwrap(), tree.path("home/a/b"));
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
