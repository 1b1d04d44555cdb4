//! The places where a project's files may be: in its folder, or in the user's own directories.
//!
//! A start chooses one by the owner of `.pipulate`, the abilities of its file system, and XDG_RUNTIME_DIR.
//! Any of them may be different when the next command runs (chown, su, cron, another disk), so every place is
//! checked, and a `run/` outside of the folder is written down.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use pipulate_core::layout::{Layout, UserDirs};
use pipulate_core::project::{AbsPath, ProjectId};

use crate::error::StoreError;
use crate::lock::{self, Holder};
use crate::{capture, files, folders, record};

/// Returns every place where files of the project at `root` may be. The first is where a start would put
/// them, if it exists already or is in the folder.
pub(super) fn of(root: &AbsPath, user: Option<&UserDirs>) -> Vec<Layout> {
    let id = ProjectId::of_root(root);
    let inside = Layout::new(root.clone());
    let whole = state_elsewhere(&id, user).filter(|state| state.is_dir());
    let whole = whole.map(|state| Layout::with_state(root.clone(), state));
    let of_run = |run: AbsPath| Layout::with_run(root.clone(), run);
    let usual = run_elsewhere(&id, user).filter(|run| run.is_dir()).map(of_run);
    let mut places: Vec<Layout> = match is_anothers(inside.state()) {
        true => whole.into_iter().chain([inside]).chain(usual).collect(),
        false => usual.into_iter().chain([inside]).chain(whole).collect(),
    };
    let stateful = user.map(|user| user.state.at(id.to_string()));
    for run in stateful.into_iter().chain(remembered(&id, user)) {
        if run.is_dir() && places.iter().all(|place| *place.run() != run) {
            places.push(of_run(run));
        }
    }
    places.into_iter().map(|place| place.of_user(user.cloned())).collect()
}

/// Returns true if something may be running with its files here: a service's lock is held, its FIFO is open,
/// or its record names a supervisor (after an orderly end it names none).
pub(super) fn is_in_use(place: &Layout) -> bool {
    // Another user's folder could fake all of that.
    if !is_own(place.run()) {
        return false;
    }
    record::services(place).unwrap_or_default().iter().any(|service| {
        lock::holder(&place.lock(service)).is_ok_and(|holder| holder != Holder::Nobody)
            || capture::is_open(place, service)
            || record::read(place, service)
                .is_ok_and(|record| record.is_some_and(|it| it.supervisor.is_some()))
    })
}

/// True for another user's folder; false for a link.
pub(super) fn is_anothers(folder: &Path) -> bool {
    let meta = fs::symlink_metadata(folder);
    meta.is_ok_and(|meta| meta.is_dir() && meta.uid() != rustix::process::geteuid().as_raw())
}

fn is_own(folder: &Path) -> bool {
    let meta = fs::symlink_metadata(folder);
    meta.is_ok_and(|meta| meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw())
}

/// Writes down a `run/` that is outside of the project's folder.
///
/// # Errors
/// The user's state directory is not writable.
pub(super) fn remember(layout: &Layout) -> Result<(), StoreError> {
    let id = ProjectId::of_root(layout.root());
    let mut known = remembered(&id, layout.user());
    if layout.is_inside() || known.contains(layout.run()) {
        return Ok(());
    }
    let Some(file) = memory(&id, layout.user()) else { return Ok(()) };
    folders::make_parents(&file)?;
    known.retain(|run| run.is_dir());
    known.push(layout.run().clone());
    // No path holds a NUL byte.
    let bytes: Vec<&[u8]> = known.iter().map(|run| run.as_os_str().as_bytes()).collect();
    files::write_private(&file, &bytes.join(&0))
}

/// The `run/` folders outside of the project's folder that were written down.
fn remembered(project: &ProjectId, user: Option<&UserDirs>) -> Vec<AbsPath> {
    let bytes =
        memory(project, user).and_then(|file| files::read_private(&file).ok().flatten()).unwrap_or_default();
    let paths = bytes.split(|&byte| byte == 0).map(|path| PathBuf::from(OsString::from_vec(path.to_vec())));
    paths.filter_map(AbsPath::new).collect()
}

fn memory(project: &ProjectId, user: Option<&UserDirs>) -> Option<AbsPath> {
    Some(user?.state.at("places").at(project.to_string()))
}

pub(super) fn state_elsewhere(project: &ProjectId, user: Option<&UserDirs>) -> Option<AbsPath> {
    Some(user?.state.at("homes").at(project.to_string()))
}

pub(super) fn run_elsewhere(project: &ProjectId, user: Option<&UserDirs>) -> Option<AbsPath> {
    let user = user?;
    Some(user.runtime.as_ref().unwrap_or(&user.state).at(project.to_string()))
}
