//! The services: the state of each, its reason, and the possible actions.
//!
//! The page consists of parts, each in an element with an id: an open page gets the changed parts, by
//! [`RenderedServices::changes_since`].

mod card;
mod door;
mod life;
mod machine;
mod row;
mod timeline;
mod words;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use maud::{Markup, PreEscaped, html};
use pipulate_core::resources::Resources;
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_core::status::ServiceStatus;
use pipulate_core::text::capitalized;
use sha2::{Digest, Sha256};

use crate::assets;
use crate::notice::Notice;
use crate::observer::Snapshot;
use crate::views::controls::{From, button, notice};
use crate::views::layout::{self, Page};
use crate::views::notebooks::{self, Choice, Notebooks};
use crate::world::{Folder, Target, Verb};
use card::Card;
use timeline::Timeline;

pub(crate) use card::RenderContext;

/// The page's view model.
pub(crate) struct ServicesPage {
    project: String,
    state: ServiceState,
    machine: Resources,
    /// Errors of the status, and other messages.
    alerts: Vec<String>,
    /// In the order in which they are shown.
    doors: Vec<Card>,
    notebooks: Notebooks,
    rows: Vec<Card>,
    timeline: Timeline,
}

impl ServicesPage {
    pub(crate) fn new(snapshot: &Snapshot, context: &RenderContext, choice: Choice) -> Self {
        let status = &snapshot.status;
        let alerts = status
            .unknown
            .iter()
            .map(pipulate_words::doubt)
            .chain(snapshot.alerts.iter().map(pipulate_words::alert));
        let (mut doors, mut rows): (Vec<_>, Vec<_>) =
            status.services.iter().partition(|service| door::is_door(&service.name));
        // In a constant order.
        let timeline = Timeline::new(doors.iter().chain(&rows).copied(), snapshot, context.zone);
        doors.sort_by_key(|service| service.name.as_str() != ServiceName::JUPYTER);
        rows.sort_by_key(|service| !service.state.is_in_trouble());
        let cards = |services: Vec<&ServiceStatus>| {
            services.into_iter().map(|service| Card::new(service, snapshot, context)).collect()
        };
        Self {
            project: status.name.clone(),
            state: status.state(),
            machine: snapshot.resources,
            alerts: alerts
                .map(|alert| capitalized(&alert))
                .chain(machine::warnings(&snapshot.resources))
                .collect(),
            doors: cards(doors),
            notebooks: Notebooks::new(snapshot, choice, context.zone),
            rows: cards(rows),
            timeline,
        }
    }

    fn services(&self) -> impl Iterator<Item = &Card> {
        self.doors.iter().chain(&self.rows)
    }

    /// Returns true if no service needs attention.
    fn is_calm(&self) -> bool {
        self.state.is_well() || self.state == ServiceState::Stopped
    }
}

/// The whole page.
pub(crate) fn page(folder: &Folder, page: &ServicesPage, last: Option<&Notice>, zone: &TimeZone) -> Markup {
    let content = html! {
        link rel="stylesheet" href=(assets::HOME_STYLE.address());
        div class="headline" {
            h1 { (page.project) }
            (summary(page))
            @if page.services().next().is_some() {
                div class="verbs" { @for verb in Verb::ALL { (button(From::Home, &Target::All, verb, verb.label())) } }
            }
        }
        div id="answer" role="status" { (notice(last, zone)) }
        (alerts(page))
        (doors(page))
        (page.notebooks.section())
        section aria-labelledby="services-title" {
            div class="headline" {
                h2 id="services-title" { "Services" }
                (machine::figures(&page.machine))
            }
            (rows(page))
        }
        (page.timeline.show())
        (layout::listener("stream", "/events"))
    };
    Page {
        folder,
        title: &title(page),
        here: Some("/"),
        reloads: true,
        fills: false,
        listens: true,
        content: &content,
    }
    .show()
}

/// An interim page until the browser has followed the redirect.
pub(crate) fn opening(folder: &Folder, service: &str) -> Markup {
    layout::page(folder, "Opening", Some("/"), &html! { h1 { "Opening " (service) "…" } })
}

/// The title shows trouble: it is the visible part of a page among other tabs, and read out first.
fn title(page: &ServicesPage) -> String {
    let mark = if page.is_calm() { String::new() } else { format!("{} ", words::icon(page.state)) };
    format!("{mark}{} – Pipulate", page.project)
}

/// The worst state, and the services in it, announced to screen readers.
fn summary(page: &ServicesPage) -> Markup {
    let who: Vec<&Card> = match page.is_calm() {
        true => Vec::new(),
        false => page.services().filter(|card| card.state() == page.state).collect(),
    };
    html! {
        p id="summary" role="status" {
            (words::state(page.state))
            @for (at, card) in who.iter().enumerate() {
                (if at == 0 { ": " } else { ", " }) a href={ "#" (card.id()) } { (card.name()) }
            }
        }
    }
}

fn alerts(page: &ServicesPage) -> Markup {
    html! { div id="alerts" { @for alert in &page.alerts { p class="alert" { (alert) } } } }
}

fn doors(page: &ServicesPage) -> Markup {
    html! {
        div id="doors" {
            @if page.services().next().is_none() {
                p { "There are no services yet. In a terminal, in the project's folder, run:" }
                pre { code { "pipulate start" } }
            }
            @for door in &page.doors { (door::show(door)) }
        }
    }
}

fn rows(page: &ServicesPage) -> Markup {
    html! {
        ul id="services" class="rows" aria-labelledby="services-title" {
            @for row in &page.rows { li { (row::show(row)) } }
            @if page.rows.is_empty() { li class="none" { "No other services. Each table [services.NAME] in pipulate.toml is one." } }
        }
    }
}

/// The contents of an open page, part by part: the element's id and its markup.
pub(crate) struct RenderedServices {
    id: String,
    frame: Vec<Part>,
    groups: [Group; 3],
}

/// An element's selector and its markup.
type Part = (String, String);

/// Services or notebooks in one element.
struct Group {
    whole: Part,
    cards: Vec<Part>,
}

impl Group {
    fn new(id: &str, whole: Markup, cards: &[Card], show: fn(&Card) -> Markup) -> Self {
        let card = |card: &Card| (format!("#{}", card.id()), show(card).into_string());
        Self { whole: (format!("#{id}"), whole.into_string()), cards: cards.iter().map(card).collect() }
    }

    /// The changes from `before` to this state. While the services are the same, they keep their places:
    /// nothing moves away from under a pointer.
    fn changes_since<'a>(&'a self, before: Option<&Self>) -> Vec<&'a Part> {
        let names = |group: &Self| group.cards.iter().map(|(id, _)| id.clone()).collect::<BTreeSet<_>>();
        match before.filter(|before| names(before) == names(self)) {
            Some(before) => self.cards.iter().filter(|card| !before.cards.contains(card)).collect(),
            None => vec![&self.whole],
        }
    }
}

impl RenderedServices {
    pub(crate) fn new(snapshot: &Snapshot, context: &RenderContext) -> Self {
        let page = ServicesPage::new(snapshot, context, Choice::default());
        let frame = [
            ("#summary", summary(&page)),
            ("#alerts", alerts(&page)),
            ("#machine", machine::figures(&page.machine)),
            ("#timeline", page.timeline.show()),
            ("title", html! { (title(&page)) }),
        ];
        let frame: Vec<Part> = frame.map(|(id, markup)| (id.to_owned(), markup.into_string())).into();
        let notebook = |card: &notebooks::Card| (format!("#{}", card.id()), card.show().into_string());
        let notebooks = Group {
            // A page with a search keeps its list.
            whole: ("#notebooks:not([data-chosen])".to_owned(), page.notebooks.list().into_string()),
            cards: page.notebooks.cards().iter().map(notebook).collect(),
        };
        let groups = [
            Group::new("doors", doors(&page), &page.doors, door::show),
            notebooks,
            Group::new("services", rows(&page), &page.rows, row::show),
        ];
        let mut hash = Sha256::new();
        let wholes = groups.iter().map(|group| &group.whole);
        frame.iter().chain(wholes).for_each(|(_, part)| hash.update(part));
        let id = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { id, frame, groups }
    }

    /// An id of this state of the page.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The changes for a page that shows `before`; everything for a new page.
    pub(crate) fn changes_since(&self, before: Option<&Self>) -> String {
        let is_known = |part: &&Part| before.is_some_and(|before| before.frame.contains(part));
        let frame = self.frame.iter().filter(|part| !is_known(part));
        let groups = self.groups.iter().enumerate();
        let groups =
            groups.flat_map(|(at, group)| group.changes_since(before.map(|before| &before.groups[at])));
        html! {
            @for (target, markup) in frame.chain(groups) {
                @let swap = if target == "title" { "innerHTML" } else { "outerMorph" };
                // Markup from this file.
                hx-partial hx-target=(target) hx-swap=(swap) { (PreEscaped(markup)) }
            }
        }
        .into_string()
    }
}
