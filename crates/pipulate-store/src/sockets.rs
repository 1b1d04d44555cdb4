//! The private folder for the sockets of the kernels of a project's JupyterLab.
//!
//! It is `run/jupyter`, unless the path of a socket in it would be too long (a socket's address holds 107
//! bytes) or its file system has no sockets. Then it is in the user's state directory, or else in /tmp: not
//! in XDG_RUNTIME_DIR, which is removed when the user logs out, while kernels stay. It is found again by its
//! name, so that nothing has to be stored.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use pipulate_core::layout::Layout;
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;

use crate::folders::{make_parents, make_private};

/// A little longer than the longest name of a kernel's socket.
const PROBE: &str = ".probe-123456789";

/// Returns the folder for new sockets, and makes it if needed; `None` if no folder can hold any.
pub fn ensure(layout: &Layout) -> Option<PathBuf> {
    let usual = layout.jupyter_runtime().to_path_buf();
    if holds_sockets(&usual) {
        return Some(usual);
    }
    let in_state =
        in_state(layout).filter(|folder| make_parents(folder).is_ok() && make_private(folder).is_ok());
    if let Some(found) = in_state.into_iter().chain(in_tmp(layout)).find(|folder| holds_sockets(folder)) {
        return Some(found);
    }
    let template = format!("/tmp/{}XXXXXX", tmp_prefix(layout));
    let made = nix::unistd::mkdtemp(template.as_str()).ok()?;
    holds_sockets(&made).then_some(made)
}

/// Removes the sockets without a listening process, and our folder if it is then empty.
pub fn clean(layout: &Layout) {
    let runtime = layout.jupyter_runtime().to_path_buf();
    for folder in in_state(layout).into_iter().chain(in_tmp(layout)).chain([runtime.clone()]) {
        let files = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
        for socket in files.filter(|file| is_abandoned(file)) {
            let _it_stays = fs::remove_file(socket);
        }
        if folder != runtime {
            let _unless_empty = fs::remove_dir(&folder);
        }
    }
}

fn in_state(layout: &Layout) -> Option<PathBuf> {
    Some(layout.user()?.state.join("sockets").join(layout.project_id().to_string()))
}

/// The folders of this project in /tmp: their names end at random, so that other users can't create them
/// first.
fn in_tmp(layout: &Layout) -> Vec<PathBuf> {
    let prefix = tmp_prefix(layout);
    let is_of_project = |folder: &PathBuf| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&prefix) && is_private(folder)
    };
    let entries = fs::read_dir("/tmp").into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(is_of_project).collect()
}

fn tmp_prefix(layout: &Layout) -> String {
    format!("pipulate-{}-", layout.project_id())
}

fn is_private(folder: &Path) -> bool {
    fs::symlink_metadata(folder).is_ok_and(|meta| {
        let is_own = meta.uid() == rustix::process::geteuid().as_raw();
        meta.is_dir() && is_own && meta.permissions().mode() & 0o077 == 0
    })
}

/// False for a path that is not UTF-8: a connection file can't contain it.
fn holds_sockets(folder: &Path) -> bool {
    let probe = folder.join(PROBE);
    let holds = folder.to_str().is_some() && is_private(folder) && UnixListener::bind(&probe).is_ok();
    let _unless_it_failed = fs::remove_file(&probe);
    holds
}

/// True for a socket that refuses connections: its process is gone.
fn is_abandoned(file: &Path) -> bool {
    let is_socket = fs::symlink_metadata(file).is_ok_and(|meta| meta.file_type().is_socket());
    is_socket && matches!(connect(file), Err(Errno::CONNREFUSED))
}

fn connect(file: &Path) -> Result<(), Errno> {
    // A SIGSTOPped process accepts nothing: don't wait for it.
    let socket = crate::os::calls::local_socket()?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(file)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::DirBuilderExt;

    use pipulate_core::layout::UserDirs;
    use pipulate_core::project::AbsPath;

    use super::*;

    /// A project whose path is this many bytes longer than the temporary folder's.
    fn project(dir: &tempfile::TempDir, more: usize) -> Layout {
        let root = dir.path().canonicalize().unwrap().join("x".repeat(more));
        let layout = Layout::new(AbsPath::new(root).unwrap());
        let mut private = fs::DirBuilder::new();
        private.recursive(true).mode(0o700).create(layout.jupyter_runtime()).unwrap();
        layout
    }

    #[test]
    fn sockets_are_in_the_runtime_directory_if_their_path_is_short_enough() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let layout = project(&dir, 1);
        assert_eq!(ensure(&layout), Some(layout.jupyter_runtime().to_path_buf()));
        assert_eq!(fs::read_dir(layout.jupyter_runtime()).unwrap().count(), 0, "the probe is gone");
        fs::set_permissions(layout.jupyter_runtime(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(!holds_sockets(&layout.jupyter_runtime()), "others could connect");
    }

    #[test]
    fn a_folder_with_a_long_path_has_its_sockets_in_a_private_one_that_is_removed() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let state = AbsPath::new(dir.path().canonicalize().unwrap()).unwrap().at("state");
        let user = UserDirs { state: state.clone(), runtime: None };
        let in_tmp = project(&dir, 100);
        let in_state = in_tmp.clone().of_user(Some(user));
        assert!(ensure(&in_state).unwrap().starts_with(&state));
        [in_tmp, in_state].iter().for_each(is_found_again_and_removed);
    }

    fn is_found_again_and_removed(layout: &Layout) {
        let elsewhere = ensure(layout).unwrap();
        assert!(!elsewhere.starts_with(layout.root()) && is_private(&elsewhere), "{}", elsewhere.display());
        assert_eq!(ensure(layout).as_ref(), Some(&elsewhere), "it is found again");
        let (dead, live) = (elsewhere.join("dead-1"), elsewhere.join("live-1"));
        drop(UnixListener::bind(&dead).unwrap());
        let listener = UnixListener::bind(&live).unwrap();
        clean(layout);
        assert!(!dead.exists() && live.exists());
        drop(listener);
        clean(layout);
        assert!(!elsewhere.exists());
    }

    #[test]
    fn no_other_users_folder_in_tmp_is_taken_for_this_projects() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let layout = project(&dir, 1);
        let planted = Path::new("/tmp").join(format!("{}planted", tmp_prefix(&layout)));
        std::os::unix::fs::symlink(dir.path(), &planted).unwrap();
        let found = in_tmp(&layout);
        fs::remove_file(&planted).unwrap();
        assert_eq!(found, [] as [PathBuf; 0]);
        fs::DirBuilder::new().mode(0o755).create(&planted).unwrap();
        let found = in_tmp(&layout);
        fs::remove_dir(&planted).unwrap();
        assert_eq!(found, [] as [PathBuf; 0]);
    }
}
