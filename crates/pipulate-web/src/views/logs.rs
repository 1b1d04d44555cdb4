//! Logs: the newest lines, what comes after them, and what came before.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pipulate_core::service::ServiceName;
use pipulate_core::units;

use crate::reading::{Choice, LogLine, Passage, Positions};
use crate::views::layout;
use crate::views::log_line::{Names, TARGET, linked_line};

/// How often older lines are put above a page before there is a new page instead.
const DEEPEST: u32 = 8;

/// The page's view model.
pub(crate) struct LogsPage {
    pub(crate) services: Vec<ServiceName>,
    pub(crate) choice: Choice,
    pub(crate) passage: Passage,
    /// What came before it, where a page is about one line, which is the first of the passage.
    pub(crate) context: Option<Passage>,
    pub(crate) moment: Moment,
    pub(crate) zone: TimeZone,
}

/// Where in time a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It goes on.
    Now,
    /// It stays as it is, and ends where another page began.
    Before,
    /// It stays as it is, and begins where another page ended.
    From,
    /// It is about one line, which begins here.
    Line(u64),
}

/// Lines that come above or below others.
pub(crate) struct History<'a> {
    pub(crate) choice: &'a Choice,
    pub(crate) passage: &'a Passage,
    /// How often lines were put above or below the page so far.
    pub(crate) depth: u32,
    pub(crate) zone: &'a TimeZone,
}

/// Where a page meets the one that a reader comes from: no other line is to be in view.
const SEAM: &str = "here";

/// The whole page.
pub(crate) fn page(page: &LogsPage) -> Markup {
    let LogsPage { services, choice, passage, context, moment, zone } = page;
    let first = context.as_ref().unwrap_or(passage);
    let has_lines = !passage.lines.is_empty() || !first.lines.is_empty();
    let target = match moment {
        Moment::Line(offset) => Some(*offset),
        Moment::Now | Moment::Before | Moment::From => None,
    };
    let content = html! {
        h1 { "Logs" }
        (controls(services, choice))
        @if services.is_empty() {
            p { "No service has printed anything yet. In a terminal, in the project's folder, run:" }
            pre { code { "pipulate start" } }
        } @else {
            div id="log" class="lines" role="log" aria-live="off" tabindex="0" aria-label="Log lines" {
                (older(choice, first, 0))
                @if let Some(context) = context { (batch(choice, context, zone, None)) }
                @if target.is_some_and(|offset| passage.lines.front().is_none_or(|line| line.offset != offset)) {
                    p id=(TARGET) { "That line is no longer kept" }
                }
                (batch(choice, passage, zone, target))
                @if !has_lines { p class="empty" { (nothing(choice, *moment)) } }
                @match moment {
                    Moment::Now => {}
                    Moment::Before => { (newer(choice, passage, 0)) span id=(SEAM) {} }
                    Moment::From | Moment::Line(_) if passage.has_more => (newer(choice, passage, 0)),
                    Moment::From | Moment::Line(_) => {}
                }
                // Without a script nothing else brings the newest line into view.
                @if *moment == Moment::Now { noscript { span tabindex="-1" autofocus {} } }
            }
            (footer(choice, passage, *moment))
        }
    };
    let title = choice.service.as_ref().map_or("Logs".to_owned(), |service| format!("{service} – Logs"));
    layout::page(&title, Some("/logs"), &content)
}

/// Older lines, and the way to those before them.
pub(crate) fn history(history: &History) -> Markup {
    let History { choice, passage, depth, zone } = history;
    html! {
        (older(choice, passage, *depth))
        (batch(choice, passage, zone, None))
    }
}

/// Newer lines, and the way to those after them.
pub(crate) fn sequel(sequel: &History) -> Markup {
    let History { choice, passage, depth, zone } = sequel;
    html! {
        (batch(choice, passage, zone, None))
        @if passage.has_more { (newer(choice, passage, *depth)) }
    }
}

/// An event for a page that is open.
pub(crate) fn news(choice: &Choice, passage: &Passage, zone: &TimeZone) -> Markup {
    html! {
        hx-partial hx-target="#log" hx-swap="beforeend" {
            @if passage.lost > 0 {
                p class="skipped" {
                    (units::size(passage.lost)) " were thrown away before they could be shown: a log keeps no more"
                }
            }
            @if passage.skipped > 0 {
                p class="skipped" {
                    (passage.skipped) " lines came faster than they can be shown: "
                    a href=(before(choice, &passage.begin)) { "see them" }
                }
            }
            (batch(choice, passage, zone, None))
        }
    }
}

fn batch(choice: &Choice, passage: &Passage, zone: &TimeZone, target: Option<u64>) -> Markup {
    let names = if choice.service.is_some() { Names::Hidden } else { Names::Shown };
    html! {
        @if !passage.lines.is_empty() {
            div class="batch" data-before=(before(choice, &passage.begin)) {
                @for line in &passage.lines {
                    (linked_line(line, names, zone, &address_of(line), target == Some(line.offset)))
                }
            }
        }
    }
}

/// A page of the lines before these positions, at its end.
fn before(choice: &Choice, positions: &Positions) -> String {
    address("/logs", choice, &[("before", &positions.to_string())]) + "#" + SEAM
}

/// A page about a line, among those of its service: a filter would leave out what it came of.
fn address_of(line: &LogLine) -> String {
    let choice = Choice { service: Some(line.service.clone()), filter: String::new() };
    address("/logs", &choice, &[("line", &line.offset.to_string())]) + "#" + TARGET
}

/// Comes by itself when it is scrolled to, a few times; then it is a page of its own.
fn older(choice: &Choice, passage: &Passage, depth: u32) -> Markup {
    if passage.lines.is_empty() || passage.begin.is_the_beginning() {
        return Markup::default();
    }
    let plain = before(choice, &passage.begin);
    let begin = passage.begin.to_string();
    let fragment = address("/logs/older", choice, &[("before", &begin), ("depth", &depth.to_string())]);
    html! {
        @if depth < DEEPEST {
            a id="older" href=(plain) hx-get=(fragment) hx-trigger="click, intersect once" hx-target="this"
                hx-swap="outerHTML" { "Older lines" }
        } @else {
            a id="older" href=(plain) { "Older lines" }
        }
    }
}

/// As [`older`], but only when it is asked for: what is read is above it.
fn newer(choice: &Choice, passage: &Passage, depth: u32) -> Markup {
    let end = passage.end.to_string();
    let plain = address("/logs", choice, &[("from", &end)]);
    let fragment = address("/logs/newer", choice, &[("from", &end), ("depth", &depth.to_string())]);
    html! {
        @if depth < DEEPEST {
            a id="newer" href=(plain) hx-get=(fragment) hx-target="this" hx-swap="outerHTML" { "Newer lines" }
        } @else {
            a id="newer" href=(plain) { "Newer lines" }
        }
    }
}

/// Which services, which lines.
fn controls(services: &[ServiceName], choice: &Choice) -> Markup {
    let all = std::iter::once(None).chain(services.iter().map(Some));
    html! {
        div class="controls" {
            nav aria-label="Services" {
                ul {
                    @for service in all {
                        @let chosen = Choice { service: service.cloned(), filter: choice.filter.clone() };
                        li {
                            a href=(address("/logs", &chosen, &[]))
                                aria-current=[(chosen.service == choice.service).then_some("true")] {
                                @match service { Some(service) => { (service) } None => { "All" } }
                            }
                        }
                    }
                }
            }
            search {
                form method="get" action="/logs" {
                    @if let Some(service) = &choice.service { input type="hidden" name="service" value=(service); }
                    input type="search" name="filter" value=(choice.filter) aria-label="Only lines with" placeholder="Only lines with…" maxlength="100";
                    button class="calm" { "Filter" }
                }
            }
        }
    }
}

/// What to do with what is shown.
fn footer(choice: &Choice, passage: &Passage, moment: Moment) -> Markup {
    html! {
        div class="controls" {
            @match moment {
                Moment::Now => {
                    div class="verbs" {
                        button id="follow" class="calm" type="button" hidden aria-pressed="true" aria-controls="log" { "Following" }
                        button id="clear" class="calm" type="button" hidden aria-controls="log" { "Clear" }
                        noscript { a href=(address("/logs", choice, &[])) { "Look again" } }
                    }
                }
                Moment::Before | Moment::From | Moment::Line(_) => a href=(address("/logs", choice, &[])) { "To the newest lines" }
            }
            a href=(address("/logs/download", choice, &[])) download { "Download" }
        }
        @if moment == Moment::Now {
            (layout::listener("stream", &address("/logs/stream", choice, &[("from", &passage.end.to_string())])))
        }
    }
}

fn nothing(choice: &Choice, moment: Moment) -> &'static str {
    match moment {
        Moment::From => "There are no newer lines yet",
        Moment::Now | Moment::Before | Moment::Line(_) if choice.filter.is_empty() => {
            "Nothing has been printed yet"
        }
        Moment::Now | Moment::Before | Moment::Line(_) => "No line has these words",
    }
}

/// An address with a choice in it.
fn address(path: &str, choice: &Choice, more: &[(&str, &str)]) -> String {
    let own =
        [("service", choice.service.as_ref().map_or("", ServiceName::as_str)), ("filter", &choice.filter)];
    let mut address = path.to_owned();
    let mut mark = '?';
    // Positions are always said: an empty one means the beginning.
    for (name, value) in own.iter().filter(|(_, value)| !value.is_empty()).chain(more) {
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        // A text can be written to without end.
        let _written = write!(address, "{mark}{name}={value}");
        mark = '&';
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_log_threw_away_before_it_could_be_shown_is_told() {
        let told = |lost| {
            let passage = Passage { lost, ..Passage::default() };
            news(&Choice::default(), &passage, &TimeZone::UTC).into_string()
        };
        assert!(told(3 << 20).contains("3.0 MiB were thrown away before they could be shown"));
        assert!(!told(0).contains("thrown away"));
    }
}
