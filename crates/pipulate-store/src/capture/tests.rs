mod refusals;
mod storms;

use std::io::Write;
use std::thread;

use pipulate_core::project::AbsPath;
use proptest::prelude::*;

use super::*;

pub(crate) const LIMITS: LogLimits = LogLimits { max_size: 10 << 20, keep: 5 };

pub(crate) fn home() -> (tempfile::TempDir, Layout, ServiceName) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(AbsPath::new(dir.path().canonicalize().unwrap()).unwrap());
    let layout = crate::home::ensure(&layout).unwrap();
    (dir, layout, ServiceName::parse("a").unwrap())
}

/// All logs that are kept, the oldest first.
fn kept(layout: &Layout, name: &ServiceName, keep: u32) -> Vec<Vec<u8>> {
    let old = (1..=keep).rev().filter_map(|number| std::fs::read(layout.old_log(name, number)).ok());
    old.chain(std::fs::read(layout.log(name))).collect()
}

#[test]
fn every_byte_arrives_as_it_was_written() {
    let (_dir, layout, name) = home();
    let mut capture = Capture::open(&layout, &name, LIMITS).unwrap();
    let mut writer = File::from(capture.writer().unwrap());
    writer.write_all(b"one\n\xff\x00two").unwrap();
    assert_eq!(capture.drain().unwrap(), Drained::Empty);
    assert_eq!(std::fs::read(layout.log(&name)).unwrap(), b"one\n\xff\x00two");
    drop(writer);
    assert_eq!(capture.drain().unwrap(), Drained::NoWriters);
}

#[test]
fn what_a_dead_reader_left_in_the_pipe_is_not_lost_nor_doubled() {
    let (_dir, layout, name) = home();
    let mut first = Capture::open(&layout, &name, LIMITS).unwrap();
    let mut writer = File::from(first.writer().unwrap());
    writer.write_all(b"1\n").unwrap();
    first.drain().unwrap();
    writer.write_all(b"2\n").unwrap();
    drop(first);
    writer.write_all(b"3\n").unwrap();
    let mut second = Capture::open(&layout, &name, LIMITS).unwrap();
    second.drain().unwrap();
    assert_eq!(std::fs::read(layout.log(&name)).unwrap(), b"1\n2\n3\n");
}

#[test]
fn a_link_in_the_logs_place_is_not_followed() {
    let (dir, layout, name) = home();
    std::os::unix::fs::symlink(dir.path().join("precious"), layout.log(&name)).unwrap();
    assert!(Capture::open(&layout, &name, LIMITS).is_err());
    assert!(!dir.path().join("precious").exists());
}

#[test]
fn what_a_killed_writer_left_half_done_beside_a_log_is_removed() {
    let (_dir, layout, name) = home();
    let left = layout.logs().at(".a.log.4711.0.tmp");
    let others = layout.logs().at(".ab.log.4711.0.tmp");
    for file in [&left, &others] {
        std::fs::write(file, "").unwrap();
    }
    let _capture = Capture::open(&layout, &name, LIMITS).unwrap();
    assert!(!left.exists() && others.exists());
}

#[test]
fn a_rotation_that_was_cut_short_is_finished_and_loses_nothing() {
    let (_dir, layout, name) = home();
    std::fs::write(layout.log(&name), "old\n").unwrap();
    std::fs::hard_link(layout.log(&name), layout.old_log(&name, 1)).unwrap();
    let mut capture = Capture::open(&layout, &name, LIMITS).unwrap();
    let mut writer = File::from(capture.writer().unwrap());
    writer.write_all(b"new\n").unwrap();
    capture.drain().unwrap();
    assert_eq!(kept(&layout, &name, 5), [b"old\n", b"new\n"]);
}

#[test]
fn a_line_without_an_end_does_not_pass_the_bound_by_more_than_the_overshoot() {
    let (_dir, layout, name) = home();
    let limits = LogLimits { max_size: 4096, keep: 400 };
    let mut capture = Capture::open(&layout, &name, limits).unwrap();
    let mut writer = File::from(capture.writer().unwrap());
    let writing = thread::spawn(move || writer.write_all(&vec![b'x'; 3 << 20]).unwrap());
    while capture.drain().unwrap() != Drained::NoWriters {
        crate::capture::tests::wait(&capture);
    }
    writing.join().unwrap();
    let kept = kept(&layout, &name, 400);
    assert_eq!(kept.iter().map(Vec::len).sum::<usize>(), 3 << 20);
    assert!(
        kept.iter().all(|log| log.len() as u64 <= 4096 + OVERSHOOT),
        "{:?}",
        kept.iter().map(Vec::len).max()
    );
}

#[test]
fn what_follows_an_emptied_log_stands_at_its_beginning() {
    let (_dir, layout, name) = home();
    let mut capture = Capture::open(&layout, &name, LIMITS).unwrap();
    let mut writer = File::from(capture.writer().unwrap());
    for text in ["much more than comes later\n", "a\n", "b\n"] {
        File::create(layout.log(&name)).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        capture.drain().unwrap();
        assert_eq!(std::fs::read(layout.log(&name)).unwrap(), text.as_bytes());
    }
}

#[test]
fn what_somebody_added_to_a_log_is_not_written_over() {
    let (_dir, layout, name) = home();
    let mut capture = Capture::open(&layout, &name, LIMITS).unwrap();
    let mut writer = File::from(capture.writer().unwrap());
    writer.write_all(b"1\n").unwrap();
    capture.drain().unwrap();
    let mut log = OpenOptions::new().append(true).open(layout.log(&name)).unwrap();
    log.write_all(b"a note\n").unwrap();
    writer.write_all(b"2\n").unwrap();
    capture.drain().unwrap();
    assert_eq!(std::fs::read(layout.log(&name)).unwrap(), b"1\na note\n2\n");
}

#[test]
fn a_log_that_was_deleted_or_moved_away_comes_again() {
    let (dir, layout, name) = home();
    let limits = LogLimits { max_size: 4096, keep: 2 };
    let mut capture = Capture::open(&layout, &name, limits).unwrap();
    let mut writer = File::from(capture.writer().unwrap());
    let mut print = |text: &str| {
        writer.write_all(text.as_bytes()).unwrap();
        capture.drain().unwrap();
        (std::fs::read_to_string(layout.log(&name)).unwrap_or_default(), capture.rotations())
    };
    print("1\n");
    std::fs::remove_file(layout.log(&name)).unwrap();
    assert_eq!(print("2\n"), ("2\n".to_owned(), 1));
    std::fs::remove_dir_all(layout.logs()).unwrap();
    assert_eq!(print("3\n"), ("3\n".to_owned(), 2));
    // A file that was moved is still written to, as by any other program, until the next rotation.
    std::fs::rename(layout.log(&name), dir.path().join("mine")).unwrap();
    let long = format!("{:4096}\n", "");
    assert_eq!(print(&long), (String::new(), 3));
    assert_eq!(print("4\n"), ("4\n".to_owned(), 3));
    assert_eq!(std::fs::read_to_string(dir.path().join("mine")).unwrap(), format!("3\n{long}"));
}

#[test]
fn a_folder_of_logs_that_was_deleted_comes_again_with_the_next_supervisor() {
    let (_dir, layout, name) = home();
    let held = Capture::open(&layout, &name, LIMITS).unwrap().writer().unwrap();
    std::fs::remove_dir_all(layout.logs()).unwrap();
    File::from(held.try_clone().unwrap()).write_all(b"1\n").unwrap();
    Capture::open(&layout, &name, LIMITS).unwrap().drain().unwrap();
    assert_eq!(std::fs::read(layout.log(&name)).unwrap(), b"1\n");
    std::fs::remove_dir_all(layout.logs()).unwrap();
    crate::own_log::open(&layout).unwrap();
    let mode = std::fs::metadata(layout.logs()).unwrap().mode();
    assert_eq!(mode & 0o777, 0o700);
}

/// Waits until something was written, or there are no writers.
fn wait(capture: &Capture) {
    let descriptor = capture.descriptor();
    let mut set = [rustix::event::PollFd::from_borrowed_fd(descriptor, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut set, None).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Reading back gives exactly the bytes that were written, each file ends with a line, none passes its
    /// bound by more than the overshoot, and no more files are kept than configured.
    #[test]
    fn rotation_loses_splits_and_doubles_nothing(
        writes in prop::collection::vec((0_usize..3000, 1_usize..20), 1..40),
        max_size in 4096_u64..20_000,
        reopen_every in 1_usize..10,
    ) {
        let (_dir, layout, name) = home();
        let limits = LogLimits { max_size, keep: 300 };
        let mut capture = Capture::open(&layout, &name, limits).unwrap();
        let mut writer = File::from(capture.writer().unwrap());
        let mut written = Vec::new();
        for (index, (length, lines)) in writes.into_iter().enumerate() {
            for line in 0..lines {
                let mut bytes = vec![b'a' + u8::try_from(line % 26).unwrap(); length / lines];
                bytes.push(b'\n');
                writer.write_all(&bytes).unwrap();
                written.extend(bytes);
            }
            capture.drain().unwrap();
            if index % reopen_every == 0 {
                capture = Capture::open(&layout, &name, limits).unwrap();
            }
        }
        capture.drain().unwrap();
        let kept = kept(&layout, &name, 300);
        prop_assert_eq!(kept.concat(), written);
        let index = std::fs::metadata(layout.log_index(&name)).unwrap().len();
        for log in &kept[..kept.len() - 1] {
            prop_assert!(log.ends_with(b"\n"));
            let length = log.len() as u64;
            prop_assert!(length + index >= max_size && length < max_size + 4096, "{length} {index}");
        }
    }
}

#[test]
fn the_oldest_logs_go() {
    for keep in 0..4 {
        let (_dir, layout, name) = home();
        let limits = LogLimits { max_size: 4096, keep };
        let mut capture = Capture::open(&layout, &name, limits).unwrap();
        let mut writer = File::from(capture.writer().unwrap());
        for number in 0..400 {
            writeln!(writer, "line {number:90}").unwrap();
            capture.drain().unwrap();
        }
        let kept = kept(&layout, &name, 10);
        assert_eq!(kept.len(), keep as usize + 1);
        let text = String::from_utf8(kept.concat()).unwrap();
        assert!(text.ends_with(" 399\n"));
    }
}

/// The numbers of the older logs that exist.
fn numbers(layout: &Layout, name: &ServiceName) -> Vec<u32> {
    (1..30).filter(|&number| layout.old_log(name, number).exists()).collect()
}

#[test]
fn lowered_limits_hold_for_what_is_there_already() {
    let (_dir, layout, name) = home();
    let make = |length: usize| {
        std::fs::write(layout.log(&name), "current\n").unwrap();
        for number in 1..=10 {
            std::fs::write(layout.old_log(&name, number), vec![b'x'; length]).unwrap();
        }
    };
    let mine = layout.logs().at("a.log.20261130");
    std::fs::write(&mine, "").unwrap();
    for (length, limits, left) in [
        (10, LogLimits { max_size: 4096, keep: 3 }, 3),
        (10, LogLimits { max_size: 4096, keep: 0 }, 0),
        (10, LogLimits { max_size: 4096, keep: 20 }, 10),
        (1 << 20, LogLimits { max_size: 1 << 20, keep: 10 }, 10),
        (1 << 20, LogLimits { max_size: 128 << 10, keep: 10 }, 2),
        (1 << 20, LogLimits { max_size: 4096, keep: 1 }, 1),
    ] {
        make(length);
        drop(Capture::open(&layout, &name, limits).unwrap());
        assert_eq!(numbers(&layout, &name), (1..=left).collect::<Vec<_>>(), "{limits:?}");
        make(length);
        trim_unsupervised(&layout, limits).unwrap();
        assert_eq!(numbers(&layout, &name), (1..=left).collect::<Vec<_>>(), "{limits:?}, unsupervised");
    }
    assert!(mine.exists() && layout.log(&name).exists());
}

#[test]
fn whoever_reads_along_is_given_every_log_that_is_full_even_one_that_is_not_kept() {
    let (_dir, layout, name) = home();
    let mut capture = Capture::open(&layout, &name, LogLimits { max_size: 4096, keep: 0 }).unwrap();
    capture.keep_full_log(true);
    let mut writer = File::from(capture.writer().unwrap());
    let written: String = (0..5000).map(|number| format!("{number:0>7}\n")).collect();
    writer.write_all(written.as_bytes()).unwrap();
    let mut read = String::new();
    let (mut rotations, mut position) = (0, 0);
    let mut read_on = |log: &File, position: &mut u64| {
        let mut bytes = vec![0; 64 << 10];
        let count = log.read_at(&mut bytes, *position).unwrap();
        *position += count as u64;
        read.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    };
    let mut drained = Drained::More;
    while drained == Drained::More {
        drained = capture.drain().unwrap();
        if let Some(full) = capture.take_full_log() {
            read_on(&full, &mut position);
            (rotations, position) = (rotations + 1, 0);
        }
        read_on(capture.log(), &mut position);
    }
    assert!(rotations > 5 && rotations == capture.rotations(), "{rotations}");
    assert_eq!(read, written);
    capture.keep_full_log(false);
    writer.write_all(written.as_bytes()).unwrap();
    assert_eq!(capture.drain().unwrap(), Drained::Empty);
    assert!(capture.take_full_log().is_none());
}
