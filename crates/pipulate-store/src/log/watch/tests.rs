use std::fs;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use pipulate_core::project::AbsPath;
use pipulate_core::service::ServiceName;

use super::super::read::{LogReader, Start};
use super::*;

fn home() -> (tempfile::TempDir, Layout, ServiceName) {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::new(AbsPath::new(directory.path().canonicalize().unwrap()).unwrap());
    (directory, layout, ServiceName::parse("web").unwrap())
}

/// A follower in a thread of its own; the receiver gets each line as it is read.
fn follow(layout: &Layout, service: &ServiceName, mut watch: Watch) -> (mpsc::Receiver<String>, UnixStream) {
    let (stop, stopped) = UnixStream::pair().unwrap();
    let (sender, receiver) = mpsc::channel();
    let mut reader = LogReader::open(layout, service, Start::Tail(0)).unwrap();
    thread::spawn(move || {
        loop {
            while let Some(line) = reader.next_line().unwrap() {
                let line = String::from_utf8_lossy(line).into_owned();
                if sender.send(line).is_err() {
                    return;
                }
            }
            match watch.wait(Some(stopped.as_fd()), None, None).unwrap() {
                Wake::Lines | Wake::Records | Wake::TimedOut => reader.look().unwrap(),
                Wake::Stopped | Wake::OutputClosed => return,
            }
        }
    });
    (receiver, stop)
}

fn append(path: &AbsPath, text: &str) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn next(lines: &mpsc::Receiver<String>) -> String {
    lines.recv_timeout(Duration::from_secs(30)).unwrap()
}

fn survives_everything(watch: fn(&Layout, &[ServiceName]) -> Watch) {
    let (_directory, layout, service) = home();
    let log = layout.log(&service);
    let (lines, _stop) = follow(&layout, &service, watch(&layout, std::slice::from_ref(&service)));
    fs::create_dir_all(layout.logs()).unwrap();
    append(&log, "a\n");
    assert_eq!(next(&lines), "a");
    append(&log, "b\n");
    assert_eq!(next(&lines), "b");
    fs::rename(&log, layout.old_log(&service, 1)).unwrap();
    append(&layout.old_log(&service, 1), "c\n");
    append(&log, "d\n");
    assert_eq!((next(&lines), next(&lines)), ("c".to_owned(), "d".to_owned()));
    fs::remove_dir_all(layout.state()).unwrap();
    fs::create_dir_all(layout.logs()).unwrap();
    append(&log, "e\n");
    assert_eq!(next(&lines), "e");
}

#[test]
fn a_follower_survives_late_creation_rotation_and_removal() {
    survives_everything(Watch::new);
}

#[test]
fn a_follower_that_polls_survives_the_same() {
    survives_everything(|_, _| Watch::polling());
}

#[test]
fn a_flood_over_rotations_arrives_whole_and_in_order() {
    let (_directory, layout, service) = home();
    fs::create_dir_all(layout.logs()).unwrap();
    let log = layout.log(&service);
    append(&log, "");
    let (lines, _stop) = follow(&layout, &service, Watch::new(&layout, std::slice::from_ref(&service)));
    for number in 0..2_000 {
        append(&log, &format!("{number}\n"));
        if number % 100 == 99 {
            for old in (1..40).rev() {
                let _absent = fs::rename(layout.old_log(&service, old), layout.old_log(&service, old + 1));
            }
            fs::hard_link(&log, layout.old_log(&service, 1)).unwrap();
            let new = layout.logs().at("new");
            fs::write(&new, "").unwrap();
            fs::rename(&new, &log).unwrap();
        }
    }
    for number in 0..2_000 {
        assert_eq!(next(&lines), number.to_string());
    }
}

#[test]
fn a_wait_ends_when_asked_when_it_is_time_or_when_nobody_reads_any_more() {
    let (_directory, layout, service) = home();
    let mut watch = Watch::new(&layout, &[service]);
    let (stop, stopped) = UnixStream::pair().unwrap();
    (&stop).write_all(b"x").unwrap();
    assert_eq!(watch.wait(Some(stopped.as_fd()), None, None).unwrap(), Wake::Stopped);

    let (reader, writer) = std::io::pipe().unwrap();
    let begun = Instant::now();
    let most = INTERVAL / 2;
    let woken = watch.wait(None, Some(writer.as_fd()), Some(most)).unwrap();
    assert_eq!(woken, if watch.is_polling() { Wake::Records } else { Wake::TimedOut });
    assert!(begun.elapsed() >= most);
    drop(reader);
    assert_eq!(watch.wait(None, Some(writer.as_fd()), None).unwrap(), Wake::OutputClosed);
}

#[test]
#[cfg(not(feature = "portable"))]
fn only_what_is_followed_wakes_a_follower() {
    let (_directory, layout, service) = home();
    fs::create_dir_all(layout.logs()).unwrap();
    fs::create_dir_all(layout.run()).unwrap();
    let other = ServiceName::parse("other").unwrap();
    for file in [layout.log(&service), layout.log(&other), layout.log_index(&service)] {
        append(&file, "");
    }
    let mut watch = Watch::new(&layout, std::slice::from_ref(&service));
    assert!(!watch.is_polling(), "this machine has no inotify watches left");
    let mut wait = || watch.wait(None, None, Some(Duration::ZERO)).unwrap();
    append(&layout.log_index(&service), "not a line");
    append(&layout.log(&other), "a line\n");
    assert_eq!(wait(), Wake::TimedOut);
    append(&layout.log(&service), "a line\n");
    assert_eq!((wait(), wait()), (Wake::Lines, Wake::TimedOut));
    fs::rename(layout.log(&service), layout.old_log(&service, 1)).unwrap();
    append(&layout.log(&service), "a line\n");
    assert_eq!(wait(), Wake::Lines);
    // The end of the watch on the old file is reported too.
    while wait() == Wake::Lines {}
    append(&layout.log(&service), "a line\n");
    append(&layout.record(&service), "{}");
    assert_eq!((wait(), wait()), (Wake::Records, Wake::TimedOut));
}
