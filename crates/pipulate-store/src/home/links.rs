//! Links in `.pipulate`: they could make us stop another project or overwrite another file.

use std::fs;
use std::path::{Path, PathBuf};

use pipulate_core::layout::Layout;
use pipulate_core::project::AbsPath;

/// Neither our files nor Jupyter's are in deeper folders.
const DEPTH: u32 = 8;

/// Returns the first symbolic link that is the project's `.pipulate` or in it. The project's folder and its
/// parents are not checked: they may be links.
pub fn link_in_state(root: &AbsPath) -> Option<PathBuf> {
    let state = Layout::new(root.clone()).state().to_path_buf();
    match fs::symlink_metadata(&state) {
        Ok(meta) if meta.is_symlink() => Some(state),
        Ok(meta) if meta.is_dir() => link_below(&state, DEPTH),
        Ok(_) | Err(_) => None,
    }
}

fn link_below(folder: &Path, depth: u32) -> Option<PathBuf> {
    // An unlistable folder can't be used either; the code that needs it reports that.
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let found = match kind {
            kind if kind.is_symlink() => Some(entry.path()),
            kind if kind.is_dir() && depth > 0 => link_below(&entry.path(), depth - 1),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_found_wherever_it_is_in_the_folder_and_not_above_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("real/.pipulate/run/jupyter")).unwrap();
        symlink(at("real"), at("linked")).unwrap();
        for name in ["real", "linked"] {
            assert_eq!(link_in_state(&AbsPath::new(at(name)).unwrap()), None);
        }
        let root = AbsPath::new(at("real")).unwrap();
        for name in ["run/server.json", "log", "run/jupyter/jpserver-1.json", "setup.json"] {
            let link = at("real/.pipulate").join(name);
            symlink("/nowhere", &link).unwrap();
            assert_eq!(link_in_state(&root), Some(link.clone()), "{name}");
            fs::remove_file(link).unwrap();
        }
        fs::create_dir(at("clone")).unwrap();
        symlink("../real/.pipulate", at("clone/.pipulate")).unwrap();
        assert_eq!(link_in_state(&AbsPath::new(at("clone")).unwrap()), Some(at("clone/.pipulate")));
    }
}
