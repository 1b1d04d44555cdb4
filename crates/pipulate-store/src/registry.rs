//! The user's projects, for `status --all` and `stop --all`: one small file each, named by the project's id,
//! so that no two programs edit the same file.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::SystemTime;

use pipulate_core::layout::{Layout, UserDirs};
use pipulate_core::project::{AbsPath, ProjectId};

use crate::error::StoreError;
use crate::files;

/// Remembers a project.
///
/// # Errors
/// The user's state directory is not writable.
pub fn remember(layout: &Layout) -> Result<(), StoreError> {
    let Some(folder) = folder(layout.user()) else { return Ok(()) };
    let entry = folder.join(layout.project_id().to_string());
    if entry.exists() {
        return Ok(());
    }
    fs::create_dir_all(&folder).map_err(StoreError::io("create the folder", &folder))?;
    files::write_private(&entry, layout.root().as_os_str().as_bytes())
}

/// Returns the folders of every project that was ever started, in no order. They may be gone by now.
pub fn projects(user: Option<&UserDirs>) -> Vec<AbsPath> {
    let entries = folder(user).and_then(|folder| fs::read_dir(folder).ok());
    let root = |entry: fs::DirEntry| {
        let bytes = files::read_private(&entry.path()).ok()??;
        AbsPath::new(PathBuf::from(OsString::from_vec(bytes)))
    };
    entries.into_iter().flatten().flatten().filter_map(root).collect()
}

/// Returns when a project was added to the list.
pub(crate) fn since(layout: &Layout) -> Option<SystemTime> {
    let entry = folder(layout.user())?.join(ProjectId::of_root(layout.root()).to_string());
    fs::symlink_metadata(entry).and_then(|meta| meta.modified()).ok()
}

fn folder(user: Option<&UserDirs>) -> Option<PathBuf> {
    Some(user?.state.join("projects"))
}
