//! One line of a log: its service, time and severity, and its colors as classes.

use std::ops::Range;

use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::file_place;
use crate::log_page::LogLine;
use crate::views::clock::clock;
use crate::views::json;

const LINK: &str = "Link to this line";
/// The number of colors for the names of services.
const WHO_COLORS: usize = 6;

/// Whether a line names its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    Shown,
    Hidden,
}

/// The appearance of a page's lines.
pub(crate) struct LineLook<'a> {
    pub(crate) names: Names,
    pub(crate) zone: &'a TimeZone,
    /// True if Tab stops at each line's link. Hundreds would be between the page and its buttons.
    pub(crate) tab_stops: bool,
}

/// The line. A class is chosen from a closed list, so no text gets into it.
pub(crate) fn log_line(line: &LogLine, names: Names, zone: &TimeZone) -> Markup {
    let look = LineLook { names, zone, tab_stops: false };
    html! { div class="line" data-level=[line.level.word()] { (content(line, &look, None, &[])) } }
}

/// A line with a link to itself, marked if it is the page's target; `found` in its text is marked, too.
pub(crate) fn linked_line(
    line: &LogLine,
    look: &LineLook,
    address: &str,
    is_target: bool,
    found: &[Range<usize>],
) -> Markup {
    html! {
        div class="line" id=[is_target.then_some(TARGET)] aria-current=[is_target.then_some("true")]
            data-level=[line.level.word()] {
            (content(line, look, Some(address), found))
        }
    }
}

/// The id of the page's target line.
pub(crate) const TARGET: &str = "line";

fn content(line: &LogLine, look: &LineLook, address: Option<&str>, found: &[Range<usize>]) -> Markup {
    let file = line.file.as_ref().filter(|_| found.is_empty());
    let apart = file.map_or(found, |file| std::slice::from_ref(&file.range));
    let text = html! {
        @for (text, color, is_apart) in parts(&line.pieces, apart) {
            @match file.filter(|_| is_apart) {
                Some(file) => { (file_place::button(&file.path, file.line, &piece(text, color))) }
                None if is_apart => mark { (piece(text, color)) },
                None => { (piece(text, color)) }
            }
        }
        @if line.cut > 0 { span class="cut" { " … " (line.cut) " more bytes" } }
    };
    // Only on the logs' page: a card only shows a few last lines.
    let json = address.and_then(|_| json::indented(&line.text()));
    html! {
            @if let Some(address) = address {
                a href=(address) tabindex=[(!look.tab_stops).then_some("-1")] title=(LINK) aria-label=(LINK) {}
            }
            @if let Some(time) = line.time { time datetime=(time) { (clock(time, look.zone)) " " } }
            @if look.names == Names::Shown {
                span class="who" data-color=(line.place % WHO_COLORS) { (line.service) " " }
            }
            @if let Some(json) = json {
                details { summary { span class="text" { (text) } } pre { (json) } }
            } @else {
                span class="text" { (text) }
            }
    }
}

/// Texts with their colors, split where `found` matches begin and end.
fn parts<'a>(pieces: &'a [(String, String)], found: &[Range<usize>]) -> Vec<(&'a str, &'a str, bool)> {
    let mut parts = Vec::new();
    let mut begin = 0;
    for (text, color) in pieces {
        let end = begin + text.len();
        let mut at = begin;
        for range in found.iter().filter(|range| range.start < end && range.end > begin) {
            let (from, to) = (range.start.max(begin), range.end.min(end));
            parts.push((&text[at - begin..from - begin], color.as_str(), false));
            parts.push((&text[from - begin..to - begin], color.as_str(), true));
            at = to;
        }
        parts.push((&text[at - begin..], color.as_str(), false));
        begin = end;
    }
    parts.retain(|(text, ..)| !text.is_empty());
    parts
}

/// A text in its color.
pub(super) fn piece(text: &str, color: &str) -> Markup {
    let classes = classes(color);
    html! { @if classes.is_empty() { (text) } @else { span class=(classes) { (text) } } }
}

/// The classes of an SGR sequence: one of eight colors, bold, faint. Others are ignored: the page has its own
/// colors, light and dark.
fn classes(parameters: &str) -> String {
    const COLORS: [&str; 8] = [
        "sgr-black",
        "sgr-red",
        "sgr-green",
        "sgr-yellow",
        "sgr-blue",
        "sgr-magenta",
        "sgr-cyan",
        "sgr-white",
    ];
    let (mut color, mut bold, mut faint) = (None, false, false);
    let mut codes = parameters.split([';', ':']).map(|code| code.parse::<usize>().unwrap_or(0));
    while let Some(code) = codes.next() {
        match code {
            0 => (color, bold, faint) = (None, false, false),
            1 => bold = true,
            2 => faint = true,
            22 => (bold, faint) = (false, false),
            30..=37 => color = Some(COLORS[code - 30]),
            90..=97 => color = Some(COLORS[code - 90]),
            39 => color = None,
            // An extended color: its number follows, not further codes.
            38 | 48 => {
                let skipped = if codes.next() == Some(5) { 1 } else { 3 };
                codes.by_ref().take(skipped).for_each(drop);
            }
            _ => {}
        }
    }
    let chosen = [color, bold.then_some("sgr-bold"), faint.then_some("sgr-faint")];
    chosen.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_become_classes_and_nothing_else_does() {
        for (parameters, expected) in [
            ("", ""),
            ("0", ""),
            ("31", "sgr-red"),
            ("1;94", "sgr-blue sgr-bold"),
            ("31;0", ""),
            ("31;39;2", "sgr-faint"),
            ("38;5;31", ""),
            ("38;2;1;31;1;32", "sgr-green"),
            ("38:5:31", ""),
            ("4;999999999999999999999", ""),
        ] {
            assert_eq!(classes(parameters), expected, "{parameters}");
        }
    }

    #[test]
    fn what_was_found_is_marked_across_colors() {
        let pieces = [("one ".to_owned(), "31".to_owned()), ("two".to_owned(), String::new())];
        let marked = |found: &[Range<usize>]| parts(&pieces, found);
        assert_eq!(marked(&[]), [("one ", "31", false), ("two", "", false)]);
        assert_eq!(
            marked(&[0..1, 2..5]),
            [("o", "31", true), ("n", "31", false), ("e ", "31", true), ("t", "", true), ("wo", "", false)]
        );
    }
}
