//! Logs: the newest lines, later ones, and earlier ones.

mod batch;
mod controls;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use pipulate_core::service::ServiceName;
use pipulate_core::units;

use crate::assets;
use crate::log_page::{Cursor, LogFilter, LogPage};
use crate::notice::Notice;
use crate::views::clock::clock;
use crate::views::layout::{self, Page};
use crate::views::log_line::TARGET;
use crate::world::Folder;
use batch::batch;
use controls::{address, controls};

/// The number of times that older lines are added to a page before a link leads to a new one.
const DEEPEST: u32 = 8;

/// The page's view model.
pub(crate) struct LogsView {
    pub(crate) services: Vec<ServiceName>,
    /// The user's input.
    pub(crate) asked: Asked,
    pub(crate) shown: Result<ShownLines, Wrong>,
    /// True if the page's service can be restarted.
    pub(crate) can_restart: bool,
    /// The last action from this page by a browser without scripts.
    pub(crate) notice: Option<Notice>,
    pub(crate) zone: TimeZone,
}

/// Lines in the middle of a page.
pub(crate) struct ShownLines {
    pub(crate) filter: LogFilter,
    pub(crate) page: LogPage,
    /// The lines before it on a page about one line or time, which is the first line of `page`.
    pub(crate) context: Option<LogPage>,
    pub(crate) anchor: Anchor,
}

/// The user's input, valid or not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) service: Option<ServiceName>,
    pub(crate) only: String,
    pub(crate) without: String,
    pub(crate) is_regex: bool,
    /// A time.
    pub(crate) at: String,
}

/// An invalid input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) field: Field,
    /// The reason, and a valid form.
    pub(crate) why: String,
}

/// An input field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Only,
    Without,
    At,
}

/// The page's position in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// It follows the output.
    Newest,
    /// It is static, and ends where another page began.
    Before,
    /// It is static, and begins where another page ended.
    From,
    /// It is about one line, at this position.
    Line(u64),
    /// It begins at a time, as typed.
    At(String),
}

/// Lines to add above or below others.
pub(crate) struct MoreLines<'a> {
    pub(crate) filter: &'a LogFilter,
    pub(crate) page: &'a LogPage,
    /// The number of times that lines were added to the page.
    pub(crate) depth: u32,
    pub(crate) zone: &'a TimeZone,
}

/// The anchor where a page continues the previous one, to keep the view in place.
const SEAM: &str = "here";

/// The whole page.
pub(crate) fn page(folder: &Folder, view: &LogsView) -> Markup {
    let content = html! {
        link rel="stylesheet" href=(assets::LOGS_STYLE.address());
        h1 { "Logs" }
        (controls(view))
        @if view.services.is_empty() {
            p { "No service has printed anything yet. In a terminal, in the project's folder, run:" }
            pre { code { "pipulate start" } }
        } @else if let Ok(shown) = &view.shown {
            (lines(shown, &view.zone))
            (footer(shown))
        }
        script src=(assets::LOGS_SCRIPT.address()) defer {}
    };
    let service = view.asked.service.as_ref();
    let title = service.map_or("Logs".to_owned(), |service| format!("{service} – Logs"));
    let title = format!("{title} – {}", folder.name);
    let shown = view.shown.as_ref().ok().filter(|_| !view.services.is_empty());
    let listens = shown.is_some_and(|shown| shown.anchor == Anchor::Newest);
    Page {
        folder,
        title: &title,
        here: Some("/logs"),
        reloads: false,
        fills: shown.is_some(),
        listens,
        content: &content,
    }
    .show()
}

fn lines(shown: &ShownLines, zone: &TimeZone) -> Markup {
    let ShownLines { filter, page, context, anchor } = shown;
    let first = context.as_ref().unwrap_or(page);
    let has_lines = !page.lines.is_empty() || !first.lines.is_empty();
    let target = match anchor {
        Anchor::Line(offset) => Some(*offset),
        Anchor::Newest | Anchor::Before | Anchor::From | Anchor::At(_) => None,
    };
    html! {
        div id="log" class="lines" role="log" aria-live="off" tabindex="0" aria-label="Log lines" {
            (older(filter, first, 0))
            @if let Some(context) = context { (batch(filter, context, zone, None)) }
            @if target.is_some_and(|offset| page.lines.front().is_none_or(|line| line.offset != offset)) {
                p id=(TARGET) { "That line is no longer kept" }
            }
            @if let Anchor::At(moment) = anchor { p id=(SEAM) class="mark" { "From here on: " (in_words(moment, zone)) } }
            (batch(filter, page, zone, target))
            @if !has_lines { p class="empty" { (nothing(filter, anchor)) } }
            @match anchor {
                Anchor::Newest => {}
                Anchor::Before => { (newer(filter, page, 0)) span id=(SEAM) {} }
                Anchor::From | Anchor::Line(_) | Anchor::At(_) if page.has_more => (newer(filter, page, 0)),
                Anchor::From | Anchor::Line(_) | Anchor::At(_) => {}
            }
            // Without scripts, this brings the newest line into view.
            @if *anchor == Anchor::Newest { noscript { span tabindex="-1" autofocus {} } }
        }
    }
}

/// Older lines, and the link to those before them.
pub(crate) fn older_lines(more: &MoreLines) -> Markup {
    let MoreLines { filter, page, depth, zone } = more;
    html! {
        (older(filter, page, *depth))
        (batch(filter, page, zone, None))
    }
}

/// Newer lines, and the link to those after them.
pub(crate) fn newer_lines(more: &MoreLines) -> Markup {
    let MoreLines { filter, page, depth, zone } = more;
    html! {
        (batch(filter, page, zone, None))
        @if page.has_more { (newer(filter, page, *depth)) }
    }
}

/// New output for an open page.
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

/// The address of all services' output from a time on.
pub(crate) fn from_moment(moment: Timestamp) -> String {
    let second = Timestamp::from_second(moment.as_second()).unwrap_or(moment);
    address("/logs", &LogFilter::default(), &[("at", &second.to_string())]) + "#" + SEAM
}

/// The address of the lines before a cursor.
fn before(filter: &LogFilter, cursor: &Cursor) -> String {
    address("/logs", filter, &[("before", &cursor.to_string())]) + "#" + SEAM
}

/// Loads by scrolling, a few times; then it is a link to another page.
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

/// As [`older`], but only on request: the user is reading above it.
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

/// The actions on the shown lines.
fn footer(shown: &ShownLines) -> Markup {
    let ShownLines { filter, page, anchor, .. } = shown;
    html! {
        div class="controls" {
            @if *anchor == Anchor::Newest {
                div class="verbs" {
                    button id="follow" class="calm" type="button" hidden aria-pressed="true" aria-controls="log" { "Following" }
                    button id="clear" class="calm" type="button" hidden aria-controls="log" { "Clear" }
                    noscript { a href=(address("/logs", filter, &[])) { "Look again" } }
                    @if !filter.takes_all() { (count(page)) }
                }
            } @else {
                a href=(address("/logs", filter, &[])) { "To the newest lines" }
            }
            div class="verbs" {
                label { input id="wrap" type="checkbox" checked autocomplete="off"; "Wrap lines" }
                a href=(address("/logs/download", filter, &[])) download { "Download" }
            }
        }
        @if *anchor == Anchor::Newest {
            (layout::listener("stream", &address("/logs/stream", filter, &[("from", &page.end.to_string())])))
        }
    }
}

/// The number of matching lines, which a script keeps updating.
fn count(page: &LogPage) -> Markup {
    let count = page.skipped + page.lines.len() as u64;
    html! {
        p id="found" role="status" {
            data value=(count) { (count) }
            @if count == 1 { " line matches" } @else { " lines match" }
            @if page.skipped > 0 { ", the newest " (page.lines.len()) " are shown" }
        }
    }
}

/// A time as typed, or from a link in words.
fn in_words(moment: &str, zone: &TimeZone) -> String {
    let time = moment.parse::<Timestamp>();
    time.map_or_else(|_| moment.to_owned(), |time| clock(time, zone))
}

fn nothing(filter: &LogFilter, anchor: &Anchor) -> &'static str {
    match anchor {
        Anchor::From => "There are no newer lines yet",
        Anchor::At(_) => "There are no lines after that time yet",
        Anchor::Newest | Anchor::Before | Anchor::Line(_) if filter.takes_all() => {
            "Nothing has been printed yet"
        }
        Anchor::Newest | Anchor::Before | Anchor::Line(_) => "No line matches",
    }
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
