//! inotify on the folder of the logs, or on its nearest ancestor for as long as there is none.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

/// A descriptor that is readable when something happened.
#[derive(Debug)]
pub(super) struct Notifier {
    descriptor: OwnedFd,
    directory: PathBuf,
    watched: Option<Watched>,
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    number: i32,
}

impl Notifier {
    pub(super) fn new(directory: &Path) -> io::Result<Self> {
        let descriptor = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let mut notifier = Self { descriptor, directory: directory.to_owned(), watched: None };
        notifier.watch()?;
        Ok(notifier)
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Forgets what was reported, and watches the folder itself as soon as it is there.
    pub(super) fn rearm(&mut self) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.descriptor, &mut buffer);
        loop {
            match events.next() {
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.watch()
    }

    /// Adding a watch that is there already changes nothing; one whose folder was deleted or
    /// renamed away is replaced. A folder that appears between the look and the watch would be
    /// missed, so this goes on until a second look agrees.
    fn watch(&mut self) -> io::Result<()> {
        let flags = WatchFlags::MODIFY
            | WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        loop {
            let path =
                self.directory.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/")).to_owned();
            let number = match inotify::add_watch(&self.descriptor, &path, flags) {
                Ok(number) => number,
                Err(Errno::NOENT | Errno::NOTDIR) => continue,
                Err(error) => return Err(error.into()),
            };
            let settled = self.watched.as_ref().is_some_and(|watched| watched.number == number);
            if let Some(old) =
                self.watched.replace(Watched { path, number }).filter(|old| old.number != number)
            {
                // It may be gone with its folder.
                let _gone = inotify::remove_watch(&self.descriptor, old.number);
            }
            if settled || self.watched.as_ref().is_some_and(|watched| watched.path == self.directory) {
                return Ok(());
            }
        }
    }
}
