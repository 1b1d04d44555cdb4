use std::fs::{self, File};
use std::io::Write;
use std::time::SystemTime;

use pipulate_core::service::LogLimits;
use proptest::prelude::*;

use super::*;
use crate::capture::Capture;
use crate::log::read::{LogReader, Start};
use crate::log::time_index::Mark;

struct Home {
    _directory: tempfile::TempDir,
    layout: Layout,
    name: ServiceName,
    limits: LogLimits,
}

/// A line as it was read: its beginning, its text, its time.
type Seen = (u64, Vec<u8>, LineTime);

impl Home {
    fn new(max_size: u64, keep: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = AbsPath::new(directory.path().canonicalize().unwrap()).unwrap();
        let layout = crate::home::ensure(&Layout::new(root)).unwrap();
        let name = ServiceName::parse("a").unwrap();
        Self { _directory: directory, layout, name, limits: LogLimits { max_size, keep } }
    }

    fn capture(&self) -> Capture {
        Capture::open(&self.layout, &self.name, self.limits).unwrap()
    }

    /// Prints a text; returns when it is in the log.
    fn print(&self, capture: &mut Capture, text: &str) {
        File::from(capture.writer().unwrap()).write_all(text.as_bytes()).unwrap();
        capture.drain().unwrap();
    }

    fn read(&self, start: Start) -> Vec<Seen> {
        let mut reader = LogReader::open(&self.layout, &self.name, start).unwrap();
        let mut seen = Vec::new();
        while let Some(line) = reader.next_line().unwrap() {
            let line = line.to_vec();
            seen.push((reader.line_start(), line, reader.line_time()));
        }
        seen
    }

    fn texts(&self, start: Start) -> Vec<String> {
        self.read(start).into_iter().map(|(_, text, _)| String::from_utf8_lossy(&text).into_owned()).collect()
    }

    fn index(&self) -> AbsPath {
        self.layout.log_index(&self.name)
    }
}

fn is_known(time: LineTime) -> bool {
    match time {
        LineTime::Known(_) => true,
        LineTime::NotAfter(_) => false,
    }
}

/// Returns when the clock has advanced past the interval in which moves share an entry.
fn next_entry() -> Timestamp {
    let before = Timestamp::now();
    let clock = || Timestamp::now();
    while clock().as_microsecond() - before.as_microsecond() <= 11_000 {
        std::thread::yield_now();
    }
    clock()
}

#[test]
fn what_came_before_a_time_or_a_mark_is_left_out() {
    let home = Home::new(1 << 20, 2);
    let mut capture = home.capture();
    home.print(&mut capture, "one\nunfinished ");
    let moment = next_entry();
    home.print(&mut capture, "two\n");
    capture.mark(Mark::Start);
    home.print(&mut capture, "three\n");
    capture.mark(Mark::Ready);
    home.print(&mut capture, "four\n");
    let since = |when| home.texts(Start::Since(when));
    assert_eq!(since(When::At(moment)), ["unfinished two", "three", "four"]);
    assert_eq!(since(When::LastStart), ["three", "four"]);
    assert_eq!(since(When::LastReady), ["four"]);
    assert_eq!(since(When::At(Timestamp::UNIX_EPOCH)).len(), 4);
    assert_eq!(since(When::At(Timestamp::MAX)).len(), 0);
}

#[test]
fn the_first_line_of_a_log_has_its_time_before_the_index_has_an_entry() {
    let home = Home::new(1 << 20, 2);
    let _capture = home.capture();
    fs::write(home.layout.log(&home.name), "moved, and not in the index yet\n").unwrap();
    assert!(home.read(Start::Oldest).iter().all(|(_, _, time)| is_known(*time)));
    assert_eq!(home.texts(Start::Oldest).len(), 1);
}

#[test]
fn marks_are_found_again_after_a_rotation_and_by_another_supervisor() {
    let home = Home::new(4096, 3);
    let mut capture = home.capture();
    home.print(&mut capture, "before\n");
    capture.mark(Mark::Start);
    for number in 0..200 {
        home.print(&mut capture, &format!("{number:40}\n"));
    }
    drop(capture);
    home.capture();
    assert_eq!(home.texts(Start::Since(When::LastStart)).len(), 200);
    assert_eq!(home.texts(Start::Oldest).len(), 201);
}

#[test]
fn a_follower_knows_times_and_places_over_rotations() {
    let home = Home::new(4096, 9);
    let mut capture = home.capture();
    let mut reader = LogReader::open(&home.layout, &home.name, Start::Oldest).unwrap();
    let mut position = 0;
    for number in 0..60 {
        let before = Timestamp::now();
        let text = format!("{number:300}");
        home.print(&mut capture, &format!("{text}\n"));
        reader.look().unwrap();
        assert_eq!(reader.next_line().unwrap().unwrap(), text.as_bytes());
        assert_eq!(reader.line_start(), position);
        position += 301;
        let LineTime::Known(time) = reader.line_time() else { panic!("{number} has no time") };
        assert!(time >= before && time <= Timestamp::now(), "{before} {time}");
        assert!(reader.next_line().unwrap().is_none());
    }
    assert!(capture.rotations() > 2);
}

#[test]
fn a_follower_sees_what_comes_after_a_log_was_emptied_however_much_it_is() {
    let home = Home::new(1 << 20, 2);
    let mut capture = home.capture();
    home.print(&mut capture, "one\ntwo\n");
    let mut reader = LogReader::open(&home.layout, &home.name, Start::Oldest).unwrap();
    let mut seen = Vec::new();
    let mut look = |reader: &mut LogReader| {
        reader.look().unwrap();
        while let Some(line) = reader.next_line().unwrap() {
            seen.push(String::from_utf8(line.to_vec()).unwrap());
        }
    };
    look(&mut reader);
    for text in ["three, longer than all before\n", "four\n", "five\nfive\n"] {
        File::create(home.layout.log(&home.name)).unwrap();
        home.print(&mut capture, text);
        look(&mut reader);
    }
    // Partly truncated: the rest is not new.
    fs::OpenOptions::new().write(true).open(home.layout.log(&home.name)).unwrap().set_len(5).unwrap();
    home.print(&mut capture, "six, and more\n");
    look(&mut reader);
    home.print(&mut capture, "seven\n");
    look(&mut reader);
    let all =
        ["one", "two", "three, longer than all before", "four", "five", "five", "six, and more", "seven"];
    assert_eq!(seen, all);
}

#[test]
fn entries_of_logs_that_are_gone_go_too() {
    let home = Home::new(4096, 1);
    let mut capture = home.capture();
    let mut most = 0;
    for _ in 0..300 {
        home.print(&mut capture, &format!("{:400}\n", ""));
        next_entry();
        most = most.max(fs::metadata(home.index()).unwrap().len());
    }
    // The current log, the kept one and the last deleted one: 11 lines each.
    assert!(most <= 32 + 3 * 16 + 3 * 11 * 16, "{most}");
}

#[test]
fn lines_that_are_shorter_than_their_entries_stay_within_the_bound_with_them() {
    let home = Home::new(340, 1);
    let mut capture = home.capture();
    let mut most = 0;
    for _ in 0..120 {
        home.print(&mut capture, "\n");
        next_entry();
        let files = fs::read_dir(home.layout.logs()).unwrap().flatten();
        most = most.max(files.map(|file| file.metadata().unwrap().len()).sum());
    }
    assert!(capture.rotations() >= 4);
    // The two logs, the last deleted one, and the header.
    assert!(most <= 3 * (340 + 17) + 32 + 3 * 16, "{most}");
    // A new supervisor counts the entries too.
    capture = home.capture();
    let left = 20 - capture.end();
    for _ in 0..=left {
        home.print(&mut capture, "\n");
        next_entry();
    }
    assert_eq!((capture.rotations(), capture.end()), (1, 1));
}

#[test]
fn copies_of_logs_have_no_known_times_and_never_wrong_ones() {
    let home = Home::new(4096, 2);
    let mut capture = home.capture();
    for number in 0..100 {
        home.print(&mut capture, &format!("{number:300}\n"));
    }
    drop(capture);
    for log in [home.layout.log(&home.name), home.layout.old_log(&home.name, 1)] {
        fs::copy(&log, home.layout.root().at("copy")).unwrap();
        fs::rename(home.layout.root().at("copy"), &log).unwrap();
    }
    fs::remove_file(home.layout.old_log(&home.name, 2)).unwrap();
    let before = home.read(Start::Oldest);
    assert!(before.iter().all(|line| !is_known(line.2)));
    home.print(&mut home.capture(), "new\n");
    let after = home.read(Start::Oldest);
    assert!(after[..before.len()].iter().all(|line| !is_known(line.2)));
    assert!(after.len() == before.len() + 1 && is_known(after.last().unwrap().2));
}

#[test]
fn an_index_is_its_users_alone_and_never_written_through_a_link() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new(4096, 1);
    let precious = home.layout.root().at("precious");
    fs::write(&precious, "mine").unwrap();
    std::os::unix::fs::symlink(&precious, home.index()).unwrap();
    home.print(&mut home.capture(), "hello\n");
    assert_eq!(fs::read(&precious).unwrap(), b"mine");
    let meta = fs::symlink_metadata(home.index()).unwrap();
    assert!(meta.is_file() && meta.permissions().mode() & 0o777 == 0o600, "{meta:?}");
}

#[test]
fn what_was_printed_without_an_index_has_no_known_time_and_what_follows_has() {
    let home = Home::new(1 << 20, 2);
    fs::write(home.layout.log(&home.name), "old\n").unwrap();
    assert!(!is_known(home.read(Start::Oldest)[0].2), "no index at all");
    let mut capture = home.capture();
    home.print(&mut capture, "new\n");
    let seen = home.read(Start::Oldest);
    assert_eq!(
        seen.iter().map(|line| (line.0, is_known(line.2))).collect::<Vec<_>>(),
        [(0, false), (4, true)]
    );
}

#[test]
fn a_log_that_was_truncated_has_no_known_times_until_more_is_printed() {
    let home = Home::new(1 << 20, 2);
    home.print(&mut home.capture(), "one\ntwo\nthree\n");
    fs::write(home.layout.log(&home.name), "cut\n").unwrap();
    assert!(!is_known(home.read(Start::Oldest)[0].2));
    let before = Timestamp::now();
    home.print(&mut home.capture(), "new\n");
    let seen = home.read(Start::Oldest);
    assert_eq!(
        seen.iter().map(|line| (line.0, is_known(line.2))).collect::<Vec<_>>(),
        [(14, false), (18, true)]
    );
    assert_eq!(home.texts(Start::Since(When::At(before))).last().unwrap(), "new");
}

#[test]
fn bytes_that_were_moved_by_a_supervisor_that_died_at_once_have_the_time_of_the_move() {
    let home = Home::new(1 << 20, 2);
    home.print(&mut home.capture(), "one\n");
    // Bytes in the log without an entry.
    let mut log = fs::OpenOptions::new().append(true).open(home.layout.log(&home.name)).unwrap();
    log.write_all(b"two\n").unwrap();
    let moment: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    log.set_modified(SystemTime::from(moment)).unwrap();
    let time = |line: usize| home.read(Start::Oldest)[line].2;
    assert_eq!(time(1), LineTime::Known(moment));
    next_entry();
    home.print(&mut home.capture(), "three\n");
    assert_eq!(time(1), LineTime::Known(moment));
    assert!(time(2) != time(1) && is_known(time(2)));
}

#[test]
fn an_index_whose_entries_are_out_of_order_is_begun_anew() {
    let home = Home::new(4096, 3);
    let mut capture = home.capture();
    for number in 0..3 {
        home.print(&mut capture, &format!("{number}\n"));
        next_entry();
    }
    drop(capture);
    let mut bytes = fs::read(home.index()).unwrap();
    // The sixth byte of the second entry's position: far behind all later ones.
    let second = bytes.len() - 2 * 16;
    bytes[second + 5] = 1;
    fs::write(home.index(), bytes).unwrap();
    let mut capture = home.capture();
    assert!(capture.index_was_damaged());
    let before = next_entry();
    home.print(&mut capture, "new\n");
    let times: Vec<LineTime> = home.read(Start::Oldest).into_iter().map(|(_, _, time)| time).collect();
    assert!(times[..3].iter().all(|&time| !is_known(time)), "{times:?}");
    assert!(matches!(times[3], LineTime::Known(time) if time >= before), "{times:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]

    /// Over rotations and reopenings: a line's time lies between the clock before and after it was written,
    /// give or take the interval in which moves share an entry; its offset is where it was written.
    #[test]
    fn every_line_has_the_time_and_the_place_of_its_writing(
        writes in prop::collection::vec((1_usize..900, 1_usize..8, any::<bool>()), 1..40),
        max_size in 4096_u64..9_000,
        keep in 0_u32..6,
        reopen_every in 1_usize..10,
    ) {
        let home = Home::new(max_size, keep);
        let mut capture = home.capture();
        let mut written = Vec::new();
        let mut position = 0;
        for (index, (length, lines, pause)) in writes.into_iter().enumerate() {
            let line = "x".repeat(length) + "\n";
            let before = Timestamp::now();
            home.print(&mut capture, &line.repeat(lines));
            let after = Timestamp::now();
            for _ in 0..lines {
                written.push((position, before, after));
                position += line.len() as u64;
            }
            if pause {
                next_entry();
            }
            if index % reopen_every == 0 {
                capture = home.capture();
            }
        }
        let seen = home.read(Start::Oldest);
        let kept = &written[written.len() - seen.len()..];
        for ((offset, before, after), (seen_offset, _, time)) in kept.iter().zip(&seen) {
            prop_assert_eq!(offset, seen_offset);
            let LineTime::Known(time) = time else { return Err(TestCaseError::fail("no time")) };
            let (early, late) = (before.as_microsecond(), after.as_microsecond() + 10_000);
            prop_assert!((early..=late).contains(&time.as_microsecond()), "{before} {time} {after}");
        }
        // A search for a time gives the result of a linear search.
        for (_, _, time) in seen.iter().step_by(5) {
            let LineTime::Known(time) = *time else { continue };
            let all = seen.iter().filter(|line| match line.2 {
                LineTime::Known(other) | LineTime::NotAfter(other) => other >= time,
            });
            prop_assert_eq!(home.read(Start::Since(When::At(time))).len(), all.count());
        }
    }

    /// Whatever bytes replace the index: every line is shown, and writing goes on.
    #[test]
    fn a_damaged_index_costs_no_more_than_times(
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let home = Home::new(4096, 3);
        let mut capture = home.capture();
        capture.mark(Mark::Start);
        for number in 0..100 {
            home.print(&mut capture, &format!("{number:80}\n"));
        }
        drop(capture);
        let mut bytes = fs::read(home.index()).unwrap();
        for (place, byte) in noise {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        fs::write(home.index(), bytes).unwrap();
        let all = home.texts(Start::Oldest).len();
        prop_assert!(all >= 100);
        home.texts(Start::Since(When::At(Timestamp::now())));
        home.texts(Start::Since(When::LastStart));
        let mut capture = home.capture();
        let before = Timestamp::now();
        home.print(&mut capture, "new\n");
        let seen = home.read(Start::Oldest);
        prop_assert_eq!(seen.len(), all + 1);
        if let LineTime::Known(time) = seen[all].2 {
            prop_assert!(time >= before);
        }
    }
}
