//! The question's form, its optional material, and suggested questions.

use maud::{Markup, html};
use pipulate_core::chat::About;
use pipulate_core::units::model_size;

use super::{ChatPage, turn};
use crate::chat::about::Suggestion;
use crate::model_choices::{ModelChoice, ModelChoices};

/// The form for questions, which needs no scripts. Errors of the request itself appear in the status line.
pub(super) fn ask(page: &ChatPage) -> Markup {
    let id = page.id;
    html! {
        form id="ask" method="post" action={ "/chat/" (id) } hx-post={ "/chat/" (id) } hx-target="#chat-status"
            hx-swap="innerHTML" hx-sync="this:drop" {
            input type="hidden" name="page" value=(page.page);
            textarea id="question" name="question" rows="2" required aria-label="Your question"
                placeholder="Ask something (Enter sends, Shift+Enter begins a new line)" {}
            (offers(&page.offers))
            div class="verbs" {
                @if let ModelChoices::Models { models, chosen, .. } = &page.choices { (picker(models, chosen)) }
                button id="send" { "Send" }
                button form="stop" class="calm" { "Stop" }
            }
        }
    }
}

/// Suggested questions for beginners.
pub(super) fn suggestions(page: &ChatPage) -> Markup {
    let address = format!("/chat/{}", page.id);
    html! {
        section id="suggestions" aria-label="Questions to begin with" {
            @for Suggestion { question, about } in &page.prompts {
                form method="post" action=(address) hx-post=(address) hx-target="#chat-status" hx-swap="innerHTML" hx-sync="#ask:drop"
                    hx-include="#ask select, #ask [name=page]" {
                    input type="hidden" name="question" value=(question);
                    @if let Some(about) = about { input type="hidden" name="about" value=(about); }
                    button class="calm" { (question) @if let Some(about) = about { " " small { "with the " (about) } } }
                }
            }
        }
    }
}

/// The material that can be added to a question: nothing is added unless it is chosen.
fn offers(offers: &[About]) -> Markup {
    html! {
        @if !offers.is_empty() {
            section class="offers" aria-label="Add to the question" {
                @for about in offers {
                    label {
                        input type="checkbox" name="about" value=(about.name) autocomplete="off";
                        "+ " (about.name) " " small { (turn::extent(about)) }
                    }
                }
            }
        }
    }
}

fn picker(models: &[ModelChoice], chosen: &str) -> Markup {
    let (cloud, local): (Vec<_>, Vec<_>) = models.iter().partition(|model| model.is_cloud);
    let option = |model: &ModelChoice, more: &str| {
        html! { option value=(model.name) selected[model.name == chosen] { (model.name) (more) } }
    };
    html! {
        select name="model" aria-label="Model" {
            @for model in local {
                (option(model, &format!(", {}{}", model_size(model.size), if model.fits { "" } else { ", may not fit into memory" })))
            }
            @if !cloud.is_empty() {
                optgroup label="In the cloud: what you write leaves this machine" {
                    @for model in cloud { (option(model, ", cloud")) }
                }
            }
        }
    }
}
