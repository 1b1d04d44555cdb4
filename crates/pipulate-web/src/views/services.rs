//! The services: what each is, why it is so, and what can be done about it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_core::status::{LastExit, ProjectStatus, ServiceStatus};

use crate::problem::capitalized;
use crate::state::Notice;
use crate::views::layout;
use crate::world::Verb;

/// The page's view model.
pub(crate) struct ServicesPage {
    project: String,
    state: ServiceState,
    /// What could not be told.
    unknown: Vec<String>,
    /// What was last done from this page, and when.
    notice: Option<String>,
    services: Vec<Card>,
}

/// One service, in words.
struct Card {
    name: ServiceName,
    state: ServiceState,
    link: Option<Link>,
    uptime: Option<String>,
    restarts: u32,
    last_exit: Option<String>,
    reason: Option<String>,
    verbs: &'static [Verb],
}

enum Link {
    To { address: String, port: Option<u16> },
    Port(u16),
}

impl ServicesPage {
    pub(crate) fn new(status: &ProjectStatus, notice: Option<&Notice>, zone: &TimeZone) -> Self {
        Self {
            project: status.name.clone(),
            state: status.state(),
            unknown: status.unknown.clone(),
            notice: notice.map(|notice| format!("{}: {}", clock(notice.at, zone), capitalized(&notice.text))),
            services: status.services.iter().map(|service| Card::new(service, zone)).collect(),
        }
    }
}

impl Card {
    fn new(service: &ServiceStatus, zone: &TimeZone) -> Self {
        // Addresses come from records on disk; only what a browser opens as a page becomes a link.
        let address =
            service.url.clone().filter(|url| url.starts_with("http://") || url.starts_with("https://"));
        Self {
            name: service.name.clone(),
            state: service.state,
            link: match address {
                Some(address) => Some(Link::To { address, port: service.port }),
                None => service.port.map(Link::Port),
            },
            uptime: service.live.as_ref().map(|live| duration(live.uptime_seconds)),
            restarts: service.restarts,
            last_exit: service.last_exit.map(|exit| last_exit(exit, zone)),
            reason: service.reason.as_deref().map(capitalized),
            verbs: verbs(service.state),
        }
    }
}

/// The whole page.
pub(crate) fn services_page(page: &ServicesPage) -> Markup {
    let content = html! {
        h1 { (page.project) }
        p class="summary" { "This project is " (state(page.state)) }
        p id="notice" role="status" { @if let Some(notice) = &page.notice { (notice) } }
        @for unknown in &page.unknown { p role="alert" { (capitalized(unknown)) } }
        @if page.services.is_empty() {
            p { "There are no services yet. In a terminal, in the project's folder, run:" }
            pre { code { "pipulate start" } }
        } @else {
            ul class="cards" aria-label="Services" { @for service in &page.services { li { (card(service)) } } }
        }
    };
    layout::page(&format!("{} – Pipulate", page.project), Some("/"), &content)
}

fn card(card: &Card) -> Markup {
    html! {
        article id={ "service-" (card.name) } {
            h2 { (card.name) " " (state(card.state)) }
            @if let Some(reason) = &card.reason { p class="reason" { (reason) } }
            dl {
                @if let Some(link) = &card.link { (fact("Port", &port(link))) }
                @if let Some(uptime) = &card.uptime { (fact("Up for", &html! { (uptime) })) }
                (fact("Restarts", &html! { (card.restarts) }))
                @if let Some(exit) = &card.last_exit { (fact("Last exit", &html! { (exit) })) }
            }
            div class="verbs" { @for &verb in card.verbs { (button(&card.name, verb)) } }
        }
    }
}

fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn port(link: &Link) -> Markup {
    match link {
        Link::To { address, port } => {
            html! { a href=(address) { @if let Some(port) = port { (port) } @else { (address) } } }
        }
        Link::Port(port) => html! { (port) },
    }
}

/// A real form: it works without JavaScript.
fn button(service: &ServiceName, verb: Verb) -> Markup {
    html! {
        form method="post" action={ "/services/" (service) "/" (verb.word()) } {
            button aria-label={ (verb.label()) " " (service) } { (verb.label()) }
        }
    }
}

/// A state is a word and an icon, so that it is never told by color alone.
fn state(state: ServiceState) -> Markup {
    html! {
        span class="state" data-state=(state.word()) { span aria-hidden="true" { (icon(state)) } " " (state.word()) }
    }
}

fn icon(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Ready | ServiceState::Running => "●",
        ServiceState::Starting | ServiceState::Stopping => "◐",
        ServiceState::Backoff => "↻",
        ServiceState::Degraded | ServiceState::Unsupervised => "▲",
        ServiceState::Crashed => "✕",
        ServiceState::Exited => "✓",
        ServiceState::Stopped => "○",
        ServiceState::Unknown => "?",
    }
}

/// What makes sense in a state. The server takes any verb at any time.
fn verbs(state: ServiceState) -> &'static [Verb] {
    match state {
        ServiceState::Stopped | ServiceState::Exited | ServiceState::Crashed => &[Verb::Start],
        ServiceState::Starting | ServiceState::Stopping => &[Verb::Stop],
        ServiceState::Ready | ServiceState::Running | ServiceState::Degraded | ServiceState::Backoff => {
            &[Verb::Restart, Verb::Stop]
        }
        // To start it is to adopt it.
        ServiceState::Unsupervised | ServiceState::Unknown => &[Verb::Start, Verb::Stop],
    }
}

fn last_exit(exit: LastExit, zone: &TimeZone) -> String {
    let how = match (exit.signal, exit.code) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("code {code}"),
        (None, None) => "unknown".to_owned(),
    };
    format!("{how}, {}", exit.at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S"))
}

fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

/// The two largest units that are not zero from the front: `2 d 3 h`.
fn duration(seconds: f64) -> String {
    // Negative and absurd values saturate; a clock that was set back is no reason to fail.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturating is what is meant"
    )]
    let seconds = seconds as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
