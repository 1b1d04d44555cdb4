//! One question and its answer.

use maud::{Markup, html};
use pipulate_store::chat::{ChatId, End, Turn};

use crate::chat::Live;
use crate::markdown;
use crate::problem::capitalized;

/// A question of more lines is folded.
const LINES: usize = 12;

/// A turn that has ended; the last one of a chat can be tried again.
pub(super) fn over(number: usize, turn: &Turn, retry_in: Option<ChatId>) -> Markup {
    let broken = match &turn.end {
        End::Broken(reason) => Some(capitalized(reason)),
        End::Open => Some("The answer was cut off: the app ended meanwhile".to_owned()),
        End::Whole { .. } | End::Stopped => None,
    };
    html! {
        article id={ "turn-" (number) } class="turn" {
            (question(&turn.question))
            div class="answer" {
                h2 { (who(turn)) }
                (thinking(&turn.thinking, None))
                @if !turn.answer.is_empty() { div class="text" { (markdown::render(&turn.answer)) } }
                @if let Some(broken) = broken { p class="alert" { (broken) } }
                div class="verbs" {
                    @if !turn.answer.is_empty() { button type="button" class="copy calm" { "Copy" } }
                    @if let Some(id) = retry_in { (retry(id)) }
                    @if let Some(note) = note(turn) { small { (note) } }
                }
            }
        }
    }
}

/// A turn whose answer is being written.
pub(super) fn open(number: usize, live: &Live) -> Markup {
    let turn = &live.turn;
    html! {
        article id={ "turn-" (number) } class="turn" aria-busy="true" {
            (question(&turn.question))
            div class="answer" {
                h2 id="open-model" { (who(turn)) }
                (thinking(&turn.thinking, Some("open-thinking")))
                div class="text said" id="open-answer" { (turn.answer) }
            }
        }
    }
}

/// Who speaks. A model's word is not ours.
pub(super) fn who(turn: &Turn) -> Markup {
    let name = if turn.model.is_empty() { "The model" } else { &turn.model };
    html! { (name) " " small { "may be wrong" } }
}

/// How an answer ended, where that is worth a sentence.
pub(super) fn end(turn: &Turn) -> Option<String> {
    match &turn.end {
        End::Open | End::Whole { .. } => None,
        End::Stopped => Some("Stopped".to_owned()),
        End::Broken(reason) => Some(capitalized(reason)),
    }
}

/// Something to type in a terminal.
pub(super) fn code(command: &str) -> Markup {
    html! {
        div class="code" { button type="button" class="copy calm" { "Copy" } pre { code { (command) } } }
    }
}

fn note(turn: &Turn) -> Option<String> {
    match turn.end {
        End::Stopped => Some("Stopped".to_owned()),
        End::Whole { tokens, seconds } if tokens > 0 && seconds >= 0.05 => {
            #[expect(clippy::cast_precision_loss, reason = "for people")]
            let speed = tokens as f64 / seconds;
            Some(format!("{tokens} tokens in {seconds:.1} s ({speed:.0} a second)"))
        }
        End::Whole { .. } | End::Open | End::Broken(_) => None,
    }
}

fn question(text: &str) -> Markup {
    html! {
        div class="question" {
            h2 { "You" }
            @if text.lines().count() > LINES {
                details { summary { (text.lines().next().unwrap_or_default()) } div class="said" { (text) } }
            } @else {
                div class="said" { (text) }
            }
        }
    }
}

/// Hidden by the style sheet as long as it is empty.
fn thinking(text: &str, id: Option<&str>) -> Markup {
    html! {
        @if id.is_some() || !text.is_empty() {
            details class="thinking" { summary { "What it thought" } div class="said" id=[id] { (text) } }
        }
    }
}

fn retry(id: ChatId) -> Markup {
    html! {
        form method="post" action={ "/chat/" (id) "/retry" } hx-post={ "/chat/" (id) "/retry" } hx-target="#chat-status"
            hx-swap="innerHTML" hx-sync="#ask:drop" hx-include="#ask select" {
            button class="calm" { "Try again" }
        }
    }
}
