//! One service.

use jiff::tz::TimeZone;
use maud::{Markup, html};
use pipulate_core::identity::Pid;
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_core::status::{LiveService, ServiceStatus};
use pipulate_core::text::capitalized;
use pipulate_core::units::{length_of_time, percent, size};

use super::words;
use crate::log_page::LogLine;
use crate::observer::{Sample, Snapshot};
use crate::views::controls::button;
use crate::views::graph::graph;
use crate::views::log_line::{Names, log_line};
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
    /// What else a person should know.
    remarks: Vec<String>,
    reason: Option<String>,
    health: Option<&'static str>,
    last_lines: Vec<Markup>,
    verbs: &'static [Verb],
}

/// What a page depends on beside the services.
pub(crate) struct RenderContext<'a> {
    pub(crate) zone: &'a TimeZone,
    /// The port that this app answers on.
    pub(crate) port: u16,
}

/// How the service is reached.
enum Address {
    /// It has a page, and this is it.
    Here(u16),
    /// It has a page of its own: "Open" leads there, signed in.
    Page {
        address: String,
        port: Option<u16>,
    },
    Port(u16),
    None,
}

/// What only a living service has.
struct Life {
    pid: Pid,
    uptime: String,
    cpu: f64,
    memory: u64,
    history: Vec<Sample>,
    kernels: Vec<Kernel>,
}

struct Kernel {
    name: String,
    pid: Pid,
    /// Where JupyterLab says it.
    is_busy: Option<bool>,
}

impl Card {
    pub(super) fn new(service: &ServiceStatus, snapshot: &Snapshot, context: &RenderContext) -> Self {
        let zone = context.zone;
        // Addresses come from records on disk; only what a browser opens as a page is offered.
        let address =
            service.url.clone().filter(|url| url.starts_with("http://") || url.starts_with("https://"));
        let lines = snapshot.last_lines.get(&service.name).map(Vec::as_slice).unwrap_or_default();
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
            remarks: pipulate_words::lost_lines(service)
                .into_iter()
                .chain(service.notes.iter().map(|note| pipulate_words::note(note, &service.name)))
                .map(|remark| capitalized(&remark))
                .collect(),
            reason: words::reason(service),
            health: words::health(service),
            last_lines: lines.iter().map(|line: &LogLine| log_line(line, Names::Hidden, zone)).collect(),
            verbs: verbs(service.state),
        }
    }

    pub(super) fn name(&self) -> &str {
        self.name.as_str()
    }

    pub(super) fn state(&self) -> ServiceState {
        self.state
    }

    /// The id of its element.
    pub(super) fn id(&self) -> String {
        format!("service-{}", self.name)
    }

    pub(super) fn show(&self) -> Markup {
        html! {
            article id=(self.id()) tabindex="-1" aria-labelledby={ "name-" (self.name) } {
                h2 id={ "name-" (self.name) } { (self.name) " " (words::state(self.state)) }
                @if let Some(reason) = &self.reason { p class="reason" { (reason) } }
                @for remark in &self.remarks { p class="reason" { (remark) } }
                (self.words())
                @if let Some(life) = &self.life { (life.figures()) (life.kernels()) }
                (self.facts())
                div class="verbs" {
                    @if matches!(self.address, Address::Page { .. }) { (self.open()) }
                    @for &verb in self.verbs { (button(&Target::One(self.name.clone()), verb, label(self.state, verb))) }
                    @if self.state.is_in_trouble() { (self.why()) }
                    a href={ "/logs?service=" (self.name) } aria-label={ "Log of " (self.name) } { "Log" }
                }
            }
        }
    }

    /// What it printed last, where that may explain something.
    fn words(&self) -> Markup {
        html! {
            @if !self.last_lines.is_empty() {
                div class="lines" role="region" tabindex="0" aria-label={ "Last lines of " (self.name) } {
                    div { @for line in &self.last_lines { (line) } }
                }
            }
        }
    }

    fn facts(&self) -> Markup {
        html! {
            dl {
                @if let Some(health) = self.health { (long_fact("Health", &html! { (health) })) }
                (self.address.fact())
                @if let Some(life) = &self.life {
                    (fact("Up for", &html! { (life.uptime) }))
                    (fact("Process", &html! { (life.pid) }))
                    (fact("Supervisor", &match self.supervisor {
                        Some(pid) => html! { (pid) },
                        None => html! { span class="missing" { "gone" } },
                    }))
                }
                @if self.life.is_some() || self.restarts > 0 { (fact("Restarts", &html! { (self.restarts) })) }
                @if let Some(exit) = &self.last_exit { (long_fact("Last exit", &html! { (exit) })) }
            }
        }
    }

    /// Leads to a chat in which the local LLM says why. Without an LLM the chat says how to get one.
    fn why(&self) -> Markup {
        html! {
            form method="post" action={ "/services/" (self.name) "/why" } {
                button class="calm" aria-label={ "Ask why " (self.name) " has a problem" } { "Ask why" }
            }
        }
    }

    /// Its page in a tab of its own, signed in. The key never stands in ours.
    fn open(&self) -> Markup {
        html! {
            form method="post" action={ "/services/" (self.name) "/open" } target="_blank" {
                button aria-label={ "Open " (self.name) " in a new tab" } { "Open" }
            }
        }
    }
}

impl Address {
    fn fact(&self) -> Markup {
        match self {
            Self::Here(port) => long_fact("Port", &html! { (port) ", this page" }),
            Self::Page { port: Some(port), .. } | Self::Port(port) => fact("Port", &html! { (port) }),
            Self::Page { address, port: None } => fact("Address", &html! { (address) }),
            Self::None => html! {},
        }
    }
}

impl Life {
    fn new(service: &ServiceName, live: &LiveService, snapshot: &Snapshot) -> Self {
        let history = snapshot.history.get(service).cloned().unwrap_or_default();
        let kernels = live.kernels.iter().map(|kernel| {
            let activity = snapshot.kernels.iter().find(|activity| activity.id == kernel.id);
            Kernel {
                name: activity
                    .map_or_else(|| format!("a {} kernel", kernel.name), |known| known.name.clone()),
                pid: kernel.pid,
                is_busy: activity.map(|activity| activity.is_busy),
            }
        });
        Self {
            pid: live.pid,
            uptime: length_of_time(live.uptime_seconds),
            cpu: history.last().map_or(live.cpu_percent, |sample| sample.cpu),
            memory: live.memory_bytes,
            kernels: kernels.collect(),
            history,
        }
    }

    /// What it uses: a number and a graph for each.
    fn figures(&self) -> Markup {
        let begin = self.history.first().map(|sample| sample.at);
        let points = |value: fn(&Sample) -> f64| -> Vec<(f64, f64)> {
            let second = |sample: &Sample| begin.map_or(0.0, |begin| (sample.at - begin).as_secs_f64());
            self.history.iter().map(|sample| (second(sample), value(sample))).collect()
        };
        #[expect(clippy::cast_precision_loss, reason = "a picture is some pixels high")]
        let (cpu, memory) = (points(|sample| sample.cpu), points(|sample| sample.memory as f64));
        let most = |points: &[(f64, f64)]| points.iter().fold(0.0, |most: f64, (_, value)| most.max(*value));
        let most_cpu = most(&cpu);
        let most_memory = self.history.iter().map(|sample| sample.memory).max().unwrap_or(self.memory);
        let span = "in the last minutes at most";
        html! {
            div class="figures" {
                figure {
                    figcaption { "CPU " strong { (percent(self.cpu)) } }
                    (graph(&cpu, most_cpu.max(10.0), &format!("CPU: {span} {}", percent(most_cpu))))
                }
                figure {
                    figcaption { "Memory " strong { (size(self.memory)) } }
                    (graph(&memory, most(&memory).max(1.0) * 1.25, &format!("Memory: {span} {}", size(most_memory))))
                }
            }
        }
    }

    fn kernels(&self) -> Markup {
        html! {
            @if !self.kernels.is_empty() {
                ul class="kernels" aria-label="Kernels" {
                    @for kernel in &self.kernels {
                        li {
                            span class="notebook" { (kernel.name) }
                            " "
                            small {
                                @if let Some(is_busy) = kernel.is_busy { (if is_busy { "busy" } else { "idle" }) ", " }
                                "process " (kernel.pid)
                            }
                        }
                    }
                }
            }
        }
    }
}

fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// One that has a line for itself.
fn long_fact(name: &str, value: &Markup) -> Markup {
    html! { div class="long" { dt { (name) } dd { (value) } } }
}

/// "Start" on a running service would suggest that its state was lost.
fn label(state: ServiceState, verb: Verb) -> &'static str {
    if (state, verb) == (ServiceState::Unsupervised, Verb::Start) { "Take over" } else { verb.label() }
}

/// What makes sense in a state. The server takes any verb at any time.
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
        // To start it is to adopt it.
        ServiceState::Unsupervised | ServiceState::Unknown => &[Verb::Start, Verb::Stop],
    }
}
