//! Logs: the newest lines, what comes after them, and what came before.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pipulate_core::service::ServiceName;
use pipulate_core::units;

use crate::reading::{Choice, Passage, Positions};
use crate::views::layout;
use crate::views::log_line::{Names, log_line};

/// How often older lines are put above a page before there is a new page instead.
const DEEPEST: u32 = 8;

/// The page's view model.
pub(crate) struct LogsPage {
    pub(crate) services: Vec<ServiceName>,
    pub(crate) choice: Choice,
    pub(crate) passage: Passage,
    pub(crate) moment: Moment,
    pub(crate) zone: TimeZone,
}

/// Where in time a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It goes on.
    Now,
    /// It stays as it is.
    Past,
}

/// Lines that come above others.
pub(crate) struct History<'a> {
    pub(crate) choice: &'a Choice,
    pub(crate) passage: &'a Passage,
    pub(crate) depth: u32,
    pub(crate) zone: &'a TimeZone,
}

/// The whole page.
pub(crate) fn page(page: &LogsPage) -> Markup {
    let LogsPage { services, choice, passage, moment, zone } = page;
    let history = History { choice, passage, depth: 0, zone };
    let content = html! {
        h1 { "Logs" }
        (controls(services, choice))
        @if services.is_empty() {
            p { "No service has printed anything yet. In a terminal, in the project's folder, run:" }
            pre { code { "pipulate start" } }
        } @else {
            div id="log" class="lines" role="log" aria-live="off" tabindex="0" aria-label="Log lines" {
                (self::history(&history))
                @if passage.lines.is_empty() { p class="empty" { (nothing(choice)) } }
                // Without a script nothing else brings the newest line into view.
                @if *moment == Moment::Now { noscript { span tabindex="-1" autofocus {} } }
            }
            (footer(choice, passage, *moment))
        }
    };
    let title = choice.service.as_ref().map_or("Logs".to_owned(), |service| format!("{service} – Logs"));
    layout::page(&title, Some("/logs"), &content)
}

/// Lines, and the way to those before them.
pub(crate) fn history(history: &History) -> Markup {
    let History { choice, passage, depth, zone } = history;
    html! {
        @if !passage.lines.is_empty() && !passage.begin.is_the_beginning() {
            (older(choice, &passage.begin, *depth))
        }
        (batch(choice, passage, zone))
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
                    a href=(address("/logs", choice, &[("before", &passage.begin.to_string())])) { "see them" }
                }
            }
            (batch(choice, passage, zone))
        }
    }
}

fn batch(choice: &Choice, passage: &Passage, zone: &TimeZone) -> Markup {
    let names = if choice.service.is_some() { Names::Hidden } else { Names::Shown };
    let before = address("/logs", choice, &[("before", &passage.begin.to_string())]);
    html! {
        @if !passage.lines.is_empty() {
            div class="batch" data-before=(before) {
                @for line in &passage.lines { (log_line(line, names, zone)) }
            }
        }
    }
}

/// Comes by itself when it is scrolled to, a few times; then it is a page of its own.
fn older(choice: &Choice, begin: &Positions, depth: u32) -> Markup {
    let begin = begin.to_string();
    let plain = address("/logs", choice, &[("before", &begin)]);
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
                Moment::Past => a href=(address("/logs", choice, &[])) { "To the newest lines" }
            }
            a href=(address("/logs/download", choice, &[])) download { "Download" }
        }
        @if moment == Moment::Now {
            (layout::listener("stream", &address("/logs/stream", choice, &[("from", &passage.end.to_string())])))
        }
    }
}

fn nothing(choice: &Choice) -> &'static str {
    if choice.filter.is_empty() { "Nothing has been printed yet" } else { "No line has these words" }
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
