use std::fs::File;
use std::io::Write as _;

use pipulate_core::service::LogLimits;
use pipulate_store::capture::Capture;
use pipulate_store::log::time_index::Mark;
use pipulate_store::own_log::{EventKind, ServiceEvent};

use super::*;
use crate::tests::fake::FakeWorld;
use crate::tests::news::Printed;

/// A world with logs in a folder.
struct Home {
    world: FakeWorld,
    printed: Printed,
}

impl Home {
    fn new() -> Self {
        let world = FakeWorld::default();
        Self { printed: Printed::new(&world), world }
    }

    fn print(&self, service: &str, text: &str) {
        self.printed.print(service, text);
    }

    fn logs(&self) -> &dyn Logs {
        &self.world
    }
}

fn texts(page: &LogPage) -> Vec<String> {
    page.lines.iter().map(LogLine::text).collect()
}

fn only(service: &str, filter: &str) -> LogFilter {
    let only = Pattern::parse(filter, PatternKind::Text).unwrap();
    LogFilter { only, ..LogFilter::of(&ServiceName::parse(service).unwrap()) }
}

#[test]
fn pages_backwards_and_a_stream_forwards_show_every_line_once() {
    let printed = Home::new();
    for number in 0..25 {
        printed.print("web", &format!("web {number}\n"));
        printed.print("worker", &format!("worker {number}\n"));
    }
    printed.print("web", "not yet");
    let filter = LogFilter::default();
    let newest = newest(printed.logs(), &filter, 10).unwrap();
    let mut all = texts(&newest);
    let mut begin = newest.begin.clone();
    loop {
        let page = before(printed.logs(), &filter, &begin, 7).unwrap();
        if page.lines.is_empty() {
            break;
        }
        all.splice(0..0, texts(&page));
        begin = page.begin;
    }
    printed.print("web", " but now\nweb 26\n");
    let mut levels = LevelTracker::default();
    let news = after(printed.logs(), &filter, &newest.end, 10, &mut levels).unwrap();
    all.extend(texts(&news));
    assert!(after(printed.logs(), &filter, &news.end, 10, &mut levels).unwrap().lines.is_empty());

    let of = |name: &str| all.iter().filter(|line| line.starts_with(name)).cloned().collect::<Vec<_>>();
    assert_eq!(of("worker"), (0..25).map(|number| format!("worker {number}")).collect::<Vec<_>>());
    assert_eq!(of("web").len(), 26, "{all:?}");
    assert!(all.contains(&"not yet but now".to_owned()));
}

#[test]
fn a_log_that_has_only_an_unfinished_line_is_followed_from_there() {
    let printed = Home::new();
    printed.print("web", "old\n");
    let filter = only("web", "");
    let first = newest(printed.logs(), &filter, 10).unwrap();
    printed.print("web", "progress…");
    let silent = after(printed.logs(), &filter, &first.end, 10, &mut LevelTracker::default()).unwrap();
    assert!(silent.lines.is_empty());
    printed.print("web", " done\n");
    let news = after(printed.logs(), &filter, &silent.end, 10, &mut LevelTracker::default()).unwrap();
    assert_eq!(texts(&news), ["progress… done"]);
}

#[test]
fn a_filter_chooses_what_is_seen_and_finds_no_secret() {
    let printed = Home::new();
    printed.world.hidden.lock().unwrap().push("hunter22".to_owned());
    printed.print("web", "One\ntwo hunter22\nTHREE\none more\n");
    let found = |filter: &str| texts(&newest(printed.logs(), &only("web", filter), 10).unwrap());
    assert_eq!(found("one"), ["One", "one more"]);
    assert_eq!(found("hunter"), [""; 0]);
    assert_eq!(found("****"), ["two ****"]);
    assert_eq!(texts(&newest(printed.logs(), &only("web", "one"), 1).unwrap()), ["one more"]);
}

#[test]
fn more_lines_than_can_be_shown_are_counted() {
    let printed = Home::new();
    printed.print("web", &"line\n".repeat(1000));
    let start = Cursor::parse("web:0").unwrap();
    let news = after(printed.logs(), &only("web", ""), &start, 10, &mut LevelTracker::default()).unwrap();
    assert_eq!((news.lines.len(), news.skipped), (10, 990));
    assert_eq!(
        (news.begin.to_string(), news.end.to_string()),
        ("web:4950".to_owned(), "web:5000".to_owned())
    );
}

#[test]
fn attack_22_a_line_without_an_end_is_shown_in_part() {
    let printed = Home::new();
    printed.print("web", &format!("{}\n", "ö".repeat(5 << 20)));
    let page = newest(printed.logs(), &only("web", ""), 10).unwrap();
    assert_eq!(page.lines[0].text().len(), LONGEST);
    assert_eq!(page.lines[0].cut, (10 << 20) - LONGEST);
}

#[test]
fn a_download_has_every_line_whole() {
    let printed = Home::new();
    let long = "x".repeat(3 * LONGEST);
    printed.print("web", &format!("\x1b[31mred\x1b[0m\n{long}\n"));
    let mut lines = Vec::new();
    all::<StoreError>(printed.logs(), &LogFilter::default(), |line| {
        lines.push(line.text());
        Ok(())
    })
    .unwrap();
    assert_eq!(lines, ["red", &long]);
}

#[test]
fn the_first_line_of_a_run_is_marked_once_wherever_reading_begins() {
    let line = |offset: u64, has_time: bool| LogLine {
        service: ServiceName::parse("web").unwrap(),
        place: 0,
        offset,
        time: has_time.then(|| second(offset)),
        level: Level::Plain,
        pieces: Vec::new(),
        file: None,
        cut: 0,
        begins_run: false,
    };
    let begun = |mut runs: Runs, offsets: &[u64], has_time| {
        let begins = |&&offset: &&u64| {
            runs.see(&line(offset, has_time));
            runs.take(&line(offset, has_time))
        };
        offsets.iter().filter(begins).copied().collect::<Vec<u64>>()
    };
    let runs = |last, earlier: &[u64]| {
        Runs::new([(last, earlier.iter().map(|&at| second(at)).collect())].into_iter())
    };
    for (start, offsets, begins) in [
        (20, &[0, 10, 20, 30][..], Some(20)),
        (25, &[10, 20, 30, 40], Some(30)),
        (20, &[20, 30], Some(20)),
        (20, &[30, 40], None),
        (20, &[0, 10], None),
        (0, &[0, 10], Some(0)),
    ] {
        let begins = begins.into_iter().collect::<Vec<_>>();
        assert_eq!(begun(runs(Some(start), &[]), offsets, false), begins, "{start}");
    }
    // Earlier runs only have a time, and some lines not even that.
    let offsets = [0, 10, 20, 30, 40, 50];
    assert_eq!(begun(runs(Some(40), &[5, 7, 30]), &offsets, true), [10, 30, 40]);
    assert_eq!(begun(runs(Some(40), &[5, 30]), &offsets, false), [40]);
    // A filtered line passes the mark on.
    let mut left_out = runs(Some(20), &[]);
    left_out.see(&line(20, false));
    left_out.see(&line(30, false));
    assert!(left_out.take(&line(30, false)));
}

fn second(number: u64) -> Timestamp {
    Timestamp::from_second(number.cast_signed()).unwrap()
}

#[test]
fn every_start_is_marked_also_where_a_page_begins_with_it() {
    let printed = Home::new();
    let limits = LogLimits { max_size: 1 << 20, keep: 1 };
    let layout = printed.world.layout.lock().unwrap().clone().unwrap();
    let layout = pipulate_store::home::ensure(&layout).unwrap();
    let web = ServiceName::parse("web").unwrap();
    let mut capture = Capture::open(&layout, &web, limits).unwrap();
    for run in 0..4 {
        // Times that the index can distinguish.
        let begin = Timestamp::now();
        let later = |than: Timestamp| {
            while Timestamp::now().duration_since(than).as_millis() < 12 {
                std::hint::spin_loop()
            }
        };
        later(begin);
        capture.mark(Mark::Start);
        let event = ServiceEvent { at: Timestamp::now(), service: web.clone(), kind: EventKind::Started };
        printed.world.events.lock().unwrap().push(event);
        later(Timestamp::now());
        File::from(capture.writer().unwrap()).write_all(format!("run {run}\nmore\n").as_bytes()).unwrap();
        capture.drain().unwrap();
    }
    let marked = |page: LogPage| {
        page.lines.iter().filter(|line| line.begins_run).map(LogLine::text).collect::<Vec<_>>()
    };
    let filter = only("web", "");
    assert_eq!(marked(newest(printed.logs(), &filter, 9).unwrap()), ["run 0", "run 1", "run 2", "run 3"]);
    for (count, expected) in [(6, 1), (5, 2), (4, 2)] {
        let page = newest(printed.logs(), &filter, count).unwrap();
        assert_eq!(marked(page)[0], format!("run {expected}"), "{count} lines");
    }
}
