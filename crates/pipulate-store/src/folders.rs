//! Private folders, and the user's own directories outside of every project.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use directories::ProjectDirs;
use pipulate_core::fault::FileRefusal;
use pipulate_core::layout::UserDirs;
use pipulate_core::project::AbsPath;

use crate::error::StoreError;

/// Makes a folder of mode 0700, or makes our existing one private. Refuses a link and another user's folder.
pub(crate) fn make_private(path: &Path) -> Result<(), StoreError> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(StoreError::io("create the folder", path)(error)),
    }
    let meta = fs::symlink_metadata(path).map_err(StoreError::io("examine", path))?;
    if !meta.is_dir() {
        return Err(StoreError::refused(path, FileRefusal::NotAFolder));
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(StoreError::refused(path, FileRefusal::FolderOfAnotherUser));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(StoreError::io("make private", path))?;
    }
    Ok(())
}

/// Makes the parents of a folder outside of the project.
pub(crate) fn make_parents(folder: &Path) -> Result<(), StoreError> {
    let Some(parent) = folder.parent() else { return Ok(()) };
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(parent);
    made.map_err(StoreError::io("create the folder", parent))
}

/// Returns this user's directories, from the environment. Only the program itself calls it: a
/// [`Layout`](pipulate_core::layout::Layout) without directories, as in a test, leaves the real ones alone.
pub fn user_dirs() -> Option<UserDirs> {
    let dirs = ProjectDirs::from("com", "Pipulate", "pipulate")?;
    Some(UserDirs {
        state: AbsPath::new(dirs.state_dir().unwrap_or(dirs.data_local_dir()))?,
        runtime: dirs.runtime_dir().and_then(AbsPath::new),
    })
}
