//! One service.

use jiff::tz::TimeZone;
use maud::{Markup, html};
use pipulate_core::identity::Pid;
use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_core::status::ServiceStatus;
use pipulate_core::text::capitalized;

use super::life::Life;
use super::words;
use crate::log_page::LogLine;
use crate::observer::Snapshot;
use crate::views::controls::{From, button};
use crate::views::log_line::{Names, log_line};
use crate::views::why;
use crate::world::{Target, Verb};

/// One service, in words.
pub(super) struct Card {
    name: ServiceName,
    state: ServiceState,
    address: Address,
    supervisor: Option<Pid>,
    life: Option<Life>,
    restarts: u32,
    last_exit: Option<String>,
    /// Other messages.
    remarks: Vec<Remark>,
    reason: Option<String>,
    health: Option<&'static str>,
    last_lines: Vec<Markup>,
    last_line: Option<String>,
    verbs: &'static [Verb],
}

/// A message about a service.
struct Remark {
    text: String,
    /// It is no problem, and needs no action.
    is_quiet: bool,
}

/// The page's inputs beside the services.
pub(crate) struct RenderContext<'a> {
    pub(crate) zone: &'a TimeZone,
    /// The port that this app answers on.
    pub(crate) port: u16,
}

/// The address of the service.
pub(super) enum Address {
    /// It serves this page.
    Here(u16),
    /// It has a page of its own: "Open" leads there, signed in.
    Page {
        address: String,
        port: Option<u16>,
    },
    Port(u16),
    None,
}

impl Card {
    pub(super) fn new(service: &ServiceStatus, snapshot: &Snapshot, context: &RenderContext) -> Self {
        let zone = context.zone;
        // Addresses come from records on disk; only http and https links are shown.
        let address =
            service.url.clone().filter(|url| url.starts_with("http://") || url.starts_with("https://"));
        let lines = snapshot.last_lines.get(&service.name).map(Vec::as_slice).unwrap_or_default();
        let telling = if service.state.is_in_trouble() { lines } else { &[] };
        let lost = pipulate_words::lost_lines(service)
            .map(|text| Remark { text: capitalized(&text), is_quiet: false });
        Self {
            name: service.name.clone(),
            state: service.state,
            address: match (address, service.port) {
                (Some(_), Some(port)) if port == context.port => Address::Here(port),
                (Some(address), port) => Address::Page { address, port },
                (None, Some(port)) => Address::Port(port),
                (None, None) => Address::None,
            },
            supervisor: service.supervisor_pid,
            life: service.live.as_ref().map(|live| Life::new(&service.name, live, snapshot)),
            restarts: service.restarts,
            last_exit: service.last_exit.map(|exit| words::last_exit(exit, zone)),
            remarks: lost
                .into_iter()
                .chain(service.notes.iter().map(|note| Remark::of(note, service)))
                .collect(),
            reason: words::reason(service),
            health: words::health(service),
            last_lines: telling.iter().map(|line: &LogLine| log_line(line, Names::Hidden, zone)).collect(),
            last_line: lines.iter().rev().map(LogLine::text).find(|text| !text.trim().is_empty()),
            verbs: verbs(service.state),
        }
    }

    pub(super) fn name(&self) -> &str {
        self.name.as_str()
    }

    pub(super) fn state(&self) -> ServiceState {
        self.state
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn life(&self) -> Option<&Life> {
        self.life.as_ref()
    }

    /// Its last line.
    pub(super) fn last_line(&self) -> Option<&str> {
        self.last_line.as_deref()
    }

    /// The id of its element.
    pub(super) fn id(&self) -> String {
        format!("service-{}", self.name)
    }

    /// The number of restarts of a service that keeps crashing.
    pub(super) fn restarting(&self) -> Option<String> {
        match self.state {
            ServiceState::Unstable | ServiceState::Backoff => {
                Some(format!("restarting · {}×", self.restarts))
            }
            ServiceState::Stopped
            | ServiceState::Starting
            | ServiceState::Ready
            | ServiceState::Running
            | ServiceState::Degraded
            | ServiceState::Crashed
            | ServiceState::Exited
            | ServiceState::Stopping
            | ServiceState::Unsupervised
            | ServiceState::Unknown => None,
        }
    }

    /// The reason of its state, unless its details are open and show that.
    pub(super) fn explanation(&self) -> Option<&str> {
        self.reason.as_deref().filter(|_| !self.is_open())
    }

    /// Returns true if its details are open initially.
    fn is_open(&self) -> bool {
        self.state.is_in_trouble() || self.state == ServiceState::Unsupervised
    }

    /// The actions that make sense now.
    pub(super) fn verbs(&self) -> Markup {
        html! {
            @if self.state.is_in_trouble() { (why::button(&self.name)) }
            @if matches!(self.address, Address::Page { .. }) { (self.open()) }
            @for &verb in self.verbs { (button(From::Home, &Target::One(self.name.clone()), verb, label(self.state, verb))) }
            a href={ "/logs?service=" (self.name) } aria-label={ "Log of " (self.name) } { "Log" }
        }
    }

    /// The details, initially open for a service in trouble.
    pub(super) fn more(&self) -> Markup {
        html! {
            details class="more" open[self.is_open()] {
                summary aria-label={ "Details of " (self.name) } { "Details" }
                @if let Some(reason) = &self.reason { p class="reason" { (reason) } }
                (self.words())
                (why::place(&self.name))
                @if self.life.is_some() || self.restarting().is_some() {
                    div class="figures" { @if let Some(life) = &self.life { (life.figures()) } }
                }
                (self.facts())
            }
            @for remark in &self.remarks { p class={ @if remark.is_quiet { "remark" } @else { "reason" } } { (remark.text) } }
        }
    }

    /// Its last lines, if they may explain something.
    fn words(&self) -> Markup {
        html! {
            @if self.state.is_in_trouble() {
                div class="lines" role="region" tabindex="0" aria-label={ "Last lines of " (self.name) } {
                    div { @for line in &self.last_lines { (line) } }
                }
            }
        }
    }

    /// Each fact has its place even when it is empty: otherwise, a service that keeps crashing would move the
    /// page each time.
    fn facts(&self) -> Markup {
        let life = self.life.as_ref();
        let none = || html! { "–" };
        html! {
            dl {
                (self.address.fact())
                (fact("Process", &life.map_or_else(none, |life| html! { (life.pid) })))
                (fact("Supervisor", &match self.supervisor {
                    Some(pid) => html! { (pid) },
                    None if life.is_some() => html! { span class="missing" { "gone" } },
                    None => none(),
                }))
                (fact("Restarts", &html! { (self.restarts) }))
                @if let Some(health) = self.health { (fact("Health", &html! { (health) })) }
                (fact("Last exit", &self.last_exit.as_ref().map_or_else(none, |exit| html! { (exit) })))
            }
        }
    }

    /// Its page in a tab of its own, signed in. The key is never in our page.
    fn open(&self) -> Markup {
        html! {
            form method="post" action={ "/services/" (self.name) "/open" } target="_blank" {
                button aria-label={ "Open " (self.name) " in a new tab" } { "Open" }
            }
        }
    }
}

impl Remark {
    fn of(note: &Reason, service: &ServiceStatus) -> Self {
        let is_quiet = matches!(note, Reason::PortMoved { .. });
        Self { text: capitalized(&pipulate_words::note(note, &service.name)), is_quiet }
    }
}

impl Address {
    fn fact(&self) -> Markup {
        match self {
            Self::Here(port) => fact("Port", &html! { (port) ", this page" }),
            Self::Page { port: Some(port), .. } | Self::Port(port) => fact("Port", &html! { (port) }),
            Self::Page { address, port: None } => fact("Address", &html! { (address) }),
            Self::None => html! {},
        }
    }
}

fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// "Start" on a running service would suggest that its state was lost.
fn label(state: ServiceState, verb: Verb) -> &'static str {
    if (state, verb) == (ServiceState::Unsupervised, Verb::Start) { "Take over" } else { verb.label() }
}

/// The sensible actions in a state. The server accepts any verb at any time.
fn verbs(state: ServiceState) -> &'static [Verb] {
    match state {
        ServiceState::Stopped | ServiceState::Exited | ServiceState::Crashed => &[Verb::Start],
        ServiceState::Stopping => &[Verb::Stop],
        ServiceState::Starting
        | ServiceState::Ready
        | ServiceState::Running
        | ServiceState::Degraded
        | ServiceState::Unstable
        | ServiceState::Backoff => &[Verb::Restart, Verb::Stop],
        // Starting it takes it over.
        ServiceState::Unsupervised | ServiceState::Unknown => &[Verb::Start, Verb::Stop],
    }
}
