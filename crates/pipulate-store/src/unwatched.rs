//! Writing to a file without waking watchers of its folder.
//!
//! A service that restarts when a file of the project changes (`watchfiles`, `watchmedo`, …) would be woken
//! by its own output. inotify(7) reports a write to the folder through which the file was opened, and to
//! watches on the file itself: followers of a log, `tail -f` and ours, see everything.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Opens `file`, whose path is `path`, through a second name in a folder that is removed at once. `None` if
/// the file system has no hard links, or if another file has that path.
pub(crate) fn reopened(file: &File, path: &Path) -> Option<File> {
    through_other_folder(path).ok().filter(|other| is_same(file, other))
}

fn through_other_folder(path: &Path) -> io::Result<File> {
    // Fixed names, so that the next supervisor removes a killed one's leftover.
    let mut folder = path.as_os_str().to_owned();
    folder.push(".unwatched");
    let folder = Path::new(&folder);
    let name = folder.join("file");
    let _left_behind = fs::remove_file(&name);
    let _left_behind = fs::remove_dir(folder);
    DirBuilder::new().mode(0o700).create(folder)?;
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let opened = fs::hard_link(path, &name)
        .and_then(|()| OpenOptions::new().read(true).write(true).custom_flags(flags).open(&name));
    let _never_there = fs::remove_file(&name);
    fs::remove_dir(folder)?;
    opened
}

fn is_same(one: &File, other: &File) -> bool {
    let id = |file: &File| file.metadata().map(|meta| (meta.dev(), meta.ino())).ok();
    id(one).is_some_and(|one| id(other) == Some(one))
}
