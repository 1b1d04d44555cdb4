//! Systems whose notifications we don't use: nothing can be watched, and that is said.

use std::convert::Infallible;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use super::{Changes, Filter, WatchError};

/// Never made.
#[derive(Debug)]
pub(crate) struct TreeWatch(Infallible);

impl TreeWatch {
    pub(crate) fn new(root: &Path, _most: usize, _filter: Filter) -> Result<Self, WatchError> {
        Err(WatchError::System { folder: root.to_owned(), source: io::ErrorKind::Unsupported.into() })
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }

    pub(crate) fn take(&mut self) -> Changes {
        match self.0 {}
    }
}
