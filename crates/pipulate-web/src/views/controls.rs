//! Buttons for services, and what was last done with one.

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

/// A real form: it works without JavaScript. With it, the page stays, and so does the focus: a button
/// that is switched off while its request is under way would lose it.
pub(super) fn button(target: &Target, verb: Verb, label: &str) -> Markup {
    button_on(None, target, verb, label)
}

/// As [`button`], on a page of that name, which a browser without scripts comes back to.
pub(super) fn button_on(page: Option<&str>, target: &Target, verb: Verb, label: &str) -> Markup {
    // It is the id, too: no button becomes another one under somebody's finger.
    let action = action(target, verb);
    let is_for_all = *target == Target::All;
    // Loud is only what a service that does not run is waiting for.
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

/// What was last done from this page.
pub(crate) fn notice(notice: Option<&Notice>, zone: &TimeZone) -> Markup {
    html! {
        @if let Some(notice) = notice {
            p { (clock(notice.at, zone)) ": " (capitalized(&notice.text)) }
        }
    }
}
