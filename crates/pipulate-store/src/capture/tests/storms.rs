//! Capture at full speed: killed at any moment, followed through storms of rotations, and bounded.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;

use super::*;
use crate::log::read::{LogReader, Start};
use crate::log::time_index::LineTime;
use crate::log::watch::Watch;

/// The mover's folder, set when this very program is started as one.
const MOVER: &str = "PIPULATE_TEST_MOVER";
const MILLION: usize = 1_000_000;
const KILLED: LogLimits = LogLimits { max_size: 1 << 20, keep: 100 };
#[test]
#[ignore = "is started by a_mover_that_is_killed_again_and_again_costs_no_line_of_a_million"]
fn mover() {
    let Some(root) = std::env::var_os(MOVER) else { return };
    let layout = Layout::new(AbsPath::new(root).unwrap());
    let mut capture = Capture::open(&layout, &ServiceName::parse("a").unwrap(), KILLED).unwrap();
    while capture.drain().unwrap() != Drained::NoWriters {
        wait(&capture);
    }
}

#[expect(clippy::disallowed_methods, reason = "a process of its own is what can be killed")]
fn start_mover(layout: &Layout) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["capture::tests::storms::mover", "--exact", "--ignored"]).stdout(Stdio::null());
    command.env(MOVER, layout.root().as_os_str()).spawn().unwrap()
}

fn line(number: usize) -> String {
    format!("{number:07}{}\n", &"...................."[..number % 20])
}

#[test]
fn a_mover_that_is_killed_again_and_again_costs_no_line_of_a_million() {
    let (_dir, layout, name) = home();
    let mut writer = File::from(Capture::open(&layout, &name, KILLED).unwrap().writer().unwrap());
    // The contents of a pipe are lost when its last holder closes it.
    let held = writer.try_clone().unwrap();
    let writing = thread::spawn(move || {
        let mut text = Vec::new();
        for number in 0..MILLION {
            text.extend_from_slice(line(number).as_bytes());
            if text.len() > 40_000 || number + 1 == MILLION {
                writer.write_all(&text).unwrap();
                text.clear();
            }
        }
    });
    let moved = || kept_length(&layout, &name, KILLED.keep);
    let mut kills = 0;
    while !writing.is_finished() {
        let mut mover = start_mover(&layout);
        // Random moments, different in each run: after this many more bytes, or none.
        let mut random = [0; 4];
        getrandom::fill(&mut random).unwrap();
        let enough = moved() + u64::from(u32::from_ne_bytes(random) % 600_000);
        while moved() < enough && !writing.is_finished() {
            thread::yield_now();
        }
        mover.kill().unwrap();
        mover.wait().unwrap();
        kills += 1;
    }
    writing.join().unwrap();
    let mut last = start_mover(&layout);
    while rustix::io::ioctl_fionread(&held).unwrap() > 0 {
        thread::yield_now();
    }
    drop(held);
    assert!(last.wait().unwrap().success());
    assert!(kills > 10, "{kills}");

    let (lost, torn) = lost_and_torn(&layout, &name);
    // With each kill the portable mover may lose the bytes in its buffer, and tear a line.
    let (most_lost, most_torn) = match cfg!(feature = "portable") {
        true => (kills * ((64 << 10) + 64), kills),
        false => (0, 0),
    };
    assert!(lost <= most_lost, "{lost} bytes lost in {kills} kills");
    assert!(torn <= most_torn, "{torn} lines torn in {kills} kills");
}

/// Counts the missing bytes of the million lines, and the torn lines. The others are in order, and so are
/// their times.
fn lost_and_torn(layout: &Layout, name: &ServiceName) -> (usize, usize) {
    let mut reader = LogReader::open(layout, name, Start::Oldest).unwrap();
    let (mut next, mut torn, mut lost) = (0, 0, 0);
    let mut latest = Timestamp::MIN;
    while let Some(bytes) = reader.next_line().unwrap() {
        let text = String::from_utf8(bytes.to_vec()).unwrap() + "\n";
        match text.get(..7).and_then(|number| number.parse().ok()).filter(|&number| text == line(number)) {
            Some(number) => {
                assert!(number >= next, "{number} after {next}");
                lost += (next..number).map(|number| line(number).len()).sum::<usize>();
                next = number + 1;
            }
            None => torn += 1,
        }
        if let LineTime::Known(time) = reader.line_time() {
            assert!(time >= latest, "{time} after {latest}");
            latest = time;
        }
    }
    lost += (next..MILLION).map(|number| line(number).len()).sum::<usize>();
    (lost, torn)
}

/// Returns the length of all kept logs, without their index.
fn kept_length(layout: &Layout, name: &ServiceName, keep: u32) -> u64 {
    let paths = (1..=keep).map(|number| layout.old_log(name, number)).chain([layout.log(name)]);
    paths.filter_map(|path| std::fs::metadata(path).ok()).map(|meta| meta.len()).sum()
}

#[test]
fn a_follower_sees_every_line_once_and_in_order_through_a_storm_of_rotations() {
    const LINES: usize = 20_000;
    /// How many lines the writer runs ahead: about a third of the kept ones.
    const AHEAD: usize = 1_000;
    let (_dir, layout, name) = home();
    let limits = LogLimits { max_size: 1024, keep: 80 };
    let mut capture = Capture::open(&layout, &name, limits).unwrap();
    let mut writer = File::from(capture.writer().unwrap());
    let seen = Arc::new(AtomicUsize::new(0));
    let progress = Arc::clone(&seen);
    let writing = thread::spawn(move || {
        for number in 0..LINES {
            while number > progress.load(Ordering::Relaxed) + AHEAD {
                thread::yield_now();
            }
            writer.write_all(line(number).as_bytes()).unwrap();
        }
    });
    let mut watch = Watch::new(&layout, std::slice::from_ref(&name));
    let mut reader = LogReader::open(&layout, &name, Start::Tail(0)).unwrap();
    let moving = thread::spawn(move || {
        while capture.drain().unwrap() != Drained::NoWriters {
            wait(&capture);
        }
        capture.rotations()
    });
    while seen.load(Ordering::Relaxed) < LINES {
        watch.wait(None, None, None).unwrap();
        reader.look().unwrap();
        while let Some(bytes) = reader.next_line().unwrap() {
            let expected = line(seen.fetch_add(1, Ordering::Relaxed));
            assert_eq!([bytes, b"\n"].concat(), expected.as_bytes());
        }
    }
    writing.join().unwrap();
    assert!(moving.join().unwrap() > 200);
}

#[test]
fn a_flood_takes_no_more_of_the_disk_than_its_bound() {
    let (_dir, layout, name) = home();
    let limits = LogLimits { max_size: 256 << 10, keep: 3 };
    let mut capture = Capture::open(&layout, &name, limits).unwrap();
    let mut writer = File::from(capture.writer().unwrap());
    let writing = thread::spawn(move || {
        for length in (0..400).map(|round| [1, 80, 3_000, 700_000][round % 4]) {
            let lines = (100_000 / length).max(1);
            let text = format!("{}\n", "x".repeat(length)).repeat(lines);
            writer.write_all(text.as_bytes()).unwrap();
        }
    });
    let mut most = 0;
    while capture.drain().unwrap() != Drained::NoWriters {
        let files = std::fs::read_dir(layout.logs()).unwrap().flatten();
        most = most.max(files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum::<u64>());
        wait(&capture);
    }
    writing.join().unwrap();
    assert!(most <= 4 * (limits.max_size + OVERSHOOT) + (64 << 10), "{most}");
    assert!(capture.rotations() > 100);
}
