//! The services: what each is, why it is so, and what can be done about it.
//!
//! The page is made of parts, each in an element with an id: a page that is open gets those parts
//! anew that have changed, by [`RenderedServices::changes_since`].

mod card;
mod machine;
mod words;

use jiff::tz::TimeZone;
use maud::{Markup, PreEscaped, html};
use pipulate_core::resources::Resources;
use pipulate_core::state::ServiceState;
use pipulate_core::text::capitalized;
use sha2::{Digest, Sha256};

use crate::notice::Notice;
use crate::observer::Snapshot;
use crate::views::controls::{button, notice};
use crate::views::layout::{self, Page};
use crate::world::{Folder, Target, Verb};
use card::Card;

pub(crate) use card::RenderContext;

/// The page's view model.
pub(crate) struct ServicesPage {
    project: String,
    state: ServiceState,
    machine: Resources,
    /// What could not be told, and what else a person should know.
    alerts: Vec<String>,
    services: Vec<Card>,
}

impl ServicesPage {
    pub(crate) fn new(snapshot: &Snapshot, context: &RenderContext) -> Self {
        let status = &snapshot.status;
        let alerts = status.unknown.iter().chain(&snapshot.alerts);
        Self {
            project: status.name.clone(),
            state: status.state(),
            machine: snapshot.resources,
            alerts: alerts
                .map(|alert| capitalized(alert))
                .chain(machine::warnings(&snapshot.resources))
                .collect(),
            services: status.services.iter().map(|service| Card::new(service, snapshot, context)).collect(),
        }
    }

    /// Whether there is nothing to look at more closely.
    fn is_calm(&self) -> bool {
        self.state.is_well() || self.state == ServiceState::Stopped
    }
}

/// The whole page.
pub(crate) fn page(folder: &Folder, page: &ServicesPage, last: Option<&Notice>, zone: &TimeZone) -> Markup {
    let content = html! {
        div class="headline" {
            h1 { (page.project) }
            (summary(page))
            @if !page.services.is_empty() {
                div class="verbs" { @for verb in Verb::ALL { (button(&Target::All, verb, verb.label())) } }
            }
        }
        div id="answer" role="status" { (notice(last, zone)) }
        (alerts(page))
        (machine::figures(&page.machine))
        (services(page))
        (layout::listener("stream", "/events"))
    };
    Page { folder, title: &title(page), here: Some("/"), reloads: true, content: &content }.show()
}

/// A page for the moment until the browser has gone on.
pub(crate) fn opening(folder: &Folder, service: &str) -> Markup {
    layout::page(folder, "Opening", Some("/"), &html! { h1 { "Opening " (service) "…" } })
}

/// The title tells of trouble: it is what is seen of a page among others, and heard first.
fn title(page: &ServicesPage) -> String {
    let mark = if page.is_calm() { String::new() } else { format!("{} ", words::icon(page.state)) };
    format!("{mark}{} – Pipulate", page.project)
}

/// The worst that is true, of whom it is true, and how it is told to those who don't see it change.
fn summary(page: &ServicesPage) -> Markup {
    let who: Vec<&str> = match page.is_calm() {
        true => Vec::new(),
        false => page.services.iter().filter(|card| card.state() == page.state).map(Card::name).collect(),
    };
    html! {
        p id="summary" role="status" {
            (words::state(page.state)) @if !who.is_empty() { ": " (who.join(", ")) }
        }
    }
}

fn alerts(page: &ServicesPage) -> Markup {
    html! { div id="alerts" { @for alert in &page.alerts { p class="alert" { (alert) } } } }
}

fn services(page: &ServicesPage) -> Markup {
    html! {
        @if page.services.is_empty() {
            div id="services" {
                p { "There are no services yet. In a terminal, in the project's folder, run:" }
                pre { code { "pipulate start" } }
            }
        } @else {
            ul id="services" class="cards" aria-label="Services" {
                @for service in &page.services { li { (service.show()) } }
            }
        }
    }
}

/// What an open page shows, part by part: the element's id and its markup.
pub(crate) struct RenderedServices {
    id: String,
    frame: Vec<(String, String)>,
    cards: Vec<(String, String)>,
    list: String,
}

impl RenderedServices {
    pub(crate) fn new(snapshot: &Snapshot, context: &RenderContext) -> Self {
        let page = ServicesPage::new(snapshot, context);
        let frame = [
            ("summary", summary(&page)),
            ("alerts", alerts(&page)),
            ("machine", machine::figures(&page.machine)),
        ];
        let frame: Vec<_> =
            frame.map(|(id, markup)| (format!("#{id}"), markup.into_string())).into_iter().collect();
        let card = |card: &Card| (format!("#{}", card.id()), card.show().into_string());
        let cards: Vec<_> = page.services.iter().map(card).collect();
        let list = services(&page).into_string();
        let mut hash = Sha256::new();
        [title(&page)].iter().chain(frame.iter().map(|(_, part)| part)).for_each(|part| hash.update(part));
        hash.update(&list);
        let id = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let title = html! { (title(&page)) }.into_string();
        let frame = frame.into_iter().chain([("title".to_owned(), title)]).collect();
        Self { id, frame, cards, list }
    }

    /// Names this state of the page.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What turns a page that shows `before` into one that shows this; all of it for a new page.
    pub(crate) fn changes_since(&self, before: Option<&Self>) -> String {
        let names = |services: &Self| services.cards.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
        let same_list = before.is_some_and(|before| names(before) == names(self));
        let list = [("#services".to_owned(), self.list.clone())];
        let cards = if same_list { self.cards.as_slice() } else { &list };
        let known = |part: &(String, String)| {
            before.is_some_and(|before| before.frame.contains(part) || before.cards.contains(part))
        };
        let changed = self.frame.iter().chain(cards).filter(|part| !known(part));
        html! {
            @for (target, markup) in changed {
                @let swap = if target == "title" { "innerHTML" } else { "outerMorph" };
                // Markup that was made by this file a moment ago.
                hx-partial hx-target=(target) hx-swap=(swap) { (PreEscaped(markup)) }
            }
        }
        .into_string()
    }
}
