//! The question before work is interrupted.

use maud::{Markup, html};
use pipulate_core::work::Loss;

use crate::views::controls::{From, action};
use crate::views::layout;
use crate::world::{Folder, Target, Verb};

/// A page that asks.
pub(crate) fn page(folder: &Folder, from: From, target: &Target, verb: Verb, ends: &[Loss]) -> Markup {
    layout::page(folder, &title(target, verb), Some("/"), &question(from, target, verb, ends))
}

/// The question itself, with the losses and two answers.
pub(crate) fn question(from: From, target: &Target, verb: Verb, ends: &[Loss]) -> Markup {
    let address = action(target, verb);
    html! {
        article class="question" aria-labelledby="question" tabindex="-1" autofocus {
            h2 id="question" { (title(target, verb)) }
            p { "This would end with it:" }
            ul { @for end in ends { li { (pipulate_words::loss(end)) } } }
            div class="verbs" {
                form method="post" action=(address) hx-post=(address) hx-target="#answer" hx-swap="innerHTML" hx-sync="this:drop" {
                    input type="hidden" name="consent" value="given";
                    (from.field())
                    button class="danger" { (verb.label()) " " (target) " anyway" }
                }
                a href=(from.address(target)) data-back role="button" { "Leave it as it is" }
            }
        }
    }
}

fn title(target: &Target, verb: Verb) -> String {
    format!("{} {target}?", verb.label())
}
