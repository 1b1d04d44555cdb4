//! Logs: the newest lines, what comes after them, and what came before.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pipulate_core::service::ServiceName;
use pipulate_core::units;

use crate::assets;
use crate::log_page::{Cursor, LogFilter, LogLine, LogPage};
use crate::views::layout;
use crate::views::log_line::{Names, TARGET, linked_line};
use crate::world::Folder;

/// How often older lines are put above a page before there is a new page instead.
const DEEPEST: u32 = 8;

/// The page's view model.
pub(crate) struct LogsView {
    pub(crate) services: Vec<ServiceName>,
    pub(crate) filter: LogFilter,
    pub(crate) page: LogPage,
    /// What came before it, where a page is about one line, which is the first line of `page`.
    pub(crate) context: Option<LogPage>,
    pub(crate) anchor: Anchor,
    pub(crate) zone: TimeZone,
}

/// Where in time a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// It goes on.
    Newest,
    /// It stays as it is, and ends where another page began.
    Before,
    /// It stays as it is, and begins where another page ended.
    From,
    /// It is about one line, which begins here.
    Line(u64),
}

/// Lines that come above or below others.
pub(crate) struct MoreLines<'a> {
    pub(crate) filter: &'a LogFilter,
    pub(crate) page: &'a LogPage,
    /// How often lines were put above or below the page so far.
    pub(crate) depth: u32,
    pub(crate) zone: &'a TimeZone,
}

/// Where a page meets the one that a person comes from: no other line is to be in view.
const SEAM: &str = "here";

/// The whole page.
pub(crate) fn page(folder: &Folder, view: &LogsView) -> Markup {
    let LogsView { services, filter, page, context, anchor, zone } = view;
    let first = context.as_ref().unwrap_or(page);
    let has_lines = !page.lines.is_empty() || !first.lines.is_empty();
    let target = match anchor {
        Anchor::Line(offset) => Some(*offset),
        Anchor::Newest | Anchor::Before | Anchor::From => None,
    };
    let content = html! {
        link rel="stylesheet" href=(assets::LOGS_STYLE.address());
        h1 { "Logs" }
        (controls(services, filter))
        @if services.is_empty() {
            p { "No service has printed anything yet. In a terminal, in the project's folder, run:" }
            pre { code { "pipulate start" } }
        } @else {
            div id="log" class="lines" role="log" aria-live="off" tabindex="0" aria-label="Log lines" {
                (older(filter, first, 0))
                @if let Some(context) = context { (batch(filter, context, zone, None)) }
                @if target.is_some_and(|offset| page.lines.front().is_none_or(|line| line.offset != offset)) {
                    p id=(TARGET) { "That line is no longer kept" }
                }
                (batch(filter, page, zone, target))
                @if !has_lines { p class="empty" { (nothing(filter, *anchor)) } }
                @match anchor {
                    Anchor::Newest => {}
                    Anchor::Before => { (newer(filter, page, 0)) span id=(SEAM) {} }
                    Anchor::From | Anchor::Line(_) if page.has_more => (newer(filter, page, 0)),
                    Anchor::From | Anchor::Line(_) => {}
                }
                // Without a script nothing else brings the newest line into view.
                @if *anchor == Anchor::Newest { noscript { span tabindex="-1" autofocus {} } }
            }
            (footer(filter, page, *anchor))
        }
        script src=(assets::LOGS_SCRIPT.address()) defer {}
    };
    let title = filter.service.as_ref().map_or("Logs".to_owned(), |service| format!("{service} – Logs"));
    layout::page(folder, &title, Some("/logs"), &content)
}

/// Older lines, and the way to those before them.
pub(crate) fn older_lines(more: &MoreLines) -> Markup {
    let MoreLines { filter, page, depth, zone } = more;
    html! {
        (older(filter, page, *depth))
        (batch(filter, page, zone, None))
    }
}

/// Newer lines, and the way to those after them.
pub(crate) fn newer_lines(more: &MoreLines) -> Markup {
    let MoreLines { filter, page, depth, zone } = more;
    html! {
        (batch(filter, page, zone, None))
        @if page.has_more { (newer(filter, page, *depth)) }
    }
}

/// An event for a page that is open.
pub(crate) fn news(filter: &LogFilter, page: &LogPage, zone: &TimeZone) -> Markup {
    html! {
        hx-partial hx-target="#log" hx-swap="beforeend" {
            @if page.lost > 0 {
                p class="skipped" {
                    (units::size(page.lost)) " were thrown away before they could be shown: a log keeps no more"
                }
            }
            @if page.skipped > 0 {
                p class="skipped" {
                    (page.skipped) " lines came faster than they can be shown: "
                    a href=(before(filter, &page.begin)) { "see them" }
                }
            }
            (batch(filter, page, zone, None))
        }
    }
}

fn batch(filter: &LogFilter, page: &LogPage, zone: &TimeZone, target: Option<u64>) -> Markup {
    let names = if filter.service.is_some() { Names::Hidden } else { Names::Shown };
    html! {
        @if !page.lines.is_empty() {
            div class="batch" data-before=(before(filter, &page.begin)) {
                @for line in &page.lines {
                    (linked_line(line, names, zone, &address_of(line), target == Some(line.offset)))
                }
            }
        }
    }
}

/// The address of the lines before a cursor.
fn before(filter: &LogFilter, cursor: &Cursor) -> String {
    address("/logs", filter, &[("before", &cursor.to_string())]) + "#" + SEAM
}

/// A page about a line, among those of its service: a filter would leave out what it came of.
fn address_of(line: &LogLine) -> String {
    let filter = LogFilter { service: Some(line.service.clone()), text: String::new() };
    address("/logs", &filter, &[("line", &line.offset.to_string())]) + "#" + TARGET
}

/// Comes by itself when it is scrolled to, a few times; then it is a page of its own.
fn older(filter: &LogFilter, page: &LogPage, depth: u32) -> Markup {
    if page.lines.is_empty() || page.begin.is_at_start() {
        return Markup::default();
    }
    let plain = before(filter, &page.begin);
    let begin = page.begin.to_string();
    let fragment = address("/logs/older", filter, &[("before", &begin), ("depth", &depth.to_string())]);
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
fn newer(filter: &LogFilter, page: &LogPage, depth: u32) -> Markup {
    let end = page.end.to_string();
    let plain = address("/logs", filter, &[("from", &end)]);
    let fragment = address("/logs/newer", filter, &[("from", &end), ("depth", &depth.to_string())]);
    html! {
        @if depth < DEEPEST {
            a id="newer" href=(plain) hx-get=(fragment) hx-target="this" hx-swap="outerHTML" { "Newer lines" }
        } @else {
            a id="newer" href=(plain) { "Newer lines" }
        }
    }
}

/// Which services, which lines.
fn controls(services: &[ServiceName], filter: &LogFilter) -> Markup {
    let all = std::iter::once(None).chain(services.iter().map(Some));
    html! {
        div class="controls" {
            nav aria-label="Services" {
                ul {
                    @for service in all {
                        @let chosen = LogFilter { service: service.cloned(), text: filter.text.clone() };
                        li {
                            a href=(address("/logs", &chosen, &[]))
                                aria-current=[(chosen.service == filter.service).then_some("true")] {
                                @match service { Some(service) => { (service) } None => { "All" } }
                            }
                        }
                    }
                }
            }
            search {
                form method="get" action="/logs" {
                    @if let Some(service) = &filter.service { input type="hidden" name="service" value=(service); }
                    input type="search" name="filter" value=(filter.text) aria-label="Only lines with" placeholder="Only lines with…" maxlength="100";
                    button class="calm" { "Filter" }
                }
            }
        }
    }
}

/// What to do with what is shown.
fn footer(filter: &LogFilter, page: &LogPage, anchor: Anchor) -> Markup {
    html! {
        div class="controls" {
            @match anchor {
                Anchor::Newest => {
                    div class="verbs" {
                        button id="follow" class="calm" type="button" hidden aria-pressed="true" aria-controls="log" { "Following" }
                        button id="clear" class="calm" type="button" hidden aria-controls="log" { "Clear" }
                        noscript { a href=(address("/logs", filter, &[])) { "Look again" } }
                    }
                }
                Anchor::Before | Anchor::From | Anchor::Line(_) => a href=(address("/logs", filter, &[])) { "To the newest lines" }
            }
            a href=(address("/logs/download", filter, &[])) download { "Download" }
        }
        @if anchor == Anchor::Newest {
            (layout::listener("stream", &address("/logs/stream", filter, &[("from", &page.end.to_string())])))
        }
    }
}

fn nothing(filter: &LogFilter, anchor: Anchor) -> &'static str {
    match anchor {
        Anchor::From => "There are no newer lines yet",
        Anchor::Newest | Anchor::Before | Anchor::Line(_) if filter.text.is_empty() => {
            "Nothing has been printed yet"
        }
        Anchor::Newest | Anchor::Before | Anchor::Line(_) => "No line has these words",
    }
}

/// An address with a filter in it.
fn address(path: &str, filter: &LogFilter, more: &[(&str, &str)]) -> String {
    let own =
        [("service", filter.service.as_ref().map_or("", ServiceName::as_str)), ("filter", &filter.text)];
    let mut address = path.to_owned();
    let mut mark = '?';
    // A cursor is always written: an empty one means the beginning.
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
            let page = LogPage { lost, ..LogPage::default() };
            news(&LogFilter::default(), &page, &TimeZone::UTC).into_string()
        };
        assert!(told(3 << 20).contains("3.0 MiB were thrown away before they could be shown"));
        assert!(!told(0).contains("thrown away"));
    }
}
