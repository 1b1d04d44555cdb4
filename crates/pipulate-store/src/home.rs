//! The folder `.pipulate` of a project: making it private, and finding it again.

mod links;
mod places;

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::Mode;
use pipulate_core::fault::FileRefusal;
use pipulate_core::layout::{Layout, UserDirs};
use pipulate_core::project::AbsPath;

use crate::error::StoreError;
use crate::lock::{self, Holder, Lock};
use crate::{capture, files, folders, record};

pub use crate::folders::user_dirs;
pub use links::link_in_state;

/// Returns where the project at `root` keeps its files, without touching anything: where something of it may
/// be running, or else where a start would put them. A folder that was moved while its services run keeps the
/// identity that they were started with.
///
/// Never call this while holding a lock of the project: see [`lock::holder`].
pub fn locate(root: AbsPath, user: Option<UserDirs>) -> Layout {
    let mut places = places::of(&root, user.as_ref());
    let used = if places.len() > 1 { places.iter().position(places::is_in_use) } else { None };
    let layout = places.swap_remove(used.unwrap_or(0));
    match former_root(&layout) {
        Some(born) => layout.formerly(born),
        None => layout,
    }
}

/// Returns where a start would put the project's files, regardless of what is running.
pub fn locate_anew(root: AbsPath, user: Option<UserDirs>) -> Layout {
    places::of(&root, user.as_ref()).swap_remove(0)
}

/// Returns the other places where something of the project may be running: `.pipulate` had another owner or
/// the environment was different when it was started.
///
/// Never call this while holding a lock of the project: see [`lock::holder`].
pub fn others_in_use(layout: &Layout) -> Vec<Layout> {
    let is_other = |place: &Layout| place.run() != layout.run() && places::is_in_use(place);
    places::of(layout.root(), layout.user()).into_iter().filter(is_other).collect()
}

/// Returns the folder's path when its running services were started, if it was moved since. Held locks and
/// FIFOs distinguish a moved folder from a copy: no process holds a copy's.
fn former_root(layout: &Layout) -> Option<AbsPath> {
    for service in record::services_as_listed(layout).ok()? {
        let Ok(Some(record)) = record::read_of_any_folder(layout, &service) else { continue };
        if record.root.to_string_lossy() == layout.root().to_string_lossy() {
            return None;
        }
        // A copy made of hard links shares the lock that is held in the original folder.
        let lock = layout.lock(&service);
        if fs::symlink_metadata(&lock).is_ok_and(|meta| meta.nlink() > 1) {
            continue;
        }
        let is_supervised = lock::holder(&lock).is_ok_and(|holder| holder != Holder::Nobody);
        if is_supervised || capture::is_open(layout, &service) {
            return Some(record.root);
        }
    }
    None
}

/// Makes the project's folders, private to the user. `run/` goes to the user's runtime or state directory if
/// the project's file system can't hold a FIFO, a lock or a secret; everything does if `.pipulate` is another
/// user's.
///
/// # Errors
/// The folder is not writable, or `.pipulate` is a link.
pub fn ensure(layout: &Layout) -> Result<Layout, StoreError> {
    let is_anothers = places::is_anothers(layout.state());
    if is_anothers && places::is_in_use(layout) {
        // Services that were started here stay here, even if `.pipulate` has changed its owner.
        return Ok(layout.clone());
    }
    let moved = is_anothers.then(|| places::state_elsewhere(&layout.project_id(), layout.user())).flatten();
    let layout = &match moved {
        Some(state) => {
            folders::make_parents(&state)?;
            Layout::with_state(layout.root().clone(), state).of_user(layout.user().cloned())
        }
        None => layout.clone(),
    };
    folders::make_private(layout.state())?;
    if !layout.gitignore().exists() {
        files::write_private(&layout.gitignore(), b"*\n")?;
    }
    folders::make_private(&layout.logs())?;
    folders::make_private(layout.run())?;
    let run = layout.run();
    let layout = match can_hold_fifos(run) && can_hold_locks(run) && can_keep_private(run) {
        true => layout.clone(),
        false => move_run(layout)?,
    };
    folders::make_private(&layout.jupyter_runtime())?;
    folders::make_private(&layout.jupyter_config())?;
    places::remember(&layout)?;
    Ok(layout)
}

/// Some file systems refuse FIFOs; some make a regular file of that name.
fn can_hold_fifos(run: &Path) -> bool {
    let probe = run.join(format!(".fifo.{}.tmp", std::process::id()));
    let made = nix::unistd::mkfifo(&probe, Mode::S_IRUSR | Mode::S_IWUSR);
    let is_fifo = fs::symlink_metadata(&probe).map(|meta| meta.file_type().is_fifo());
    let _unless_it_failed = fs::remove_file(&probe);
    let is_refused = matches!(made, Err(Errno::EPERM | Errno::EOPNOTSUPP | Errno::ENOSYS));
    !is_refused && is_fifo.unwrap_or(true)
}

/// Some file systems have no owners: every user can read their files.
fn can_keep_private(run: &Path) -> bool {
    !fs::symlink_metadata(run).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0)
}

fn can_hold_locks(run: &Path) -> bool {
    let probe = run.join(format!(".lock.{}.tmp", std::process::id()));
    let locked = Lock::acquire(&probe);
    let _unless_it_failed = fs::remove_file(&probe);
    !matches!(locked, Err(error) if error.system().is_some_and(lock::is_unsupported))
}

fn move_run(layout: &Layout) -> Result<Layout, StoreError> {
    let refused = || StoreError::refused(layout.run(), FileRefusal::NoPlaceForRun);
    let run = places::run_elsewhere(&layout.project_id(), layout.user()).ok_or_else(refused)?;
    folders::make_parents(&run)?;
    folders::make_private(&run)?;
    if !can_hold_fifos(&run) || !can_hold_locks(&run) {
        return Err(StoreError::refused(&run, FileRefusal::UnsuitableForRun));
    }
    Ok(Layout::with_run(layout.root().clone(), run).of_user(layout.user().cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(dir: &tempfile::TempDir) -> Layout {
        Layout::new(AbsPath::new(dir.path().canonicalize().unwrap()).unwrap())
    }

    #[test]
    fn a_home_is_for_its_user_only_and_out_of_the_repository() {
        let dir = tempfile::tempdir().unwrap();
        let layout = ensure(&layout(&dir)).unwrap();
        for folder in [layout.state().clone(), layout.logs(), layout.run().clone(), layout.jupyter_runtime()]
        {
            assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700, "{folder}");
        }
        assert_eq!(fs::read_to_string(layout.gitignore()).unwrap(), "*\n");
        fs::set_permissions(layout.run(), fs::Permissions::from_mode(0o755)).unwrap();
        ensure(&layout).unwrap();
        assert_eq!(fs::metadata(layout.run()).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_linked_state_folder_is_refused() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let layout = layout(&dir);
        std::os::unix::fs::symlink(other.path(), layout.state()).unwrap();
        assert!(ensure(&layout).unwrap_err().to_string().contains("it is not a folder"));
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
    }
}
