//! Private folders, and the user's own ones outside of every project.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use directories::ProjectDirs;

use crate::error::StoreError;

/// Makes a folder of mode 0700, or makes ours that is there private. Refuses a link and another user's folder.
pub(crate) fn make_private(path: &Path) -> Result<(), StoreError> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(StoreError::io("create the folder", path)(error)),
    }
    let meta = fs::symlink_metadata(path).map_err(StoreError::io("examine", path))?;
    if !meta.is_dir() {
        return Err(StoreError::refused(path, "it is not a folder; move it away"));
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(StoreError::refused(path, "it belongs to another user; work in a folder of your own"));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(StoreError::io("make private", path))?;
    }
    Ok(())
}

/// Makes the folders above one that is outside of the project.
pub(crate) fn make_parents(folder: &Path) -> Result<(), StoreError> {
    let Some(parent) = folder.parent() else { return Ok(()) };
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(parent);
    made.map_err(StoreError::io("create the folder", parent))
}

/// Returns the user's state directory for Pipulate (`XDG_STATE_HOME`).
pub(crate) fn user_state() -> Option<PathBuf> {
    let folders = user_folders()?;
    Some(folders.state_dir().unwrap_or(folders.data_local_dir()).to_path_buf())
}

/// Returns the user's directory for what may be gone after a logout (`XDG_RUNTIME_DIR`).
pub(crate) fn user_runtime() -> Option<PathBuf> {
    user_folders()?.runtime_dir().map(Path::to_path_buf)
}

fn user_folders() -> Option<ProjectDirs> {
    ProjectDirs::from("com", "Pipulate", "pipulate")
}
