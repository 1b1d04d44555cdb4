//! Learning which files of a tree of folders are saved, while the system watches and we sleep.
//!
//! Folders that appear are watched too. Links are not followed; one that leads to what is not watched is reported. Nothing is polled: a system that
//! does not tell of changes is an error, and so is one that has no more watches to give.

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

/// Which parts of a tree count, by their paths relative to its root.
pub struct Filter {
    /// Whether a folder is entered.
    pub folder: Box<dyn Fn(&Path) -> bool>,
    /// Whether a change of a file is reported.
    pub file: Box<dyn Fn(&Path) -> bool>,
}

/// What happened in a tree since the last time.
#[derive(Debug, Default)]
pub struct Changes {
    /// Files that were written, moved or removed, also together with a folder, relative to the tree's
    /// root. When the system lost count, every file that is there or was.
    pub files: BTreeSet<PathBuf>,
    /// From now on not everything is seen.
    pub trouble: Option<WatchError>,
}

/// Why changes are not seen, or not all of them.
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
    /// Watches `root` and those folders below it that `filter` wants, `most` of them at most. What is
    /// saved after this returned is told by [`TreeWatch::take`].
    ///
    /// # Errors
    /// Nothing can be watched. That only a part could be is told by the first [`TreeWatch::take`].
    pub fn new(root: &Path, most: usize, filter: Filter) -> Result<Self, WatchError> {
        system::TreeWatch::new(root, most, filter).map(Self)
    }

    /// Readable when something happened.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.descriptor()
    }

    /// What happened since the last time.
    pub fn take(&mut self) -> Changes {
        self.0.take()
    }
}

#[cfg(test)]
mod tests;
