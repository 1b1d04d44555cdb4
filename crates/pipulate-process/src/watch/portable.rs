//! Systems whose notifications we don't use: nothing can be watched, and that is said.

use std::convert::Infallible;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use super::{Changes, Enters, WatchError};

/// Never made.
#[derive(Debug)]
pub(super) struct TreeWatch(Infallible);

impl TreeWatch {
    pub(super) fn new(root: &Path, _enters: Enters) -> Result<Self, WatchError> {
        Err(WatchError::System { folder: root.to_owned(), source: io::ErrorKind::Unsupported.into() })
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }

    pub(super) fn take(&mut self) -> Changes {
        match self.0 {}
    }
}
