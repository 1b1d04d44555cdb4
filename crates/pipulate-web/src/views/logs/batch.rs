//! Lines that came to the page together.

use jiff::tz::TimeZone;
use maud::{Markup, html};
use pipulate_core::units::counted;

use super::{before, controls::address};
use crate::log_page::{Level, LogFilter, LogLine, LogPage, is_traceback};
use crate::views::clock::clock;
use crate::views::log_line::{LineLook, Names, TARGET, linked_line};

/// A shorter traceback, in lines, is not folded.
const FOLDED: usize = 4;

/// The lines of a page; the one at `target` is marked.
pub(super) fn batch(filter: &LogFilter, page: &LogPage, zone: &TimeZone, target: Option<u64>) -> Markup {
    let names = if filter.service.is_some() { Names::Hidden } else { Names::Shown };
    let look = LineLook { names, zone, tab_stops: !filter.takes_all() };
    let lines: Vec<&LogLine> = page.lines.iter().collect();
    let show = |line: &LogLine| {
        let found = if filter.only.is_some() { filter.found_in(&line.text()) } else { Vec::new() };
        html! {
            @if line.begins_run { (run(line, names, zone)) }
            (linked_line(line, &look, &address_of(line), target == Some(line.offset), &found))
        }
    };
    html! {
        @if !lines.is_empty() {
            div class="batch" data-before=(before(filter, &page.begin)) {
                @for block in lines.chunk_by(|line, next| belong_together(line, next)) {
                    @if filter.takes_all() && let Some(exception) = folded(block) {
                        details class="fold" open[block.iter().any(|line| target == Some(line.offset))] {
                            summary data-level="error" {
                                (exception) " " small { "traceback, " (counted(block.len(), "line")) }
                            }
                            @for line in block { (show(line)) }
                        }
                    } @else {
                        @for line in block { (show(line)) }
                    }
                }
            }
        }
    }
}

/// The beginning of a service's run.
fn run(line: &LogLine, names: Names, zone: &TimeZone) -> Markup {
    html! {
        p class="mark" {
            @if names == Names::Shown { (line.service) " started" } @else { "Started" }
            @if let Some(time) = line.time { " at " (clock(time, zone)) }
        }
    }
}

fn belong_together(line: &LogLine, next: &LogLine) -> bool {
    let both = line.level == Level::Traceback && next.level == Level::Traceback;
    both && line.service == next.service && !next.begins_run && !is_traceback(&next.text())
}

/// The last line of a whole traceback: the exception.
fn folded(block: &[&LogLine]) -> Option<String> {
    let [first, .., last] = block else { return None };
    let (text, last) = (first.text(), last.text());
    let is_whole = is_traceback(&text) && !last.is_empty() && !last.starts_with([' ', '\t', '|']);
    (block.len() >= FOLDED && is_whole).then_some(last)
}

/// A page about a line among its service's lines: a filter would hide the cause.
fn address_of(line: &LogLine) -> String {
    address("/logs", &LogFilter::of(&line.service), &[("line", &line.offset.to_string())]) + "#" + TARGET
}
