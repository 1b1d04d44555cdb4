//! Systems whose notifications are not used: there is never a notifier, and `Watch` polls.

use std::convert::Infallible;
use std::io;
use std::os::fd::BorrowedFd;

use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;

/// Never made.
#[derive(Debug)]
pub(crate) struct Notifier(Infallible);

impl Notifier {
    pub(crate) fn new(_layout: &Layout, _services: &[ServiceName]) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }

    pub(crate) fn hears_everything(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn rearm(&mut self) -> io::Result<bool> {
        match self.0 {}
    }
}
