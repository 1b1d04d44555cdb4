//! Watching a tree by kqueue (macOS): a descriptor for each folder and for each wanted file in it.
//!
//! A folder's event says that its entries changed but not which; so it is listed again. A file's event is for
//! the descriptor and not for the name: after a file was replaced, it is opened again. Each descriptor counts
//! toward `ulimit -n`, of which some are left for other uses.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::{Changes, Filter, WatchError, links};
use crate::os::kqueue::{Happened, Queue, VnodeEvents};

/// Descriptors that are left for other uses.
const KEPT_FREE: u64 = 100;

/// Folders and files by the descriptors that watch them.
pub(crate) struct TreeWatch {
    queue: Queue,
    root: PathBuf,
    most: usize,
    most_descriptors: usize,
    filter: Filter,
    folders: HashMap<RawFd, Folder>,
    files: HashMap<RawFd, WatchedFile>,
    trouble: Option<WatchError>,
    /// Links whose target is not watched.
    skipped: Vec<PathBuf>,
}

/// A folder under watch.
struct Folder {
    /// Relative to the root, which is the empty path.
    path: PathBuf,
    inode: u64,
    _watch: OwnedFd,
}

/// A wanted file.
struct WatchedFile {
    path: PathBuf,
    inode: u64,
    _watch: OwnedFd,
}

/// The current entries of a folder.
struct Listing {
    files: HashMap<OsString, u64>,
    folders: HashMap<OsString, u64>,
}

impl TreeWatch {
    pub(crate) fn new(root: &Path, most: usize, filter: Filter) -> Result<Self, WatchError> {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let mut watch = Self {
            queue: Queue::new().map_err(|error| failed(root.to_owned(), error))?,
            root: root.to_owned(),
            most,
            most_descriptors: usize::try_from(limit.saturating_sub(KEPT_FREE)).unwrap_or(usize::MAX),
            filter,
            folders: HashMap::new(),
            files: HashMap::new(),
            trouble: None,
            skipped: Vec::new(),
        };
        watch.enter(PathBuf::new());
        links::report(&mut watch.skipped, &mut watch.trouble);
        match watch.trouble.take_if(|_| watch.folders.is_empty()) {
            None if watch.folders.is_empty() => Err(WatchError::RootIsGone { folder: root.to_owned() }),
            None => Ok(watch),
            Some(trouble) => Err(trouble),
        }
    }

    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.queue.descriptor()
    }

    pub(crate) fn take(&mut self) -> Changes {
        let mut changed = BTreeSet::new();
        loop {
            let events = match self.queue.take(Some(Duration::ZERO)) {
                Ok(events) if events.is_empty() => break,
                Ok(events) => events,
                Err(error) => {
                    self.trouble = Some(failed(self.root.clone(), error));
                    break;
                }
            };
            for event in events {
                if let Happened::Changed { file, how } = event {
                    self.follow(file, how, &mut changed);
                }
            }
        }
        Changes { files: changed, trouble: self.trouble.take() }
    }

    fn follow(&mut self, watch: RawFd, how: VnodeEvents, changed: &mut BTreeSet<PathBuf>) {
        if let Some(file) = self.files.get(&watch) {
            // If it is gone or was replaced, its folder has an event, too.
            changed.insert(file.path.clone());
            return;
        }
        let Some(folder) = self.folders.get(&watch).map(|folder| folder.path.clone()) else { return };
        let is_root = folder.as_os_str().is_empty();
        let is_gone = how.intersects(VnodeEvents::DELETE | VnodeEvents::RENAME | VnodeEvents::REVOKE);
        if is_root && is_gone && fs::symlink_metadata(&self.root).is_err() {
            changed.extend(self.leave(&folder));
            self.trouble = Some(WatchError::RootIsGone { folder: self.root.clone() });
            return;
        }
        self.compare(&folder, changed);
    }

    /// Finds entries that were added to a folder, removed, or replaced.
    fn compare(&mut self, folder: &Path, changed: &mut BTreeSet<PathBuf>) {
        let Some(now) = self.list(folder) else {
            changed.extend(self.leave(folder));
            return;
        };
        let is_in_it = |path: &Path| path.parent() == Some(folder);
        let name = |path: &Path| path.file_name().map(OsStr::to_owned).unwrap_or_default();
        let gone: Vec<PathBuf> = self
            .folders
            .values()
            .filter(|inner| {
                is_in_it(&inner.path) && now.folders.get(&name(&inner.path)) != Some(&inner.inode)
            })
            .map(|inner| inner.path.clone())
            .collect();
        for inner in gone {
            changed.extend(self.leave(&inner));
        }
        let gone = self.files.extract_if(|_, file| {
            is_in_it(&file.path) && now.files.get(&name(&file.path)) != Some(&file.inode)
        });
        changed.extend(gone.map(|(_, file)| file.path));
        for name in now.files.into_keys() {
            let path = folder.join(name);
            if self.files.values().all(|file| file.path != path) && self.watch_file(path.clone()) {
                changed.insert(path);
            }
        }
        for name in now.folders.into_keys() {
            let path = folder.join(name);
            if self.folders.values().all(|inner| inner.path != path) {
                changed.extend(self.enter(path));
            }
        }
    }

    /// Watches a folder and its descendants; returns the wanted files in them.
    fn enter(&mut self, folder: PathBuf) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        let mut found = vec![folder];
        while let Some(folder) = found.pop() {
            // Watched before it is listed, so that no change is missed in between.
            if !(self.filter.folder)(&folder) || !self.watch_folder(folder.clone()) {
                continue;
            }
            let Some(listing) = self.list(&folder) else { continue };
            found.extend(listing.folders.into_keys().map(|name| folder.join(name)));
            for name in listing.files.into_keys() {
                let path = folder.join(name);
                if self.watch_file(path.clone()) {
                    files.insert(path);
                }
            }
        }
        files
    }

    /// Returns the wanted files in a folder, and its folders; links are noted and not listed.
    fn list(&mut self, folder: &Path) -> Option<Listing> {
        let entries = fs::read_dir(self.root.join(folder)).ok()?;
        let mut listing = Listing { files: HashMap::new(), folders: HashMap::new() };
        for entry in entries.flatten() {
            let path = folder.join(entry.file_name());
            // Not `DirEntry::ino`, which differs on a mount point.
            let Ok(meta) = fs::symlink_metadata(self.root.join(&path)) else { continue };
            if meta.is_symlink() && links::is_skipped(&self.root, &self.filter, &path) {
                if !self.skipped.contains(&path) {
                    self.skipped.push(path);
                }
            } else if meta.is_dir() {
                listing.folders.insert(entry.file_name(), meta.ino());
            } else if (self.filter.file)(&path) {
                listing.files.insert(entry.file_name(), meta.ino());
            }
        }
        Some(listing)
    }

    /// Watches a folder, if it exists.
    fn watch_folder(&mut self, path: PathBuf) -> bool {
        if self.folders.len() >= self.most {
            self.trouble = Some(WatchError::TooManyFolders { most: self.most });
            return false;
        }
        let flags = VnodeEvents::WRITE
            | VnodeEvents::EXTEND
            | VnodeEvents::DELETE
            | VnodeEvents::RENAME
            | VnodeEvents::REVOKE;
        let Some((watch, inode)) = self.watch(&path, OFlags::DIRECTORY, flags) else { return false };
        self.folders.insert(watch.as_raw_fd(), Folder { path, inode, _watch: watch });
        true
    }

    /// Watches a wanted file, if it exists.
    fn watch_file(&mut self, path: PathBuf) -> bool {
        let flags = VnodeEvents::WRITE | VnodeEvents::EXTEND;
        let Some((watch, inode)) = self.watch(&path, OFlags::NONBLOCK, flags) else { return false };
        self.files.insert(watch.as_raw_fd(), WatchedFile { path, inode, _watch: watch });
        true
    }

    fn watch(&mut self, path: &Path, kind: OFlags, flags: VnodeEvents) -> Option<(OwnedFd, u64)> {
        if self.folders.len() + self.files.len() >= self.most_descriptors {
            self.trouble = Some(WatchError::NoWatchesLeft { folder: self.place(path) });
            return None;
        }
        let is_root = path.as_os_str().is_empty();
        let links = if is_root { OFlags::empty() } else { OFlags::NOFOLLOW };
        // For events only (O_EVTONLY): the open file does not prevent ejecting the disk.
        let open = OFlags::from_bits_retain(libc::O_EVTONLY.cast_unsigned()) | OFlags::CLOEXEC | links | kind;
        let opened = rustix::fs::open(self.root.join(path), open, Mode::empty());
        let watched = opened.map_err(io::Error::from).and_then(|watch| {
            self.queue.watch_file(watch.as_fd(), flags)?;
            let inode = rustix::fs::fstat(&watch)?.st_ino;
            Ok((watch, inode))
        });
        match watched {
            Ok(watched) => Some(watched),
            Err(error) => {
                let quiet = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP, Errno::ACCESS, Errno::PERM];
                // It is gone again, is no longer of its kind, or is not accessible: nothing to see there.
                if quiet.iter().all(|quiet| error.raw_os_error() != Some(quiet.raw_os_error())) {
                    self.trouble = Some(failed(self.place(path), error));
                }
                None
            }
        }
    }

    /// Handles a folder that was moved or removed: its files are gone from these paths.
    fn leave(&mut self, folder: &Path) -> BTreeSet<PathBuf> {
        self.folders.retain(|_, inside| !inside.path.starts_with(folder));
        let gone = self.files.extract_if(|_, file| file.path.starts_with(folder));
        gone.map(|(_, file)| file.path).collect()
    }

    fn place(&self, path: &Path) -> PathBuf {
        // By components, so that the root has no trailing slash.
        self.root.join(path).components().collect()
    }
}

impl fmt::Debug for TreeWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeWatch").field("root", &self.root).field("folders", &self.folders.len()).finish()
    }
}

fn failed(folder: PathBuf, source: io::Error) -> WatchError {
    match source.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => WatchError::NoWatchesLeft { folder },
        Some(_) | None => WatchError::System { folder, source },
    }
}
