//! The FIFO that a service writes to.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::Mode;
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;

use crate::error::StoreError;
use crate::files;

/// Whether anybody has the FIFO of a service open, in whatever container of this machine: the
/// service itself does, for as long as it lives and did not close its output.
pub fn is_held(layout: &Layout, service: &ServiceName) -> bool {
    // ENXIO: a FIFO that nobody could read from; the service's own end can.
    !matches!(try_fifo(layout, service), Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32))
}

/// Which file the FIFO of a service is: device and inode. `None` where something else has its name, such as a
/// link to /dev/null, which many programs write to.
pub fn identity(layout: &Layout, service: &ServiceName) -> Option<(u64, u64)> {
    let meta = std::fs::symlink_metadata(layout.fifo(service)).ok()?;
    let is_own = meta.uid() == rustix::process::geteuid().as_raw();
    (meta.file_type().is_fifo() && is_own && meta.nlink() == 1).then(|| (meta.dev(), meta.ino()))
}

/// The same, and the FIFO is there for certain.
pub(crate) fn is_open(layout: &Layout, service: &ServiceName) -> bool {
    let is_fifo = |file: File| file.metadata().is_ok_and(|meta| meta.file_type().is_fifo());
    try_fifo(layout, service).is_ok_and(is_fifo)
}

fn try_fifo(layout: &Layout, service: &ServiceName) -> io::Result<File> {
    files::guarded(OpenOptions::new().write(true)).open(layout.fifo(service))
}

/// Makes the FIFO, unless it is there.
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
    // Ours by name and place, and no FIFO: nothing that we wrote, nothing that can be captured.
    files::remove(path)?;
    nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)
        .map_err(|error| StoreError::io("make the FIFO", path)(error.into()))
}
