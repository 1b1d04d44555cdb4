//! Systems whose notifications we don't use: there is never a notifier, and `Watch` polls.

use std::convert::Infallible;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// Never made.
#[derive(Debug)]
pub(super) struct Notifier(Infallible);

impl Notifier {
    pub(super) fn new(_directory: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }

    pub(super) fn rearm(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}
