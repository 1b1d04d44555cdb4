//! The last minutes of all services in one picture: resource usage, starts, crashes and saves.
//!
//! A click in the picture leads to the merged log of that time. The same events are in a list below it, for
//! keyboards and screen readers. It changes with a step of [`STEP`] or with an event, not with every look.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use maud::{Markup, html};
use pipulate_core::service::ServiceName;
use pipulate_core::status::ServiceStatus;
use pipulate_core::text::printable;
use pipulate_core::units::{percent, size};
use pipulate_store::own_log::{EventKind, ServiceEvent};

use crate::observer::{HOUR, STEP, Snapshot, Use};
use crate::views::clock::clock;
use crate::views::logs;

/// The picture's width in its own units, and the height of one service in it.
const WIDTH: i64 = 720;
const LANE: i64 = 28;
/// The number of links side by side, and of times below the picture.
const COLUMNS: i64 = 30;
const TICKS: i64 = 5;
/// The time span while nothing older is known: a whole hour would be mostly empty.
const SHORT: SignedDuration = SignedDuration::from_mins(10);
/// The number of listed events.
const MOST: usize = 30;

/// The contents of the picture.
pub(super) struct Timeline {
    lanes: Vec<Lane>,
    /// Oldest first.
    events: Vec<ServiceEvent>,
    begin: Timestamp,
    length: SignedDuration,
    zone: TimeZone,
}

/// One service.
struct Lane {
    name: ServiceName,
    steps: Vec<Use>,
}

/// The marks in the picture.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Start,
    Save,
    Crash,
}

impl Mark {
    fn of(kind: &EventKind) -> Option<Self> {
        match kind {
            EventKind::Started => Some(Self::Start),
            EventKind::Saved(_) => Some(Self::Save),
            EventKind::Ended { code: Some(0), .. } | EventKind::Ended { is_asked: true, .. } => None,
            EventKind::Ended { .. } => Some(Self::Crash),
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Save => "save",
            Self::Crash => "crash",
        }
    }

    /// The vertical extent in a lane: kinds differ by more than their color.
    fn extent(self) -> (i64, i64) {
        match self {
            Self::Start => (LANE / 2, LANE - 1),
            Self::Save => (1, LANE / 2 - 3),
            Self::Crash => (1, LANE - 1),
        }
    }
}

impl Timeline {
    pub(super) fn new<'a>(
        services: impl Iterator<Item = &'a ServiceStatus>,
        snapshot: &Snapshot,
        zone: &TimeZone,
    ) -> Self {
        let lane = |service: &ServiceStatus| Lane {
            steps: snapshot.usage.of(&service.name, snapshot.at).to_vec(),
            name: service.name.clone(),
        };
        Self::of(services.map(lane).collect(), snapshot.events.clone(), snapshot.at, zone.clone())
    }

    fn of(lanes: Vec<Lane>, events: Vec<ServiceEvent>, now: Timestamp, zone: TimeZone) -> Self {
        // The picture is constant for a minute.
        let end = Timestamp::from_second((now.as_second().div_euclid(60) + 1) * 60).unwrap_or(now);
        let first = lanes.iter().filter_map(|lane| Some(lane.steps.first()?.at));
        let first = first.chain(events.first().map(|event| event.at)).min();
        let length = if first.is_some_and(|first| first < end - SHORT) { HOUR } else { SHORT };
        Self { lanes, events, begin: end - length, length, zone }
    }

    pub(super) fn show(&self) -> Markup {
        html! {
            section id="timeline" aria-labelledby="timeline-title" {
                @if !self.lanes.is_empty() {
                    div class="headline" {
                        h2 id="timeline-title" { @if self.length == HOUR { "Last hour" } @else { "Last 10 minutes" } }
                        ul class="legend" aria-hidden="true" {
                            @for word in ["cpu", "memory", "start", "save", "crash"] { li class=(word) { (word) } }
                        }
                    }
                    div class="lanes" {
                        ul { @for lane in &self.lanes { li { (lane.name) } } }
                        (self.picture())
                        p aria-hidden="true" { @for tick in self.times(TICKS) { time { (self.hour(tick)) } } }
                    }
                    (self.list())
                }
            }
        }
    }

    fn picture(&self) -> Markup {
        let steps = || self.lanes.iter().flat_map(|lane| &lane.steps);
        let cpu = steps().map(|step| step.cpu).fold(10.0, f64::max);
        #[expect(clippy::cast_precision_loss, reason = "a picture is some pixels high")]
        let bytes = |step: &Use| step.memory as f64;
        let memory = steps().map(bytes).fold(1.0, f64::max) * 1.1;
        let count = self.lanes.len() as i64;
        html! {
            // Its links are for a pointer: the list below has the same links for everyone.
            svg viewBox={ "0 0 " (WIDTH) " " (count * LANE) } height=(count * LANE) preserveAspectRatio="none" aria-hidden="true" {
                @for (at, lane) in (0..).zip(&self.lanes) {
                    g transform={ "translate(0 " (at * LANE) ")" } {
                        path class="cpu" d=(self.path(lane, |step| step.cpu / cpu, true)) {}
                        path class="memory" d=(self.path(lane, |step| bytes(step) / memory, false)) {}
                        @for (mark, path) in self.marks(lane) { path class=(mark.class()) d=(path) {} }
                        path class="floor" d={ "M0," (LANE) "H" (WIDTH) } {}
                    }
                }
                @for column in self.times(COLUMNS) {
                    a href=(at(column)) tabindex="-1" {
                        title { (clock(column, &self.zone)) (self.words(column)) }
                        rect x=(self.x(column)) width=(WIDTH / COLUMNS) height=(count * LANE) {}
                    }
                }
            }
        }
    }

    /// A line through the values of a lane, which are between 0 and 1, down to the floor and
    /// closed if it is an area.
    fn path(&self, lane: &Lane, value: impl Fn(&Use) -> f64, is_area: bool) -> String {
        let mut path = String::new();
        for stretch in lane.steps.chunk_by(|step, next| next.at.duration_since(step.at) <= STEP * 2) {
            #[expect(clippy::cast_possible_truncation, reason = "a share of a lane")]
            let y = |step: &Use| LANE - 2 - (value(step) * (LANE - 5) as f64) as i64;
            let points: Vec<_> = stretch.iter().map(|step| (self.x(step.at), y(step))).collect();
            let ends = points.first().zip(points.last());
            let Some(((first, height), (last, _))) = ends else { continue };
            let begin = if is_area { LANE } else { *height };
            // Writing to a string can't fail.
            let _infallible = write!(path, "M{first},{begin}");
            for (at, (x, y)) in points.iter().enumerate() {
                let is_level = |other: Option<&(i64, i64)>| other.is_some_and(|(_, other)| other == y);
                if !(is_level(points.get(at.wrapping_sub(1))) && is_level(points.get(at + 1))) {
                    let _infallible = write!(path, "L{x},{y}");
                }
            }
            if is_area {
                let _infallible = write!(path, "L{last},{LANE}Z");
            }
        }
        path
    }

    fn marks(&self, lane: &Lane) -> BTreeMap<Mark, String> {
        let mut paths: BTreeMap<Mark, String> = BTreeMap::new();
        let of_lane = self.events.iter().filter(|event| event.service == lane.name && event.at >= self.begin);
        let mut last = None;
        for (mark, x) in of_lane.filter_map(|event| Some((Mark::of(&event.kind)?, self.x(event.at)))) {
            // Several in one place look like one.
            if last.replace((mark, x)) != Some((mark, x)) {
                let (from, to) = mark.extent();
                let _infallible = write!(paths.entry(mark).or_default(), "M{x},{from}V{to}");
            }
        }
        paths
    }

    /// The events of a column, for its tooltip.
    fn words(&self, column: Timestamp) -> String {
        let end = column + SignedDuration::from_secs(self.length.as_secs() / COLUMNS);
        let here = self.events.iter().filter(|event| event.at >= column && event.at < end);
        let mut counts: BTreeMap<(&ServiceName, Mark), usize> = BTreeMap::new();
        for (service, mark) in here.filter_map(|event| Some((&event.service, Mark::of(&event.kind)?))) {
            *counts.entry((service, mark)).or_default() += 1;
        }
        let word = |((service, mark), count): ((&ServiceName, Mark), usize)| {
            let what = match mark {
                Mark::Start => "started",
                Mark::Save => "files saved",
                Mark::Crash => "crashed",
            };
            if count == 1 { format!("; {service}: {what}") } else { format!("; {service}: {what} {count}×") }
        };
        counts.into_iter().map(word).collect()
    }

    fn list(&self) -> Markup {
        html! {
            details class="more" {
                summary { "As a list" }
                table {
                    thead { tr { th { "Service" } th { "Peak CPU" } th { "Peak memory" } th { "Starts" } th { "Crashes" } } }
                    tbody { @for lane in &self.lanes { (self.row(lane)) } }
                }
                p class="remark" { "CPU and memory are measured while a page is open." }
                ol {
                    @for event in self.events.iter().rev().take(MOST) {
                        li { a href=(at(event.at)) { (clock(event.at, &self.zone)) } " " (event.service) " " (what(&event.kind)) }
                    }
                }
            }
        }
    }

    fn row(&self, lane: &Lane) -> Markup {
        let count = |mark| {
            let of_lane = self.events.iter().filter(|event| event.service == lane.name);
            of_lane.filter(|event| Mark::of(&event.kind) == Some(mark)).count()
        };
        let most = lane.steps.iter().map(|step| step.cpu).reduce(f64::max);
        html! {
            tr {
                th scope="row" { (lane.name) }
                td { (most.map_or("–".to_owned(), percent)) }
                td { (lane.steps.iter().map(|step| step.memory).max().map_or("–".to_owned(), size)) }
                td { (count(Mark::Start)) }
                td { (count(Mark::Crash)) }
            }
        }
    }

    /// `count` times from the beginning on, as far apart as the last one is from the end.
    fn times(&self, count: i64) -> impl Iterator<Item = Timestamp> {
        let step = self.length.as_secs() / count;
        (0..count).map(move |number| self.begin + SignedDuration::from_secs(number * step))
    }

    fn x(&self, at: Timestamp) -> i64 {
        at.duration_since(self.begin).as_secs() * WIDTH / self.length.as_secs()
    }

    fn hour(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%H:%M").to_string()
    }
}

/// The merged log from a time on.
fn at(moment: Timestamp) -> String {
    logs::from_moment(moment)
}

fn what(kind: &EventKind) -> String {
    match kind {
        EventKind::Started => "started".to_owned(),
        EventKind::Saved(files) => format!("saw a file saved: {}", printable(files)),
        EventKind::Ended { is_asked: true, .. } => "stopped".to_owned(),
        EventKind::Ended { code: Some(code), .. } => format!("ended with code {code}"),
        EventKind::Ended { signal: Some(signal), .. } => format!("was ended by signal {signal}"),
        EventKind::Ended { .. } => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(7_200 + second).unwrap()
    }

    fn shown(steps: &[i64], events: Vec<(i64, EventKind)>) -> String {
        let web = ServiceName::parse("web").unwrap();
        let event = |(at, kind)| ServiceEvent { at: second(at), service: web.clone(), kind };
        let steps = steps.iter().map(|&at| Use::of(second(at), 50.0, 1 << 20)).collect();
        let events = events.into_iter().map(event).collect();
        let lanes = vec![Lane { name: web.clone(), steps }];
        Timeline::of(lanes, events, second(0), TimeZone::UTC).show().into_string()
    }

    #[test]
    fn each_kind_of_event_is_drawn_once_a_place_and_leads_to_the_log_of_its_time() {
        let crash = EventKind::Ended { code: Some(3), signal: None, is_asked: false };
        let stop = EventKind::Ended { code: None, signal: Some(15), is_asked: true };
        let save = EventKind::Saved("a<b>.py".to_owned());
        let page = shown(
            &[],
            vec![(-300, EventKind::Started), (-120, crash.clone()), (-120, crash), (-60, save), (-50, stop)],
        );
        // With 600 seconds that end a minute after now, in 720 units.
        for drawn in [
            r#"class="start" d="M288,14V27""#,
            r#"class="crash" d="M504,1V27""#,
            r#"class="save" d="M576,1V11""#,
            "01:58:00; web: crashed 2×",
            "/logs?at=1970%2D01%2D01T01%3A58%3A00Z#here",
            "web</span> ended with code 3",
            "a&lt;b&gt;.py",
            "stopped",
            "Last 10 minutes",
        ] {
            assert!(page.contains(&drawn.replace("</span>", "")), "{drawn}: {page}");
        }
        assert_eq!(page.matches("class=\"crash\" d=").count(), 1);
    }

    #[test]
    fn what_was_not_looked_at_is_a_gap_and_a_level_line_is_its_ends() {
        let page = shown(&[-3_000, -2_980, -2_960, -2_000, -1_980], Vec::new());
        assert!(
            page.contains(r#"class="cpu" d="M108,28L108,3L116,3L116,28ZM308,28L308,3L312,3L312,28Z""#),
            "{page}"
        );
        assert!(page.contains("Last hour") && page.contains("50.0%") && page.contains("1.0 MiB"), "{page}");
    }

    #[test]
    fn without_services_there_is_no_picture() {
        let page = Timeline::of(Vec::new(), Vec::new(), second(0), TimeZone::UTC).show().into_string();
        assert!(!page.contains("<svg"), "{page}");
    }
}
