//! Whether other users decide what is in a folder: a pipulate.toml or a .venv there is what we run.
//!
//! As with git's safe.directory, a folder belongs to this user or root, and nobody else can write to it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User};
use pipulate_core::project::AbsPath;
use pipulate_store::home;

use crate::error::{Failure, FailureKind};

/// Holds the access control list of a file.
const ACL: &str = "system.posix_acl_access";

/// Why another user decides what is in a folder; the end of a sentence about it.
pub(super) fn doubt(folder: &Path) -> Option<&'static str> {
    if is_anothers(folder) {
        return Some("it belongs to another user");
    }
    is_writable_by_others(folder).then_some("other users can write to it")
}

/// Whether it belongs to a user who is neither this one nor root.
pub(super) fn is_anothers(path: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    fs::symlink_metadata(path).is_ok_and(|meta| meta.uid() != own && meta.uid() != 0)
}

/// Whether another user could have written what a folder or file says. A link says nothing: who owns it made it.
pub(super) fn is_writable_by_others(path: &Path) -> bool {
    let Ok(meta) = fs::symlink_metadata(path) else { return false };
    let mode = meta.permissions().mode();
    !meta.is_symlink()
        && (mode & 0o002 != 0 || (mode & 0o020 != 0 && (!is_private_group(meta.gid()) || has_acl(path))))
}

/// A group of the user's own name has no other members: distributions make one for each user.
fn is_private_group(gid: u32) -> bool {
    let user = User::from_uid(Uid::effective()).ok().flatten();
    let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    user.zip(group).is_some_and(|(user, group)| {
        user.name == group.name && group.mem.iter().all(|member| *member == user.name)
    })
}

/// Where there is a list, the group's bits are the most that anyone in it may do.
fn has_acl(path: &Path) -> bool {
    rustix::fs::lgetxattr(path, ACL, &mut [0_u8; 0][..]).is_ok_and(|size| size > 0)
}

/// Nothing is read or written through a link: it would be another project's, or another program's.
///
/// # Errors
/// There is one.
pub(super) fn refuse_links(root: &AbsPath) -> Result<(), Failure> {
    let Some(link) = home::link_in_state(root) else { return Ok(()) };
    let what = format!("this is a symbolic link, and there may be none in .pipulate: {}", link.display());
    Err(Failure::new(FailureKind::Refused, what)
        .hint("remove it if you don't need it; a project is used from its own folder, or with -C"))
}
