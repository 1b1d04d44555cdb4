//! supervisor.log: the messages of all supervisors of a home in one bounded file.
//!
//! Each supervisor appends whole lines. The first to find the file too long moves it aside; the others then
//! find their open file too long, and switch to the new one.

mod history;

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use pipulate_core::layout::Layout;

use crate::error::StoreError;
use crate::{files, folders};

pub use history::{EventKind, History, ServiceEvent};

/// The messages of a start, of an end and before the names of saved files; the service's name follows as a
/// field.
pub const STARTED: &str = "started";
pub const ENDED: &str = "its main process ended";
pub const SAVED: &str = "saved: ";

/// Its maximum length, in bytes; one older file is kept beside it.
const MAX_SIZE: u64 = 1 << 20;

/// Opens it at its end; makes it and its folder if needed.
///
/// # Errors
/// It is a link or a FIFO, or the folder is not writable.
pub fn open(layout: &Layout) -> Result<File, StoreError> {
    folders::make_private(&layout.logs())?;
    let path = layout.supervisor_log();
    let opened = files::guarded(OpenOptions::new().append(true).create(true).mode(0o600)).open(&path);
    opened.map_err(StoreError::io("open", &path))
}

/// Returns the file to write to instead of `current` if that is too long or deleted.
///
/// # Errors
/// A new file can't be made: keep using `current`.
pub fn successor(layout: &Layout, current: impl AsFd) -> Result<Option<File>, StoreError> {
    let path = layout.supervisor_log();
    let failed = |activity| StoreError::io(activity, &path);
    let stat = rustix::fs::fstat(&current).map_err(|error| failed("examine")(error.into()))?;
    let is_file = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file();
    if !is_file || (stat.st_size.cast_unsigned() < MAX_SIZE && stat.st_nlink > 0) {
        return Ok(None);
    }
    let current = File::from(current.as_fd().try_clone_to_owned().map_err(failed("examine"))?);
    let meta = current.metadata().map_err(failed("examine"))?;
    let id = |meta: Metadata| (meta.dev(), meta.ino());
    if fs::symlink_metadata(&path).is_ok_and(|named| id(named) == id(meta)) {
        match fs::rename(&path, layout.old_supervisor_log()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("rename")(error)),
            Ok(()) | Err(_) => {}
        }
    }
    open(layout).map(Some)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use pipulate_core::project::AbsPath;

    use super::*;

    #[test]
    fn it_is_bounded_whoever_writes_and_nothing_new_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(directory.path().canonicalize().unwrap()).unwrap());
        fs::create_dir_all(layout.logs()).unwrap();
        let mut writers = [open(&layout).unwrap(), open(&layout).unwrap()];
        let line = format!("{}\n", "x".repeat(999));
        for number in 0..4000 {
            let writer = &mut writers[number % 2];
            if let Some(next) = successor(&layout, &*writer).unwrap() {
                *writer = next;
            }
            writer.write_all(line.as_bytes()).unwrap();
            let length = |path| fs::metadata(path).map_or(0, |meta: Metadata| meta.len());
            let lengths = [length(layout.supervisor_log()), length(layout.old_supervisor_log())];
            assert!(lengths.iter().all(|&length| length <= MAX_SIZE + 2000), "{lengths:?}");
            assert!(lengths.iter().sum::<u64>() >= 1000 * (number as u64 + 1).min(1000));
        }
        fs::remove_file(layout.supervisor_log()).unwrap();
        nix::unistd::mkfifo(&*layout.supervisor_log(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(open(&layout).is_err(), "and nobody waits for its reader");
        fs::remove_file(layout.supervisor_log()).unwrap();
        assert!(successor(&layout, &writers[0]).unwrap().is_some());
        assert!(successor(&layout, File::open("/dev/null").unwrap()).unwrap().is_none());
    }
}
