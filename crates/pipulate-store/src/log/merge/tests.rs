use std::fs;
use std::io::Write as _;

use pipulate_core::project::AbsPath;

use super::*;
use crate::files;
use crate::log::time_index::{Begin, Header, IndexEntry};

struct Home {
    _directory: tempfile::TempDir,
    layout: Layout,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(directory.path().canonicalize().unwrap()).unwrap());
        fs::create_dir_all(layout.logs()).unwrap();
        Self { _directory: directory, layout }
    }

    /// Appends output with these capture times, in milliseconds since 1970.
    fn append(&self, service: &str, moves: &[(i64, &str)]) {
        let service = ServiceName::parse(service).unwrap();
        let open = |path: AbsPath| fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        let (mut log, mut index) = (open(self.layout.log(&service)), open(self.layout.log_index(&service)));
        let meta = log.metadata().unwrap();
        if meta.len() == 0 {
            let logs = vec![Begin { file: files::number(&meta), position: 0 }];
            index.write_all(&Header { logs, ..Header::default() }.encode()).unwrap();
        }
        let mut position = meta.len();
        for (milliseconds, text) in moves {
            position += text.len() as u64;
            log.write_all(text.as_bytes()).unwrap();
            let entry = IndexEntry { position, time: milliseconds * 1000, is_exact: true };
            index.write_all(&entry.encode()).unwrap();
        }
    }

    fn open(&self, services: &[&str], start: Start, until: Option<When>) -> Merged {
        let services: Vec<_> = services.iter().map(|name| ServiceName::parse(name).unwrap()).collect();
        Merged::open(&self.layout, &services, start, until).unwrap()
    }
}

fn read(merged: &mut Merged, patience: Patience) -> Vec<String> {
    let mut seen = Vec::new();
    merged
        .read(patience, |line| {
            seen.push(format!("{} {}", line.service, String::from_utf8_lossy(line.bytes)));
            Ok::<(), StoreError>(())
        })
        .unwrap();
    seen
}

#[test]
fn lines_stand_in_the_order_of_their_times_and_of_each_service() {
    let home = Home::new();
    home.append("a", &[(10, "a1\na2\n"), (30, "a3\n"), (30, "a4\n"), (90, "a5\n")]);
    home.append("b", &[(10, "b1\n"), (20, "b2\n"), (30, "b3\nb4\n")]);
    home.append("c", &[(5, "c1\n"), (95, "c2\n")]);
    let mut merged = home.open(&["a", "b", "c"], Start::Oldest, None);
    let expected = ["2 c1", "0 a1", "0 a2", "1 b1", "1 b2", "1 b3", "1 b4", "0 a3", "0 a4", "0 a5", "2 c2"];
    assert_eq!(read(&mut merged, Patience::None), expected);
    let moment = |milliseconds| When::At(Timestamp::from_millisecond(milliseconds).unwrap());
    let mut some = home.open(&["a", "b", "c"], Start::Since(moment(20)), Some(moment(90)));
    assert_eq!(read(&mut some, Patience::None), ["1 b2", "1 b3", "1 b4", "0 a3", "0 a4", "0 a5"]);
}

#[test]
fn a_traceback_stays_together_although_others_printed_meanwhile() {
    let home = Home::new();
    home.append(
        "a",
        &[
            (10, "before\n"),
            (20, "Traceback (most recent call last):\n"),
            (30, "  File \"a.py\", line 1\n"),
            (40, "ValueError: no\n"),
            (60, "after\n"),
        ],
    );
    home.append("b", &[(15, "b1\n"), (25, "b2\n"), (35, "b3\n"), (50, "b4\n")]);
    let expected = [
        "0 before",
        "1 b1",
        "0 Traceback (most recent call last):",
        "0   File \"a.py\", line 1",
        "0 ValueError: no",
        "1 b2",
        "1 b3",
        "1 b4",
        "0 after",
    ];
    assert_eq!(read(&mut home.open(&["a", "b"], Start::Oldest, None), Patience::None), expected);
}

#[test]
fn a_follower_holds_the_lines_of_others_until_a_traceback_ends_or_for_as_long_as_it_likes() {
    let home = Home::new();
    home.append("a", &[(10, "Traceback (most recent call last):\n")]);
    home.append("b", &[(20, "b1\n")]);
    let mut merged = home.open(&["a", "b"], Start::Oldest, None);
    assert_eq!(read(&mut merged, Patience::Block), ["0 Traceback (most recent call last):"]);
    assert!(merged.is_holding());
    home.append("a", &[(30, "  File \"a.py\", line 1\n")]);
    merged.look().unwrap();
    assert_eq!(read(&mut merged, Patience::Block), ["0   File \"a.py\", line 1"]);
    home.append("a", &[(40, "ValueError: no\nafter\n")]);
    home.append("b", &[(50, "b2\n")]);
    merged.look().unwrap();
    assert_eq!(read(&mut merged, Patience::Block), ["0 ValueError: no", "1 b1", "0 after", "1 b2"]);
    assert!(!merged.is_holding());

    home.append("a", &[(60, "Traceback (most recent call last):\n")]);
    home.append("b", &[(70, "b3\n")]);
    merged.look().unwrap();
    assert_eq!(read(&mut merged, Patience::Block), ["0 Traceback (most recent call last):"]);
    assert_eq!(read(&mut merged, Patience::None), ["1 b3"]);
    assert!(!merged.is_holding());
}

#[test]
fn a_service_may_join_later() {
    let home = Home::new();
    let mut merged = home.open(&["a"], Start::Oldest, None);
    home.append("a", &[(10, "a1\n")]);
    home.append("b", &[(5, "b1\n")]);
    let b = ServiceName::parse("b").unwrap();
    merged.add(&home.layout, &b, Start::Oldest).unwrap();
    merged.look().unwrap();
    assert_eq!(read(&mut merged, Patience::Block), ["1 b1", "0 a1"]);
}

#[test]
fn what_came_after_the_clock_was_set_back_is_not_taken_for_late() {
    let home = Home::new();
    home.append(
        "a",
        &[(10, "one\n"), (90, "ahead\nahead\n"), (95, "ahead\n"), (20, "two\n"), (30, "three\n")],
    );
    let until = |milliseconds| Some(When::At(Timestamp::from_millisecond(milliseconds).unwrap()));
    for (milliseconds, seen) in [(5, vec![]), (10, vec!["0 one"]), (20, vec!["0 one", "0 two"])] {
        let mut merged = home.open(&["a"], Start::Oldest, until(milliseconds));
        assert_eq!(read(&mut merged, Patience::None), seen);
        assert!(merged.is_over(), "{milliseconds}");
    }
    let mut merged = home.open(&["a"], Start::Oldest, until(50));
    assert_eq!(read(&mut merged, Patience::None), ["0 one", "0 two", "0 three"]);
    assert!(!merged.is_over(), "more may come");
}
