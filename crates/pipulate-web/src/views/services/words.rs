//! States, times and quantities in words.

use jiff::tz::TimeZone;
use maud::{Markup, html};
use pipulate_core::state::ServiceState;
use pipulate_core::status::{LastExit, ServiceStatus};
use pipulate_core::text::capitalized;

/// A state is a word and an icon, so that it is never shown by color alone.
pub(super) fn state(state: ServiceState) -> Markup {
    html! {
        span class="state" data-state=(state.word()) { span aria-hidden="true" { (icon(state)) } " " (state.word()) }
    }
}

pub(super) fn icon(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Ready | ServiceState::Running => "●",
        ServiceState::Starting | ServiceState::Stopping => "◐",
        ServiceState::Backoff => "↻",
        ServiceState::Degraded | ServiceState::Unsupervised => "▲",
        ServiceState::Unstable => "↯",
        ServiceState::Crashed => "✕",
        ServiceState::Exited => "✓",
        ServiceState::Stopped => "○",
        ServiceState::Unknown => "?",
    }
}

/// The reason of a state, unless the state is clear by itself. For an unknown state it is above all services.
pub(super) fn reason(service: &ServiceStatus) -> Option<String> {
    if service.state == ServiceState::Unknown {
        return None;
    }
    let is_back_soon = service.state == ServiceState::Backoff;
    let back_soon = || is_back_soon.then(|| "it ended and will start again in a moment".to_owned());
    let said = pipulate_words::reasons(&service.reasons, &service.name).or_else(back_soon);
    said.as_deref().map(capitalized)
}

/// Whether it answers, which differs from whether it runs.
pub(super) fn health(service: &ServiceStatus) -> Option<&'static str> {
    match service.state {
        ServiceState::Ready => Some("answers"),
        ServiceState::Unstable => Some("keeps crashing"),
        ServiceState::Degraded if service.is_in_background() => None,
        ServiceState::Degraded => Some("does not answer"),
        ServiceState::Running => Some("not checked"),
        ServiceState::Starting => Some("not ready yet"),
        ServiceState::Unsupervised => Some("not checked: it has no supervisor"),
        ServiceState::Stopped
        | ServiceState::Exited
        | ServiceState::Crashed
        | ServiceState::Backoff
        | ServiceState::Stopping
        | ServiceState::Unknown => None,
    }
}

pub(super) fn last_exit(exit: LastExit, zone: &TimeZone) -> String {
    let how = match (exit.signal, exit.code) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("code {code}"),
        (None, None) => "unknown".to_owned(),
    };
    format!("{how}, {}", exit.at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S"))
}
