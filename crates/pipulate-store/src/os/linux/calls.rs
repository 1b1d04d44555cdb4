//! Linux: single system calls that differ between systems.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use nix::libc;
use rustix::fs::FallocateFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// The values of `l_type` for a write lock and for unlocking.
pub(crate) const WRITE_LOCK: libc::c_short = libc::F_WRLCK as libc::c_short;
pub(crate) const NO_LOCK: libc::c_short = libc::F_UNLCK as libc::c_short;

/// Checks that a file has room for this many bytes from `end` on, by reserving them; its length stays.
///
/// # Errors
/// There is no room. If that can't be determined, it is no error.
pub(crate) fn has_room(file: &File, end: u64, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, end, bytes) {
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Makes a non-blocking socket for a connection on this machine.
pub(crate) fn local_socket() -> Result<OwnedFd, rustix::io::Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}
