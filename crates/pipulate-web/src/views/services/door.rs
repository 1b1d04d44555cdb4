//! The two main services, JupyterLab and the app, each with its state, its address, and a link.

use maud::{Markup, html};
use pipulate_core::service::ServiceName;
use pipulate_core::units::size;

use super::card::{Address, Card};
use super::words;

/// Returns true for the two main services; all others are rows.
pub(super) fn is_door(service: &ServiceName) -> bool {
    [ServiceName::JUPYTER, ServiceName::SERVER].contains(&service.as_str())
}

/// A main service.
pub(super) fn show(card: &Card) -> Markup {
    let is_jupyter = card.name() == ServiceName::JUPYTER;
    let (title, what) = match (is_jupyter, card.address()) {
        (true, _) => ("JupyterLab", "Notebooks, terminals and files"),
        (false, Address::Here(_)) => {
            ("App", "This page. With a server.py in the folder, your own app is here.")
        }
        (false, Address::Page { .. } | Address::Port(_) | Address::None) => ("App", "What server.py serves"),
    };
    html! {
        article id=(card.id()) class="service door" tabindex="-1" aria-labelledby={ "name-" (card.name()) } {
            header {
                h2 id={ "name-" (card.name()) } { (title) }
                " "
                (words::state(card.state()))
            }
            p class="what" { (what) }
            p class="where" { (place(card)) }
            @if let Some(explanation) = card.explanation() { p class="reason" { (explanation) } }
            @if is_jupyter { (kernels(card)) }
            div class="verbs" { (card.verbs()) }
            (card.more())
        }
    }
}

/// Its address, uptime, and resource usage.
fn place(card: &Card) -> Markup {
    html! {
        @match card.address() {
            Address::Here(port) => span { "Port " (port) ", this page" },
            Address::Page { address, .. } => span { (address.split_once("://").map_or(address.as_str(), |(_, rest)| rest)) },
            Address::Port(port) => span { "Port " (port) },
            Address::None => {}
        }
        @if let Some(life) = card.life() {
            span { (size(life.memory)) }
            span { "up " (life.uptime) }
        } @else {
            span { "Not running" }
        }
    }
}

/// Always at least one line, so that nothing moves when the first kernel starts.
fn kernels(card: &Card) -> Markup {
    let kernels = card.life().map(|life| life.kernels.as_slice()).unwrap_or_default();
    html! {
        @if kernels.is_empty() {
            p class="kernels" { small { "No kernels" } }
        } @else {
            ul class="kernels" aria-label="Kernels" { @for kernel in kernels { (kernel.item()) } }
        }
    }
}
