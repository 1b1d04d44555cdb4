//! One line of a log: who printed it when, how bad it looks, and its colors as classes.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::log_page::LogLine;
use crate::views::clock::clock;

const LINK: &str = "Link to this line";

/// Whether a line says who printed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    Shown,
    Hidden,
}

/// The line. A class is chosen from a closed list, so nothing of the text gets into it.
pub(crate) fn log_line(line: &LogLine, names: Names, zone: &TimeZone) -> Markup {
    html! { div class="line" data-level=[line.level.word()] { (content(line, names, zone, None)) } }
}

/// A line that says where it can be found again, and is marked if that is what was asked for.
pub(crate) fn linked_line(
    line: &LogLine,
    names: Names,
    zone: &TimeZone,
    address: &str,
    is_target: bool,
) -> Markup {
    html! {
        div class="line" id=[is_target.then_some(TARGET)] aria-current=[is_target.then_some("true")]
            data-level=[line.level.word()] {
            (content(line, names, zone, Some(address)))
        }
    }
}

/// The line that an address leads to.
pub(crate) const TARGET: &str = "line";

fn content(line: &LogLine, names: Names, zone: &TimeZone, address: Option<&str>) -> Markup {
    html! {
            @if let Some(address) = address {
                // Hundreds of them would stand between the page and its buttons at every Tab.
                a href=(address) tabindex="-1" title=(LINK) aria-label=(LINK) {} " "
            }
            @if let Some(time) = line.time { time datetime=(time) { (clock(time, zone)) } " " }
            @if names == Names::Shown { span class="who" { (line.service) } " " }
            span class="text" {
                @for (text, color) in &line.pieces { (piece(text, color)) }
                @if line.cut > 0 { span class="cut" { " … " (line.cut) " more bytes" } }
            }
    }
}

fn piece(text: &str, color: &str) -> Markup {
    let classes = classes(color);
    html! { @if classes.is_empty() { (text) } @else { span class=(classes) { (text) } } }
}

/// The classes of an SGR sequence: one of eight colors, bold, faint. Others are left out: the page
/// has colors of its own, light and dark.
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
            // A color out of many: what follows is its number, not codes.
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
}
