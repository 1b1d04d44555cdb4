use std::fs;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use pipulate_core::project::AbsPath;
use pipulate_core::service::ServiceName;

use super::super::read::{Reader, Start};
use super::*;

fn home() -> (tempfile::TempDir, Layout, ServiceName) {
    let directory = tempfile::tempdir().unwrap();
    let layout = Layout::new(AbsPath::new(directory.path().canonicalize().unwrap()).unwrap());
    (directory, layout, ServiceName::parse("web").unwrap())
}

/// A follower in a thread of its own; the receiver gets each line as it is seen.
fn follow(layout: &Layout, service: &ServiceName, mut watch: Watch) -> (mpsc::Receiver<String>, UnixStream) {
    let (stop, stopped) = UnixStream::pair().unwrap();
    let (sender, receiver) = mpsc::channel();
    let mut reader = Reader::open(layout, service, Start::Tail(0)).unwrap();
    thread::spawn(move || {
        loop {
            while let Some(line) = reader.next_line().unwrap() {
                let line = String::from_utf8_lossy(line).into_owned();
                if sender.send(line).is_err() {
                    return;
                }
            }
            match watch.wait(Some(stopped.as_fd()), None).unwrap() {
                Wake::Look => reader.look().unwrap(),
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

fn survives_everything(watch: fn(&Layout) -> Watch) {
    let (_directory, layout, service) = home();
    let log = layout.log(&service);
    let (lines, _stop) = follow(&layout, &service, watch(&layout));
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
    survives_everything(|_| Watch::polling());
}

#[test]
fn a_flood_over_rotations_arrives_whole_and_in_order() {
    let (_directory, layout, service) = home();
    fs::create_dir_all(layout.logs()).unwrap();
    let log = layout.log(&service);
    append(&log, "");
    let (lines, _stop) = follow(&layout, &service, Watch::new(&layout));
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
fn a_wait_ends_when_asked_or_when_nobody_reads_any_more() {
    let (_directory, layout, _service) = home();
    let mut watch = Watch::new(&layout);
    let (stop, stopped) = UnixStream::pair().unwrap();
    (&stop).write_all(b"x").unwrap();
    assert_eq!(watch.wait(Some(stopped.as_fd()), None).unwrap(), Wake::Stopped);

    let (reader, writer) = std::io::pipe().unwrap();
    let begun = Instant::now();
    assert_eq!(watch.wait(None, Some(writer.as_fd())).unwrap(), Wake::Look);
    assert!(begun.elapsed() >= HEARTBEAT / 2);
    drop(reader);
    assert_eq!(watch.wait(None, Some(writer.as_fd())).unwrap(), Wake::OutputClosed);
}
