//! Buttons for services, and the last action.

use jiff::tz::TimeZone;
use maud::{Markup, html};
use pipulate_core::text::capitalized;

use crate::addresses;
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

/// The page that a button is on. A browser without scripts returns to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Home,
    /// The service's log.
    Logs,
    Secrets,
}

impl From {
    /// Parses the value of [`Self::field`].
    pub(crate) fn of(word: Option<&str>) -> Self {
        match word {
            Some("logs") => Self::Logs,
            Some("secrets") => Self::Secrets,
            Some(_) | None => Self::Home,
        }
    }

    /// The hidden field of a form.
    pub(super) fn field(self) -> Markup {
        let word = match self {
            Self::Home => return html! {},
            Self::Logs => "logs",
            Self::Secrets => "secrets",
        };
        html! { input type="hidden" name="from" value=(word); }
    }

    /// The address of the page.
    pub(crate) fn address(self, target: &Target) -> String {
        match (self, target) {
            (Self::Logs, Target::One(service)) => format!("/logs?service={service}"),
            (Self::Secrets, _) => addresses::SECRETS.to_owned(),
            (Self::Home | Self::Logs, _) => "/".to_owned(),
        }
    }

    /// The page's address, with the result of the last action.
    pub(crate) fn telling(self, target: &Target) -> String {
        let address = self.address(target);
        let joint = if address.contains('?') { '&' } else { '?' };
        if address == "/" { address } else { format!("{address}{joint}told") }
    }
}

/// A real form: it works without JavaScript. With it, the page and the focus stay: a button that is disabled
/// during its request would lose the focus.
pub(super) fn button(from: From, target: &Target, verb: Verb, label: &str) -> Markup {
    // It is also the id, so that a button never turns into another one under the pointer.
    let action = action(target, verb);
    let is_for_all = *target == Target::All;
    // Only the start button of a stopped service is prominent.
    let is_calm = is_for_all || verb != Verb::Start;
    html! {
        form id=(action) method="post" action=(action) hx-post=(action) hx-target="#answer" hx-swap="innerHTML" hx-sync="this:drop" {
            (from.field())
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
