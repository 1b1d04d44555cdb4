use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

use crate::capture::tests::{LIMITS, home};
use crate::capture::{Capture, Drained};
use crate::files::read_foreign_within;
use crate::unwatched::reopened;

fn watch(path: &Path) -> OwnedFd {
    let descriptor = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&descriptor, path, WatchFlags::MODIFY).unwrap();
    descriptor
}

fn has_event(descriptor: &OwnedFd) -> bool {
    let mut buffer = [MaybeUninit::uninit(); 512];
    Reader::new(descriptor, &mut buffer).next().is_ok()
}

#[test]
fn writes_wake_those_who_watch_the_file_and_not_those_who_watch_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut seen = File::create(&path).unwrap();
    let (of_folder, of_file) = (watch(folder.path()), watch(&path));
    seen.write_all(b"seen\n").unwrap();
    assert!(has_event(&of_folder) && has_event(&of_file));

    // Left by a supervisor that was killed meanwhile.
    fs::create_dir(folder.path().join("log.unwatched")).unwrap();
    fs::hard_link(&path, folder.path().join("log.unwatched/file")).unwrap();
    let mut unseen = reopened(&seen, &path).unwrap();
    unseen.write_all(b"not seen\n").unwrap();
    assert!(!has_event(&of_folder) && has_event(&of_file));
    assert_eq!(fs::read(&path).unwrap(), b"not seen\n", "it begins at its beginning");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_fifo_holds_more_for_as_long_as_there_is_a_flood() {
    let (_dir, layout, name) = home();
    let mut capture = Capture::open(&layout, &name, LIMITS).unwrap();
    let mut writer = File::from(capture.writer().unwrap());
    let holds = |capture: &Capture| rustix::pipe::fcntl_getpipe_size(capture.descriptor()).unwrap();
    let usual = holds(&capture);
    writer.write_all(b"a line\n").unwrap();
    assert_eq!((capture.drain().unwrap(), holds(&capture)), (Drained::Empty, usual));
    for _ in 0..2 {
        let is_enough = Arc::new(AtomicBool::new(false));
        let (mut flood, is_over) = (writer.try_clone().unwrap(), Arc::clone(&is_enough));
        let writing = thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                flood.write_all(&[b'x'; 64 << 10]).unwrap();
            }
        });
        while capture.drain().unwrap() != Drained::More {}
        let is_widened = !cfg!(feature = "portable");
        assert_eq!(holds(&capture), if is_widened { 1 << 20 } else { usual });
        is_enough.store(true, Ordering::Relaxed);
        while !writing.is_finished() || capture.drain().unwrap() != Drained::Empty {
            capture.drain().unwrap();
        }
        writing.join().unwrap();
        capture.rest();
        assert_eq!(holds(&capture), usual);
    }
}

#[test]
fn a_file_that_says_it_is_empty_is_bounded_all_the_same() {
    let error = read_foreign_within(Path::new("/proc/self/maps"), 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FileTooLarge);
}
