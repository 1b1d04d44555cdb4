//! The local LLM's explanation of a service's state, below the service's last lines.

use maud::{Markup, html};
use pipulate_core::chat::{ChatId, Outcome};
use pipulate_core::service::ServiceName;
use pipulate_core::text::capitalized;

use super::chat::{status, turn};
use crate::chat::{Phase, Progress};
use crate::markdown;
use crate::views::layout;
use crate::world::Folder;

/// The button. Without scripts it leads to the chat. Without an LLM the chat says how to get one.
pub(super) fn button(service: &ServiceName) -> Markup {
    form(
        service,
        &html! {
            button class="calm" aria-label={ "Ask why " (service) " has a problem" } { "Ask why" }
        },
    )
}

/// The answer's element. Updates of the service don't touch it.
pub(super) fn place(service: &ServiceName) -> Markup {
    html! {
        div id={ "why-" (service) } class="why" role="log" aria-label={ "Why " (service) " has a problem" }
            hx-morph-skip-children {}
    }
}

/// The answer so far, or the finished one.
pub(crate) fn answer(id: ChatId, progress: &Progress) -> Markup {
    let turn = &progress.turn;
    let is_over = matches!(progress.phase, Phase::Over(_));
    html! {
        p { small { @if is_over { (turn::who(turn)) } @else { (status(Some(progress))) } } }
        div { (markdown::with_files(&turn.answer)) }
        @if is_over && let Outcome::Broken(reason) = &turn.outcome { p class="alert" { (capitalized(reason)) } }
        div class="verbs" {
            @if !is_over {
                form method="post" action={ "/chat/" (id) "/stop" } hx-post={ "/chat/" (id) "/stop" } hx-swap="none" {
                    button class="calm" { "Stop" }
                }
            }
            a href={ "/chat/" (id) } { "Go on in the chat" }
            @if is_over { small { (turn::end(turn)) } }
        }
    }
}

/// The question before a service's log is sent to the cloud.
pub(crate) fn question(service: &ServiceName, model: &str) -> Markup {
    html! {
        article class="question" aria-labelledby="question" tabindex="-1" autofocus {
            h2 id="question" { (title(service, model)) }
            p { "It runs in Ollama's cloud: the end of the service's log would leave this machine." }
            div class="verbs" {
                (form(service, &html! { input type="hidden" name="consent" value="given"; button { "Ask" } }))
                a href="/" data-back role="button" class="calm" { "Don't ask" }
            }
        }
    }
}

/// As [`question`], as a page.
pub(crate) fn question_page(folder: &Folder, service: &ServiceName, model: &str) -> Markup {
    layout::page(folder, &title(service, model), Some("/"), &question(service, model))
}

fn title(service: &ServiceName, model: &str) -> String {
    format!("Ask {model} about {service}?")
}

fn form(service: &ServiceName, content: &Markup) -> Markup {
    let address = format!("/services/{service}/why");
    html! {
        form method="post" action=(address) hx-post=(address) hx-target={ "#why-" (service) } hx-swap="innerMorph"
            hx-sync="this:drop" { (content) }
    }
}
