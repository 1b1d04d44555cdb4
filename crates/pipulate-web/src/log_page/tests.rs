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
    let line = |offset| LogLine {
        service: ServiceName::parse("web").unwrap(),
        place: 0,
        offset,
        time: None,
        level: Level::Plain,
        pieces: Vec::new(),
        cut: 0,
        begins_run: false,
    };
    for (start, offsets, begins) in [
        (20, &[0, 10, 20, 30][..], Some(20)),
        (25, &[10, 20, 30, 40], Some(30)),
        (20, &[20, 30], Some(20)),
        (20, &[30, 40], None),
        (20, &[0, 10], None),
        (0, &[0, 10], Some(0)),
    ] {
        let mut runs = Runs(vec![Run::Ahead(start)]);
        let begun = offsets.iter().filter(|&&offset| {
            runs.see(&line(offset));
            runs.take(&line(offset))
        });
        assert_eq!(begun.copied().collect::<Vec<u64>>(), begins.into_iter().collect::<Vec<_>>(), "{start}");
    }
    // A line that is left out hands it on.
    let mut runs = Runs(vec![Run::Ahead(20)]);
    runs.see(&line(20));
    runs.see(&line(30));
    assert!(runs.take(&line(30)));
}
