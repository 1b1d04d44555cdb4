use std::fs;
use std::io::Write as _;

use pipulate_core::project::AbsPath;
use proptest::prelude::*;

use super::*;

/// A log as its writer sees it, and the lines that a reader should get from it.
struct Writer {
    _directory: tempfile::TempDir,
    layout: Layout,
    service: ServiceName,
    keep: u32,
}

impl Writer {
    fn new(keep: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(directory.path().canonicalize().unwrap()).unwrap());
        fs::create_dir_all(layout.logs()).unwrap();
        Self { _directory: directory, layout, service: ServiceName::parse("web").unwrap(), keep }
    }

    fn append(&self, text: &str) {
        let path = self.layout.log(&self.service);
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Rotates as supervisors do: the older files move on, the current one gets a second name, and a new file
    /// takes over the first.
    fn rotate(&self) {
        let current = self.layout.log(&self.service);
        if !current.exists() {
            return;
        }
        for number in (1..self.keep).rev() {
            let _absent = fs::rename(self.old(number), self.old(number + 1));
        }
        let _absent = fs::remove_file(self.old(1));
        if self.keep > 0 {
            fs::hard_link(&current, self.old(1)).unwrap();
        }
        let new = self.layout.logs().at("web.log.new");
        fs::write(&new, "").unwrap();
        fs::rename(&new, &current).unwrap();
    }

    fn truncate(&self) {
        fs::write(self.layout.log(&self.service), "").unwrap();
    }

    fn delete(&self) {
        let _absent = fs::remove_file(self.layout.log(&self.service));
    }

    fn old(&self, number: u32) -> AbsPath {
        self.layout.old_log(&self.service, number)
    }

    fn reader(&self, start: Start) -> LogReader {
        LogReader::open(&self.layout, &self.service, start).unwrap()
    }
}

fn lines(reader: &mut LogReader) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(line) = reader.next_line().unwrap() {
        lines.push(String::from_utf8(line.to_vec()).unwrap());
    }
    lines
}

fn new_lines(reader: &mut LogReader) -> Vec<String> {
    reader.look().unwrap();
    lines(reader)
}

#[test]
fn older_files_come_first_and_the_tail_reaches_into_them() {
    let writer = Writer::new(5);
    for text in ["1\n2\n", "3\n4\n", "5\n6"] {
        writer.rotate();
        writer.append(text);
    }
    let mut reader = writer.reader(Start::Oldest);
    assert_eq!(lines(&mut reader), ["1", "2", "3", "4", "5"]);
    assert_eq!(reader.take_unfinished().unwrap(), b"6");
    assert_eq!(reader.take_unfinished(), None);
    for (count, expected) in [(0, 6), (1, 6), (2, 5), (3, 4), (4, 3), (6, 1), (9, 1)] {
        let mut reader = writer.reader(Start::Tail(count));
        let mut seen = lines(&mut reader);
        seen.extend(reader.take_unfinished().map(|line| String::from_utf8(line).unwrap()));
        let all: Vec<String> = (expected..=6).map(|number| number.to_string()).collect();
        assert_eq!(seen, if count == 0 { Vec::new() } else { all }, "{count}");
    }
}

#[test]
fn a_line_goes_on_over_a_rotation() {
    let writer = Writer::new(5);
    writer.append("begin");
    let mut reader = writer.reader(Start::Oldest);
    assert_eq!(lines(&mut reader), [""; 0]);
    writer.rotate();
    writer.append("ning\nnext\n");
    assert_eq!(new_lines(&mut reader), ["beginning", "next"]);
}

#[test]
fn a_log_that_is_not_there_yet_is_followed_from_its_first_line() {
    let writer = Writer::new(5);
    fs::remove_dir_all(writer.layout.state()).unwrap();
    let mut reader = writer.reader(Start::Tail(10));
    assert_eq!(new_lines(&mut reader), [""; 0]);
    fs::create_dir_all(writer.layout.logs()).unwrap();
    writer.append("first\n");
    assert_eq!(new_lines(&mut reader), ["first"]);
}

#[test]
fn many_rotations_between_two_looks_lose_nothing_that_is_kept() {
    let writer = Writer::new(5);
    writer.append("0\n");
    let mut reader = writer.reader(Start::Oldest);
    assert_eq!(lines(&mut reader), ["0"]);
    for number in 1..=4 {
        writer.append(&format!("{number}a\n"));
        writer.rotate();
        writer.append(&format!("{number}b\n"));
    }
    assert_eq!(new_lines(&mut reader), ["1a", "1b", "2a", "2b", "3a", "3b", "4a", "4b"]);
}

#[test]
fn more_rotations_than_files_are_kept_lose_what_was_thrown_away_and_no_more() {
    let writer = Writer::new(2);
    writer.append("0\npart");
    let mut reader = writer.reader(Start::Oldest);
    assert_eq!(lines(&mut reader), ["0"]);
    for number in 1..=5 {
        writer.append(&format!("{number}\n"));
        writer.rotate();
    }
    assert_eq!(new_lines(&mut reader), ["part1", "4", "5"]);
}

#[test]
fn a_truncated_log_is_read_from_its_beginning() {
    let writer = Writer::new(5);
    writer.append("one\ntwo\nunfin");
    let mut reader = writer.reader(Start::Oldest);
    assert_eq!(lines(&mut reader), ["one", "two"]);
    writer.truncate();
    assert_eq!(new_lines(&mut reader), ["unfin"]);
    writer.append("three\n");
    assert_eq!(new_lines(&mut reader), ["three"]);
}

#[test]
fn a_deleted_log_is_read_on_where_it_appears_again_and_older_files_are_not_read_twice() {
    let writer = Writer::new(5);
    writer.append("one\n");
    writer.rotate();
    writer.append("two\nunfin");
    let mut reader = writer.reader(Start::Oldest);
    assert_eq!(lines(&mut reader), ["one", "two"]);
    writer.delete();
    assert_eq!(new_lines(&mut reader), [""; 0]);
    writer.append("three\n");
    assert_eq!(new_lines(&mut reader), ["unfin", "three"]);
}

#[test]
fn a_line_longer_than_a_block_stays_whole() {
    let writer = Writer::new(5);
    let long = "x".repeat(3 * BLOCK + 17);
    writer.append(&format!("{long}\nnext\n"));
    assert_eq!(lines(&mut writer.reader(Start::Oldest)), [long.as_str(), "next"]);
    assert_eq!(lines(&mut writer.reader(Start::Tail(2))), [long.as_str(), "next"]);
}

#[test]
fn a_line_that_is_too_long_comes_in_pieces_that_say_so() {
    let writer = Writer::new(5);
    let long = "x".repeat(LONGEST_LINE + BLOCK + 17);
    writer.append(&format!("{long}\nnext\nunfinished"));
    let mut reader = writer.reader(Start::Oldest);
    let mut pieces = Vec::new();
    let mut text = String::new();
    while let Some(line) = reader.next_line().unwrap() {
        text.push_str(std::str::from_utf8(line).unwrap());
        pieces.push((reader.piece().is_rest, reader.piece().ending));
    }
    assert_eq!(text, format!("{long}next"));
    let expected = [(false, Ending::Cut), (true, Ending::Complete), (false, Ending::Complete)];
    assert_eq!(pieces, expected);
    assert!(reader.take_unfinished().is_some());
    assert_eq!(reader.piece(), Piece { is_rest: false, ending: Ending::Unfinished });
}

#[test]
fn reading_goes_on_exactly_where_an_earlier_one_ended() {
    let writer = Writer::new(3);
    let (mut expected, mut got, mut position) = (Vec::new(), Vec::new(), 0);
    for round in 0..12 {
        for number in 0..round {
            let line = format!("{round}.{number}");
            writer.append(&format!("{line}\n"));
            expected.push(line);
        }
        if round % 5 == 4 && round < 10 {
            writer.rotate();
        }
        writer.append("unfinished");
        let mut reader = writer.reader(Start::At(position));
        while let Some(line) = reader.next_line().unwrap() {
            got.push(String::from_utf8(line.to_vec()).unwrap());
        }
        position = reader.line_start();
        writer.append("\n");
        expected.push("unfinished".to_owned());
    }
    got.push("unfinished".to_owned());
    assert_eq!(got, expected);
}

#[test]
fn a_position_in_a_log_that_was_begun_anew_means_its_beginning() {
    let writer = Writer::new(2);
    writer.append("one\ntwo\n");
    assert_eq!(lines(&mut writer.reader(Start::At(8))), [""; 0]);
    writer.truncate();
    writer.append("new\n");
    assert_eq!(lines(&mut writer.reader(Start::At(8))), ["new"]);
    writer.delete();
    assert_eq!(lines(&mut writer.reader(Start::At(8))), [""; 0]);
}

#[test]
fn the_lines_before_a_place_are_counted_back_from_it() {
    let writer = Writer::new(2);
    writer.append("a\nb\n");
    writer.rotate();
    writer.append("c\nd\ne\n");
    let before = |position, count| lines(&mut writer.reader(Start::Before { position, count }));
    assert_eq!(before(8, 1), ["d", "e"]);
    assert_eq!(before(8, 3), ["b", "c", "d", "e"]);
    assert_eq!(before(4, 1), ["b", "c", "d", "e"]);
    assert_eq!(before(2, 9), ["a", "b", "c", "d", "e"]);
    assert_eq!(before(8, 0), ["e"]);
    assert_eq!(before(10, 1), ["e"]);
}

#[test]
fn what_is_no_file_is_refused() {
    let writer = Writer::new(5);
    let log = writer.layout.log(&writer.service);
    let refused = || {
        let error = LogReader::open(&writer.layout, &writer.service, Start::Oldest).unwrap_err();
        assert!(error.to_string().contains("web.log"), "{error}");
    };
    fs::create_dir(&log).unwrap();
    refused();
    fs::remove_dir(&log).unwrap();
    // And reading does not block until something opens it for writing.
    nix::unistd::mkfifo(&*log, nix::sys::stat::Mode::S_IRWXU).unwrap();
    refused();
    fs::remove_file(&log).unwrap();
    fs::write(writer.layout.root().join("precious"), "nobody's log\n").unwrap();
    std::os::unix::fs::symlink(writer.layout.root().join("precious"), &log).unwrap();
    refused();
}

#[test]
fn services_are_found_by_their_logs() {
    let writer = Writer::new(5);
    writer.append("x");
    for name in ["supervisor.log", "job.log.1", "job.log.idx", "b.log", "-bad.log"] {
        fs::write(writer.layout.logs().at(name), "").unwrap();
    }
    let found = services(&writer.layout).unwrap();
    assert_eq!(found.iter().map(ServiceName::as_str).collect::<Vec<_>>(), ["b", "web"]);
}

/// Events that may happen to a log between two reads.
#[derive(Debug, Clone)]
enum Event {
    Append(String),
    Rotate,
    Look,
    LookAgainLater,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => "[a-c\n]{0,9}".prop_map(Event::Append),
        1 => Just(Event::Rotate),
        2 => Just(Event::Look),
        1 => Just(Event::LookAgainLater),
    ];
    proptest::collection::vec(event, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_line_is_handed_out_once_and_in_order(events in events(), before in "[a-c\n]{0,9}") {
        let writer = Writer::new(64);
        writer.append(&before);
        let mut reader = writer.reader(Start::Oldest);
        let (mut written, mut seen) = (before, Vec::new());
        for event in events {
            match event {
                Event::Append(text) => {
                    writer.append(&text);
                    written.push_str(&text);
                }
                Event::Rotate => writer.rotate(),
                Event::Look => seen.extend(new_lines(&mut reader)),
                Event::LookAgainLater => reader.look().unwrap(),
            }
        }
        seen.extend(new_lines(&mut reader));
        seen.extend(reader.take_unfinished().map(|line| String::from_utf8(line).unwrap()));
        prop_assert_eq!(seen, written.lines().collect::<Vec<_>>());
    }

    #[test]
    fn the_tail_is_the_end_of_the_whole(texts in proptest::collection::vec("[a-b\n]{0,12}", 1..5), count in 0_u64..9) {
        let writer = Writer::new(64);
        for text in &texts {
            writer.rotate();
            writer.append(text);
        }
        let whole = texts.concat();
        let all: Vec<&str> = whole.lines().collect();
        let mut reader = writer.reader(Start::Tail(count));
        let mut seen = lines(&mut reader);
        seen.extend(reader.take_unfinished().map(|line| String::from_utf8(line).unwrap()));
        let skipped = all.len().saturating_sub(usize::try_from(count).unwrap());
        prop_assert_eq!(seen, &all[skipped..]);
    }
}

#[test]
fn each_state_of_a_progress_bar_is_a_line_however_it_arrives() {
    let text = "a\r\n\r\n\rb\rc\r\r\nd\n\re\r\r f\r\r\n";
    let expected = ["a", "", "b", "c", "d", "e", " f"];
    for first in 0..=text.len() {
        for second in first..=text.len() {
            let writer = Writer::new(1);
            writer.append("");
            let mut reader = writer.reader(Start::Oldest);
            let mut seen = Vec::new();
            for part in [&text[..first], &text[first..second], &text[second..]] {
                writer.append(part);
                seen.extend(new_lines(&mut reader));
                let begin = usize::try_from(reader.line_start()).unwrap();
                assert!(reader.unfinished().is_none_or(|line| text.as_bytes()[begin..].starts_with(line)));
            }
            assert_eq!(seen, expected, "{first} {second}");
            assert_eq!(reader.unfinished(), None);
            for count in 0..8 {
                let tail = lines(&mut writer.reader(Start::Tail(count)));
                assert_eq!(tail, expected[7 - usize::try_from(count.min(7)).unwrap()..]);
            }
        }
    }
}

#[test]
fn a_reading_goes_on_in_the_middle_of_a_line_break() {
    let writer = Writer::new(1);
    writer.append("a\r\n1%\r2%\r");
    let mut reader = writer.reader(Start::Oldest);
    assert_eq!(lines(&mut reader), ["a", "1%"]);
    assert_eq!(reader.unfinished(), Some(&b"2%\r"[..]));
    let place = reader.line_start();
    writer.append("\nb\n");
    assert_eq!(lines(&mut writer.reader(Start::At(place))), ["2%", "b"]);
    assert_eq!(writer.reader(Start::Tail(1)).take_unfinished(), None);
}
