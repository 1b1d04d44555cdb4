//! Trust in a folder: its pipulate.toml or .venv decides which programs we run.
//!
//! As with git's safe.directory, a folder must belong to this user or root, and no other user
//! may be able to write to it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use pipulate_core::project::AbsPath;
use pipulate_process::users;
use pipulate_store::home;

use crate::error::{Failure, FailureKind};

/// The extended attribute with a file's access control list.
const ACL: &str = "system.posix_acl_access";

/// The reason why a folder's contents are another user's decision; the end of a sentence about it.
pub(super) fn doubt(folder: &Path) -> Option<&'static str> {
    if is_anothers(folder) {
        return Some("it belongs to another user");
    }
    is_writable_by_others(folder).then_some("other users can write to it")
}

/// Returns true if it belongs to a user other than this one and root.
pub(super) fn is_anothers(path: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path).is_ok_and(|meta| meta.uid() != own && meta.uid() != 0)
}

/// Returns true if another user could have written a folder or file. For links, only the owner counts.
pub(super) fn is_writable_by_others(path: &Path) -> bool {
    let Ok(meta) = fs::symlink_metadata(path) else { return false };
    let mode = meta.permissions().mode();
    !meta.is_symlink()
        && (mode & 0o002 != 0
            || (mode & 0o020 != 0 && (!users::is_own_private_group(meta.gid()) || has_acl(path))))
}

/// With an access control list, the group's bits are the most that its entries may allow.
fn has_acl(path: &Path) -> bool {
    rustix::fs::lgetxattr(path, ACL, &mut [0_u8; 0][..]).is_ok_and(|size| size > 0)
}

/// Refuses links: nothing is read or written through one, which would lead to another project's or program's
/// files.
///
/// # Errors
/// There is one.
pub(super) fn refuse_links(root: &AbsPath) -> Result<(), Failure> {
    let Some(link) = home::link_in_state(root) else { return Ok(()) };
    let what = format!("this is a symbolic link, and there may be none in .pipulate: {}", link.display());
    Err(Failure::new(FailureKind::Refused, what)
        .hint("remove it if you don't need it; a project is used from its own folder, or with -C"))
}
