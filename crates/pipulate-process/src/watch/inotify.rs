//! Watching a tree by inotify: one watch for each folder.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::{Changes, Filter, WatchError, links};

/// Folders by watch descriptor.
pub(crate) struct TreeWatch {
    descriptor: OwnedFd,
    root: PathBuf,
    most: usize,
    filter: Filter,
    folders: HashMap<i32, Folder>,
    trouble: Option<WatchError>,
    /// Links whose target is not watched.
    skipped: Vec<PathBuf>,
}

/// A folder under watch.
struct Folder {
    /// Relative to the root, which is the empty path.
    path: PathBuf,
    /// The wanted files in it: when a folder is moved away, the system reports none of its files.
    files: BTreeSet<OsString>,
}

impl Folder {
    fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.files.iter().map(|name| self.path.join(name))
    }
}

impl TreeWatch {
    pub(crate) fn new(root: &Path, most: usize, filter: Filter) -> Result<Self, WatchError> {
        let descriptor = open(root)?;
        let mut watch = Self {
            descriptor,
            root: root.to_owned(),
            most,
            filter,
            folders: HashMap::new(),
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
        self.descriptor.as_fd()
    }

    pub(crate) fn take(&mut self) -> Changes {
        let mut files = BTreeSet::new();
        let mut appeared = BTreeSet::new();
        for happened in self.read() {
            if happened.flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                files.extend(self.begin_anew());
                appeared.clear();
                break;
            }
            self.follow(&happened, &mut files, &mut appeared);
        }
        // Last: if two folders were exchanged, the paths that the second one leaves are the first one's new
        // ones.
        for folder in appeared {
            files.extend(self.enter(folder));
        }
        Changes { files, trouble: self.trouble.take() }
    }

    fn read(&mut self) -> Vec<Happened> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.descriptor, &mut buffer);
        let mut all = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => all.push(Happened {
                    folder: event.wd(),
                    flags: event.events(),
                    name: event.file_name().map(|name| PathBuf::from(OsStr::from_bytes(name.to_bytes()))),
                }),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return all,
                Err(error) => {
                    self.trouble = Some(self.failed(Path::new(""), error));
                    return all;
                }
            }
        }
    }

    fn follow(
        &mut self,
        happened: &Happened,
        files: &mut BTreeSet<PathBuf>,
        appeared: &mut BTreeSet<PathBuf>,
    ) {
        let Happened { folder, flags, name } = happened;
        if flags.contains(ReadFlags::IGNORED) {
            let Some(gone) = self.folders.remove(folder) else { return };
            // Those of an unmounted file system; deleted ones were reported already.
            files.extend(gone.paths());
            if gone.path.as_os_str().is_empty() {
                self.trouble = Some(WatchError::RootIsGone { folder: self.root.clone() });
            }
            return;
        }
        let (Some(folder), Some(name)) = (self.folders.get_mut(folder), name) else { return };
        let path = folder.path.join(name);
        if flags.contains(ReadFlags::ISDIR) {
            if flags.contains(ReadFlags::MOVED_FROM) {
                files.extend(self.leave(&path));
            } else if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                // Files put into it before it was watched are found when it is entered.
                appeared.insert(path);
            }
        } else if (self.filter.file)(&path) {
            match flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
                true => folder.files.remove(name.as_os_str()),
                false => folder.files.insert(name.as_os_str().to_owned()),
            };
            if !flags.contains(ReadFlags::CREATE) {
                files.insert(path);
            }
        }
    }

    /// Watches a folder and its descendants; returns the wanted files in them.
    fn enter(&mut self, folder: PathBuf) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        let mut found = vec![folder];
        while let Some(folder) = found.pop() {
            let watched = (self.filter.folder)(&folder).then(|| self.watch(&folder)).flatten();
            let Some(number) = watched else { continue };
            // Watched before it is read, so that no change is missed in between.
            let Ok(entries) = fs::read_dir(self.root.join(&folder)) else { continue };
            let mut names = BTreeSet::new();
            for entry in entries.flatten() {
                let path = folder.join(entry.file_name());
                match entry.file_type() {
                    Ok(kind) if kind.is_symlink() && links::is_skipped(&self.root, &self.filter, &path) => {
                        self.skipped.push(path)
                    }
                    Ok(kind) if kind.is_dir() => found.push(path),
                    Ok(_) if (self.filter.file)(&path) => {
                        names.insert(entry.file_name());
                        files.insert(path);
                    }
                    Ok(_) | Err(_) => {}
                }
            }
            self.folders.insert(number, Folder { path: folder, files: names });
        }
        files
    }

    /// Returns the watch descriptor of a new watch on a folder, if it exists.
    fn watch(&mut self, folder: &Path) -> Option<i32> {
        if self.folders.len() >= self.most {
            self.trouble = Some(WatchError::TooManyFolders { most: self.most });
            return None;
        }
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ONLYDIR
            | WatchFlags::EXCL_UNLINK;
        let is_root = folder.as_os_str().is_empty();
        let links = if is_root { WatchFlags::empty() } else { WatchFlags::DONT_FOLLOW };
        match inotify::add_watch(&self.descriptor, self.root.join(folder), flags | links) {
            Ok(number) => Some(number),
            // It is gone again, is no longer a folder, or is not accessible: nothing to see there.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => None,
            Err(error) => {
                self.trouble = Some(self.failed(folder, error));
                None
            }
        }
    }

    /// Handles a folder that was moved: the files below it are gone from these paths.
    fn leave(&mut self, folder: &Path) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        for (number, gone) in self.folders.extract_if(|_, inside| inside.path.starts_with(folder)) {
            files.extend(gone.paths());
            // It may be gone by now.
            let _gone = inotify::remove_watch(&self.descriptor, number);
        }
        files
    }

    /// Handles an overflow of the queue: everything is watched again, and may have changed.
    fn begin_anew(&mut self) -> BTreeSet<PathBuf> {
        let mut files: BTreeSet<PathBuf> = self.folders.values().flat_map(Folder::paths).collect();
        match open(&self.root) {
            Ok(descriptor) => {
                self.descriptor = descriptor;
                self.folders.clear();
                files.extend(self.enter(PathBuf::new()));
            }
            Err(trouble) => self.trouble = Some(trouble),
        }
        files
    }

    fn failed(&self, folder: &Path, error: Errno) -> WatchError {
        // By components, so that the root has no trailing slash.
        failed(self.root.join(folder).components().collect(), error)
    }
}

impl fmt::Debug for TreeWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeWatch").field("root", &self.root).field("folders", &self.folders.len()).finish()
    }
}

struct Happened {
    folder: i32,
    flags: ReadFlags,
    name: Option<PathBuf>,
}

fn open(root: &Path) -> Result<OwnedFd, WatchError> {
    inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
        .map_err(|error| failed(root.to_owned(), error))
}

fn failed(folder: PathBuf, error: Errno) -> WatchError {
    match error {
        // EMFILE: no more inotify instances for this user.
        Errno::NOSPC | Errno::MFILE => WatchError::NoWatchesLeft { folder },
        error => WatchError::System { folder, source: error.into() },
    }
}

#[cfg(test)]
mod tests;
