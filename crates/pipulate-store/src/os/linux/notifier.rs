//! inotify on the followed files, so that no other write causes a wakeup, and on their folders, or the
//! folders' nearest existing ancestors.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::statfs;
use rustix::io::Errno;

/// Magic numbers of network file systems and FUSE: writes by another machine, or by Windows, are not
/// reported.
const REMOTE: [u32; 7] = [
    0x0000_6969, // NFS
    0x0102_1997, // 9p
    0x6573_5546, // FUSE
    0x00c3_6400, // Ceph
    0x5346_414f, // AFS
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB 2
];

/// Events in a folder.
const FOLDER: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::ONLYDIR);

/// Events of a file.
const FILE: WatchFlags = WatchFlags::MODIFY.union(WatchFlags::DONT_FOLLOW);

/// A descriptor that is readable after an event.
#[derive(Debug)]
pub(crate) struct Notifier {
    descriptor: OwnedFd,
    layout: Layout,
    services: Vec<ServiceName>,
    /// The watch on the folder of the records.
    records: i32,
    /// All watches.
    watched: Vec<i32>,
    hears_everything: bool,
}

impl Notifier {
    pub(crate) fn new(layout: &Layout, services: &[ServiceName]) -> io::Result<Self> {
        let descriptor = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let kind = statfs(nearest(&layout.logs())).map(|found| u32::try_from(found.f_type).unwrap_or(0));
        let hears_everything = kind.is_ok_and(|kind| !REMOTE.contains(&kind));
        let mut notifier = Self {
            descriptor,
            layout: layout.clone(),
            services: services.to_vec(),
            records: -1,
            watched: Vec::new(),
            hears_everything,
        };
        notifier.watch()?;
        Ok(notifier)
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// True if every write is reported.
    pub(crate) fn hears_everything(&self) -> bool {
        self.hears_everything
    }

    /// Clears the events, and watches all files that exist by now. Returns whether records may have changed,
    /// and not only logs.
    pub(crate) fn rearm(&mut self) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.descriptor, &mut buffer);
        let (mut is_moved, mut is_of_records) = (false, false);
        loop {
            match events.next() {
                Ok(event) => {
                    is_moved |= event.events() != ReadFlags::MODIFY;
                    if event.wd() == self.records || event.events() == ReadFlags::QUEUE_OVERFLOW {
                        is_of_records = true;
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        if is_moved {
            self.watch()?;
        }
        Ok(is_of_records)
    }

    /// Watches all existing files. Adding an existing watch again changes nothing; a watch whose file or
    /// folder was deleted or renamed away is replaced.
    fn watch(&mut self) -> io::Result<()> {
        let mut watched = Vec::new();
        self.watch_folder(&self.layout.logs(), &mut watched)?;
        self.records = self.watch_folder(self.layout.run(), &mut watched)?;
        for service in &self.services {
            match inotify::add_watch(&self.descriptor, &*self.layout.log(service), FILE) {
                Ok(number) => watched.push(number),
                // Its folder's watch reports when it appears.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for old in self.watched.iter().filter(|old| !watched.contains(old)) {
            // It may have vanished with its file.
            let _gone = inotify::remove_watch(&self.descriptor, *old);
        }
        self.watched = watched;
        Ok(())
    }

    /// Watches a folder and, in the project, its parent, which reliably reports its removal. A folder that
    /// appears between the look and the watch would be missed, so this is repeated until a second look
    /// agrees.
    fn watch_folder(&self, folder: &Path, watched: &mut Vec<i32>) -> io::Result<i32> {
        loop {
            let path = nearest(folder);
            let above = path.parent().filter(|above| above.starts_with(self.layout.root()));
            let above = above.map(|above| inotify::add_watch(&self.descriptor, above, FOLDER));
            let number = match inotify::add_watch(&self.descriptor, &path, FOLDER) {
                Ok(number) if path == nearest(folder) => number,
                Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => continue,
                Err(error) => return Err(error.into()),
            };
            watched.extend([Ok(number)].into_iter().chain(above).flatten());
            return Ok(number);
        }
    }
}

/// Returns the folder itself, or its nearest existing ancestor.
fn nearest(folder: &Path) -> PathBuf {
    folder.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/")).to_owned()
}
