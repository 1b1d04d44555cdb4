//! The FIFO that a service writes to.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::Mode;
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use rustix::fs::OFlags;

use crate::error::StoreError;
use crate::files;

/// Returns true if any process has a service's FIFO open, in any container of this machine. The service
/// itself has, until it ends or closes its output.
pub fn is_held(layout: &Layout, service: &ServiceName) -> bool {
    // ENXIO: the FIFO has no reader. The service's own end can read.
    !matches!(try_fifo(layout, service), Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32))
}

/// Returns the FIFO's device and inode. `None` if its name belongs to something else, such as a link to
/// /dev/null, which many programs write to.
pub fn identity(layout: &Layout, service: &ServiceName) -> Option<(u64, u64)> {
    let meta = std::fs::symlink_metadata(layout.fifo(service)).ok()?;
    let is_own = meta.uid() == rustix::process::geteuid().as_raw();
    (meta.file_type().is_fifo() && is_own && meta.nlink() == 1).then(|| (meta.dev(), meta.ino()))
}

/// Returns true if the FIFO exists and a process has it open.
pub(crate) fn is_open(layout: &Layout, service: &ServiceName) -> bool {
    let is_fifo = |file: File| file.metadata().is_ok_and(|meta| meta.file_type().is_fifo());
    try_fifo(layout, service).is_ok_and(is_fifo)
}

/// Opens an input that stays silent and never ends: its reader is its only writer, too.
///
/// # Errors
/// The folder is not writable.
pub fn silent_input(layout: &Layout, service: &ServiceName) -> Result<OwnedFd, StoreError> {
    let path = layout.input_fifo(service);
    make(&path)?;
    // Neither blocks nor makes the service's reads fail, as O_NONBLOCK would.
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&path);
    let opened = opened.map_err(StoreError::io("open the FIFO", &path));
    files::remove(&path)?;
    opened.map(OwnedFd::from)
}

fn try_fifo(layout: &Layout, service: &ServiceName) -> io::Result<File> {
    files::guarded(OpenOptions::new().write(true)).open(layout.fifo(service))
}

/// Makes the FIFO if it is missing.
///
/// # Errors
/// The folder is not writable.
pub(super) fn make(path: &Path) -> Result<(), StoreError> {
    match nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) => return Ok(()),
        Err(Errno::EEXIST) => {}
        Err(error) => return Err(StoreError::io("make the FIFO", path)(error.into())),
    }
    let meta = std::fs::symlink_metadata(path).map_err(StoreError::io("examine", path))?;
    if meta.file_type().is_fifo() {
        return Ok(());
    }
    // Our name and place, but not a FIFO: holds nothing that we wrote and can't be captured.
    files::remove(path)?;
    nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)
        .map_err(|error| StoreError::io("make the FIFO", path)(error.into()))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsFd as _;

    use pipulate_core::project::AbsPath;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    #[test]
    fn a_silent_input_has_nothing_to_read_and_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(folder.path().canonicalize().unwrap()).unwrap());
        let layout = crate::home::ensure(&layout).unwrap();
        let service = ServiceName::parse("a").unwrap();
        let other = folder.path().join("other");
        std::fs::write(&other, "kept").unwrap();
        // A killed supervisor's leftover, and a planted file.
        for planted in [false, true] {
            match planted {
                false => make(&layout.input_fifo(&service)).unwrap(),
                true => std::os::unix::fs::symlink(&other, layout.input_fifo(&service)).unwrap(),
            }
            let input = silent_input(&layout, &service).unwrap();
            assert!(layout.input_fifo(&service).symlink_metadata().is_err(), "nobody else can write to it");
            let mut polled = [PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN)];
            poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap();
            assert_eq!(polled[0].revents(), PollFlags::empty(), "neither data nor an end");
            let flags = rustix::fs::fcntl_getfl(&input).unwrap();
            assert!(!flags.contains(OFlags::NONBLOCK), "a read waits, and does not fail");
        }
        let mut text = String::new();
        File::open(&other).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "kept");
    }
}
