//! macOS: single system calls that differ between systems.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use rustix::net::{AddressFamily, SocketType};

/// The values of `l_type` for a write lock and for unlocking.
pub(crate) const WRITE_LOCK: libc::c_short = libc::F_WRLCK;
pub(crate) const NO_LOCK: libc::c_short = libc::F_UNLCK;

/// Checks that a file has room for this many bytes after its end, by reserving them until it is closed; its
/// length stays. (rustix's fallocate makes the file longer here.)
///
/// # Errors
/// There is no room. If that can't be determined, it is no error.
pub(crate) fn has_room(file: &File, _end: u64, bytes: u64) -> io::Result<()> {
    let mut room = libc::fstore_t {
        fst_flags: libc::F_ALLOCATEALL,
        fst_posmode: libc::F_PEOFPOSMODE,
        fst_offset: 0,
        fst_length: i64::try_from(bytes).map_err(io::Error::other)?,
        fst_bytesalloc: 0,
    };
    match fcntl(file, FcntlArg::F_PREALLOCATE(&mut room)) {
        Ok(_) | Err(Errno::ENOTSUP | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Makes a non-blocking socket for a connection on this machine.
pub(crate) fn local_socket() -> Result<OwnedFd, rustix::io::Errno> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}
