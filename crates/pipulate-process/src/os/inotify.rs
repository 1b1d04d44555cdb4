//! Watching a tree by inotify: one watch for each folder.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use crate::watch::{Changes, Enters, WatchError};

/// Folders by the numbers of their watches.
pub(crate) struct TreeWatch {
    descriptor: OwnedFd,
    root: PathBuf,
    most: usize,
    enters: Enters,
    /// Relative to the root, which is the empty path.
    folders: HashMap<i32, PathBuf>,
    trouble: Option<WatchError>,
}

impl TreeWatch {
    pub(crate) fn new(root: &Path, most: usize, enters: Enters) -> Result<Self, WatchError> {
        let descriptor = open(root)?;
        let mut watch =
            Self { descriptor, root: root.to_owned(), most, enters, folders: HashMap::new(), trouble: None };
        watch.enter(PathBuf::new());
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
        for happened in self.read() {
            if happened.flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                files.extend(self.begin_anew());
                break;
            }
            self.follow(&happened, &mut files);
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

    fn follow(&mut self, happened: &Happened, files: &mut BTreeSet<PathBuf>) {
        let Happened { folder, flags, name } = happened;
        if flags.contains(ReadFlags::IGNORED) {
            let was_root = self.folders.remove(folder).is_some_and(|gone| gone.as_os_str().is_empty());
            if was_root {
                self.trouble = Some(WatchError::RootIsGone { folder: self.root.clone() });
            }
            return;
        }
        let (Some(folder), Some(name)) = (self.folders.get(folder), name) else { return };
        let path = folder.join(name);
        let is_folder = flags.contains(ReadFlags::ISDIR);
        if is_folder && flags.contains(ReadFlags::MOVED_FROM) {
            self.leave(&path);
        } else if is_folder && flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            // What was put into it before it was watched is told now.
            files.extend(self.enter(path));
        } else if !is_folder && !flags.contains(ReadFlags::CREATE) {
            files.insert(path);
        }
    }

    /// Watches a folder and those below it; the files that are in them.
    fn enter(&mut self, folder: PathBuf) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        let mut found = vec![folder];
        while let Some(folder) = found.pop() {
            if !(self.enters)(&folder) || !self.watch(&folder) {
                continue;
            }
            // Watched before it is read: nothing is missed in between.
            let Ok(entries) = fs::read_dir(self.root.join(&folder)) else { continue };
            for entry in entries.flatten() {
                let path = folder.join(entry.file_name());
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => found.push(path),
                    Ok(_) => drop(files.insert(path)),
                    Err(_) => {}
                }
            }
        }
        files
    }

    /// Whether the folder is watched now.
    fn watch(&mut self, folder: &Path) -> bool {
        if self.folders.len() >= self.most {
            self.trouble = Some(WatchError::TooManyFolders { most: self.most });
            return false;
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
            Ok(number) => {
                self.folders.insert(number, folder.to_owned());
                true
            }
            // It is gone again, is something else by now, or is closed to us: nothing to see there.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => false,
            Err(error) => {
                self.trouble = Some(self.failed(folder, error));
                false
            }
        }
    }

    /// A folder was moved: what is in it has other paths from now on.
    fn leave(&mut self, folder: &Path) {
        let inside = self.folders.extract_if(|_, path| path.starts_with(folder));
        for (number, _) in inside {
            // It may be gone by now.
            let _gone = inotify::remove_watch(&self.descriptor, number);
        }
    }

    /// The system lost count: everything is watched anew, and everything may have changed.
    fn begin_anew(&mut self) -> BTreeSet<PathBuf> {
        match open(&self.root) {
            Ok(descriptor) => {
                self.descriptor = descriptor;
                self.folders.clear();
                self.enter(PathBuf::new())
            }
            Err(trouble) => {
                self.trouble = Some(trouble);
                BTreeSet::new()
            }
        }
    }

    fn failed(&self, folder: &Path, error: Errno) -> WatchError {
        // Components, so that the root has no slash at its end.
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
        // The latter: no more instances for this user.
        Errno::NOSPC | Errno::MFILE => WatchError::NoWatchesLeft { folder },
        error => WatchError::System { folder, source: error.into() },
    }
}
