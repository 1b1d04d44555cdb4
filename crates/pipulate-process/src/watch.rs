//! Learning which files of a tree of folders are saved, while the system watches and we sleep.
//!
//! Folders that appear are watched too. Links are not followed. Nothing is polled: a system that
//! does not tell of changes is an error, and so is one that has no more watches to give.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use crate::os;

/// A tree under watch.
#[derive(Debug)]
pub struct TreeWatch(os::TreeWatch);

/// Which folders of a tree are entered, by their paths relative to its root.
pub type Enters = Box<dyn Fn(&Path) -> bool>;

/// What happened in a tree since the last time.
#[derive(Debug, Default)]
pub struct Changes {
    /// Files that were written, moved or removed, relative to the tree's root. When the system lost
    /// count, every file that is there.
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
    #[error("could not watch the folder {folder}: {source}")]
    System { folder: PathBuf, source: io::Error },
}

impl TreeWatch {
    /// Watches `root` and those folders below it that `enters` wants, `most` of them at most. What is
    /// saved after this returned is told by [`TreeWatch::take`].
    ///
    /// # Errors
    /// Nothing can be watched. That only a part could be is told by the first [`TreeWatch::take`].
    pub fn new(root: &Path, most: usize, enters: Enters) -> Result<Self, WatchError> {
        os::TreeWatch::new(root, most, enters).map(Self)
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
