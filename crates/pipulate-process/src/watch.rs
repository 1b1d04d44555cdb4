//! Watching a tree of folders for saved files, by the system's notifications.
//!
//! New folders are watched too. Links are not followed; one whose target is not watched is reported. Nothing
//! is polled: a system without notifications is an error, and so is one without free watches.

#[cfg(target_os = "linux")]
mod inotify;
mod links;
#[cfg(target_os = "macos")]
mod vnodes;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
use inotify as system;
#[cfg(target_os = "macos")]
use vnodes as system;

/// A tree under watch.
#[derive(Debug)]
pub struct TreeWatch(system::TreeWatch);

/// The watched parts of a tree, by their paths relative to its root.
pub struct Filter {
    /// True to enter a folder.
    pub folder: Box<dyn Fn(&Path) -> bool>,
    /// True to report changes of a file.
    pub file: Box<dyn Fn(&Path) -> bool>,
}

/// The changes in a tree since the last call.
#[derive(Debug, Default)]
pub struct Changes {
    /// Files that were written, moved or removed, also together with a folder, relative to the tree's root.
    /// After an overflow of the system's queue: every file that is or was there.
    pub files: BTreeSet<PathBuf>,
    /// Set when not everything is seen any more.
    pub trouble: Option<WatchError>,
}

/// Why some or all changes are not seen.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error("the system has no watches left for the folder {folder}")]
    NoWatchesLeft { folder: PathBuf },
    #[error("more than {most} folders would have to be watched")]
    TooManyFolders { most: usize },
    #[error("the folder {folder} is gone")]
    RootIsGone { folder: PathBuf },
    #[error("{} links are not followed, such as {first}", more + 1)]
    LinksSkipped { first: PathBuf, more: usize },
    #[error("could not watch the folder {folder}: {source}")]
    System { folder: PathBuf, source: io::Error },
}

impl TreeWatch {
    /// Watches `root` and those folders below it that `filter` wants, at most `most` of them. Changes after
    /// this returned are returned by [`TreeWatch::take`].
    ///
    /// # Errors
    /// Nothing can be watched. If only a part can, the first [`TreeWatch::take`] says so.
    pub fn new(root: &Path, most: usize, filter: Filter) -> Result<Self, WatchError> {
        system::TreeWatch::new(root, most, filter).map(Self)
    }

    /// A descriptor that is readable when there are changes.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.descriptor()
    }

    /// Returns the changes since the last call.
    pub fn take(&mut self) -> Changes {
        self.0.take()
    }
}

#[cfg(test)]
mod tests;
