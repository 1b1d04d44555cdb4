//! The choice of services and lines, and its addresses.

use std::fmt::Write as _;

use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pipulate_core::service::ServiceName;

use super::{Field, LogsView, SEAM, Wrong};
use crate::log_page::{LevelGroup, Levels, LogFilter, PatternKind};
use crate::views::controls::{From, button, notice};
use crate::world::{Target, Verb};

/// The controls above the lines.
pub(super) fn controls(view: &LogsView) -> Markup {
    let filter = view.shown.as_ref().map(|shown| shown.filter.clone()).unwrap_or_default();
    let all = std::iter::once(None).chain(view.services.iter().map(Some));
    html! {
        div class="controls" {
            nav aria-label="Services" {
                ul {
                    @for service in all {
                        @let chosen = LogFilter { service: service.cloned(), ..filter.clone() };
                        li {
                            a href=(address("/logs", &chosen, &[]))
                                aria-current=[(chosen.service == view.asked.service).then_some("true")] {
                                @match service { Some(service) => { (service) } None => { "All" } }
                            }
                        }
                    }
                }
            }
            @if let Some(service) = &view.asked.service {
                div class="verbs" {
                    a href={ (address("/logs", &LogFilter::of(service), &[("at", "last-start")])) "#" (SEAM) } { "Start of this run" }
                    @if view.can_restart { (button(From::Logs, &Target::One(service.clone()), Verb::Restart, "Restart")) }
                }
            }
        }
        div id="answer" role="status" { (notice(view.notice.as_ref(), &view.zone)) }
        (choice(view, filter.levels))
    }
}

/// The form that chooses lines.
fn choice(view: &LogsView, levels: Levels) -> Markup {
    let asked = &view.asked;
    let wrong = view.shown.as_ref().err();
    let is_wrong = |field| wrong.is_some_and(|wrong| wrong.field == field).then_some("true");
    let has_more = !asked.without.is_empty() || !asked.at.is_empty() || asked.is_regex || !levels.is_all();
    html! {
        search {
            // Only a page from a time on has this anchor.
            form id="choice" method="get" action={ "/logs#" (SEAM) } {
                @if let Some(service) = &asked.service { input type="hidden" name="service" value=(service); }
                input type="search" name="filter" value=(asked.only) aria-label="Only lines with" placeholder="Only lines with…"
                    maxlength="100" aria-invalid=[is_wrong(Field::Only)] aria-describedby=[is_wrong(Field::Only).map(|_| "wrong")];
                button class="calm" { "Filter" }
                details open[has_more] {
                    summary { "More" }
                    div class="more" {
                        label { input type="checkbox" name="regex" checked[asked.is_regex]; "Regular expressions" }
                        label { "Without" input type="search" name="without" value=(asked.without) maxlength="100"
                            aria-invalid=[is_wrong(Field::Without)] aria-describedby=[is_wrong(Field::Without).map(|_| "wrong")]; }
                        fieldset {
                            legend { "Levels" }
                            @for group in LevelGroup::ALL {
                                label { input type="checkbox" name="level" value=(group.word()) checked[levels.contains(group)]; (group.label()) }
                            }
                        }
                        label { "From" input type="search" name="at" value=(asked.at) maxlength="40" placeholder="14:02, 10m, yesterday"
                            aria-invalid=[is_wrong(Field::At)] aria-describedby=[is_wrong(Field::At).map(|_| "wrong")]; }
                    }
                }
            }
            @if let Some(Wrong { why, .. }) = wrong { p id="wrong" class="alert" role="alert" { (why) } }
        }
    }
}

/// An address with a filter.
pub(super) fn address(path: &str, filter: &LogFilter, more: &[(&str, &str)]) -> String {
    let LogFilter { service, only, without, levels } = filter;
    let mut own = vec![("service", service.as_ref().map_or("", ServiceName::as_str))];
    own.push(("filter", only.as_ref().map_or("", |pattern| pattern.text())));
    own.push(("without", without.as_ref().map_or("", |pattern| pattern.text())));
    let is_regex = [only, without].into_iter().flatten().any(|pattern| pattern.kind() == PatternKind::Regex);
    own.push(("regex", if is_regex { "on" } else { "" }));
    let chosen = LevelGroup::ALL.iter().filter(|group| !levels.is_all() && levels.contains(**group));
    own.extend(chosen.map(|group| ("level", group.word())));
    let mut address = path.to_owned();
    let mut mark = '?';
    // A cursor is always written: an empty one means the beginning.
    for (name, value) in own.iter().filter(|(_, value)| !value.is_empty()).chain(more) {
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        // Writing to a string can't fail.
        let _written = write!(address, "{mark}{name}={value}");
        mark = '&';
    }
    address
}
