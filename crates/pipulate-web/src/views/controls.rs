//! Buttons for services, and the last action.

use jiff::tz::TimeZone;
use maud::{Markup, html};
use pipulate_core::text::capitalized;

use crate::notice::Notice;
use crate::views::clock::clock;
use crate::world::{Target, Verb};

/// The address that an action is sent to.
pub(crate) fn action(target: &Target, verb: Verb) -> String {
    match target {
        Target::All => format!("/services/{}", verb.word()),
        Target::One(service) => format!("/services/{service}/{}", verb.word()),
    }
}

/// A real form: it works without JavaScript. With it, the page and the focus stay: a button that is disabled
/// during its request would lose the focus.
pub(super) fn button(target: &Target, verb: Verb, label: &str) -> Markup {
    button_on(None, target, verb, label)
}

/// As [`button`], on a page with that name, which a browser without scripts returns to.
pub(super) fn button_on(page: Option<&str>, target: &Target, verb: Verb, label: &str) -> Markup {
    // It is also the id, so that a button never turns into another one under the pointer.
    let action = action(target, verb);
    let is_for_all = *target == Target::All;
    // Only the start button of a stopped service is prominent.
    let is_calm = is_for_all || verb != Verb::Start;
    html! {
        form id=(action) method="post" action=(action) hx-post=(action) hx-target="#answer" hx-swap="innerHTML" hx-sync="this:drop" {
            @if let Some(page) = page { input type="hidden" name="from" value=(page); }
            button class=[is_calm.then_some("calm")] aria-label={ (label) " " (target) } {
                (label) @if is_for_all { " all" }
            }
        }
    }
}

/// The last action from this page.
pub(crate) fn notice(notice: Option<&Notice>, zone: &TimeZone) -> Markup {
    html! {
        @if let Some(notice) = notice {
            p { (clock(notice.at, zone)) ": " (capitalized(&notice.text)) }
        }
    }
}
