//! One question and its answer.

use maud::{Markup, html};
use pipulate_core::chat::{About, ChatId, Effort, Outcome, Turn};
use pipulate_core::text::capitalized;
use pipulate_core::units::size;

use crate::chat::{Progress, mark};
use crate::markdown;

/// Longer questions, in lines, are folded.
const LINES: usize = 12;

/// The context usage, in percent, from which it is shown.
const FULLISH: u8 = 50;
/// The context usage from which the beginning is left out, now or with the next question.
const FULL: u8 = 90;

/// A finished turn. Its question can be edited while no answer is running in the chat, and the last one can
/// be tried again.
pub(super) fn over(number: usize, turn: &Turn, changes_in: Option<ChatId>, is_last: bool) -> Markup {
    let retry_in = changes_in.filter(|_| is_last);
    let broken = match &turn.outcome {
        Outcome::Broken(reason) => Some(capitalized(reason)),
        Outcome::Open => Some("The answer was cut off: the app ended before it was complete".to_owned()),
        Outcome::Whole(_) | Outcome::CutOff(_) | Outcome::Stopped => None,
    };
    html! {
        article id={ "turn-" (number) } class="turn" {
            (question(number, turn, changes_in))
            div class="answer" {
                h2 { (who(turn)) }
                (thinking(&turn.thinking, None))
                // In its place during the answer.
                @if let Some(left_out) = left_out(turn) { p { small { (left_out) } } }
                @if !turn.answer.is_empty() { div class="text" { (markdown::answer(&turn.answer)) } }
                @if let Some(broken) = broken { p class="alert" { (broken) } }
                div class="verbs" {
                    @if !turn.answer.is_empty() { button type="button" class="copy calm" { "Copy" } }
                    @if let Some(id) = retry_in { (again(id, number, turn, html! { button class="calm" { "Try again" } })) }
                    @if let Some(note) = note(turn) { small { (note) } }
                }
            }
        }
    }
}

/// A turn whose answer is being written.
pub(super) fn open(number: usize, progress: &Progress) -> Markup {
    let turn = &progress.turn;
    html! {
        article id={ "turn-" (number) } class="turn" aria-busy="true" {
            (question(number, turn, None))
            div class="answer" {
                h2 id="open-model" { (who(turn)) }
                (thinking(&turn.thinking, Some("open-thinking")))
                @if let Some(left_out) = left_out(turn) { p { small { (left_out) } } }
                div class="text" id="open-answer" { (markdown::answer(&turn.answer)) }
            }
        }
    }
}

/// Growing text. Each line is an element of its own: a browser lays out the whole growing element again, and
/// a whole answer for every word would keep it busy for minutes.
fn lines(text: &str) -> Markup {
    html! { @for line in text.split_inclusive('\n') { div { (line) } } }
}

/// The addition to such a text on a page that shows this much of it.
pub(super) fn added(id: &str, text: &str, shown: usize) -> Markup {
    let (before, more) = text.split_at_checked(shown).unwrap_or((text, ""));
    let is_line_open = !before.is_empty() && !before.ends_with('\n');
    let end_of_line = if is_line_open { more.find('\n').map_or(more.len(), |at| at + 1) } else { 0 };
    let (rest_of_line, more) = more.split_at(end_of_line);
    let target = format!("#{id}");
    html! {
        @if !rest_of_line.is_empty() {
            hx-partial hx-target={ (target) " > :last-child" } hx-swap="beforeend" { (rest_of_line) }
        }
        @if !more.is_empty() { hx-partial hx-target=(target) hx-swap="beforeend" { (lines(more)) } }
    }
}

/// The addition to an answer on a page that shows this many elements: the last of them may have changed.
pub(super) fn grown(blocks: &[Markup], shown: usize) -> Markup {
    let (target, swap, first) = match shown {
        0 => ("#open-answer", "beforeend", 0),
        shown if shown <= blocks.len() => ("#open-answer > :last-child", "outerHTML", shown - 1),
        _ => ("#open-answer", "innerHTML", 0),
    };
    html! { hx-partial hx-target=(target) hx-swap=(swap) { @for block in &blocks[first..] { (block) } } }
}

/// Its size, and the part that did not fit.
pub(super) fn extent(about: &About) -> String {
    let all = size(about.text.len() as u64);
    match about.left_out {
        0 => all,
        left_out => format!("{all}, its last part: {} did not fit", size(left_out as u64)),
    }
}

/// The speaker. A model's words are not ours.
pub(in crate::views) fn who(turn: &Turn) -> Markup {
    let name = if turn.model.is_empty() { "The model" } else { &turn.model };
    html! { (name) " " small { "may be wrong" } }
}

/// The announcement that an answer has ended, and how; the reason is shown with it.
pub(in crate::views) fn end(turn: &Turn) -> &'static str {
    match &turn.outcome {
        Outcome::Open | Outcome::Whole(_) => "The answer is complete",
        Outcome::CutOff(_) => "The answer was cut off",
        Outcome::Stopped => "Stopped",
        Outcome::Broken(_) if turn.answer.is_empty() => "There is no answer",
        Outcome::Broken(_) => "The answer was interrupted",
    }
}

/// A command to type in a terminal.
pub(super) fn code(command: &str) -> Markup {
    html! {
        div class="code" {
            div class="verbs" { button type="button" class="copy calm" { "Copy" } }
            pre { code { (command) } }
        }
    }
}

fn note(turn: &Turn) -> Option<String> {
    match &turn.outcome {
        Outcome::Stopped => Some("Stopped".to_owned()),
        Outcome::Whole(effort) => in_words(effort),
        Outcome::CutOff(effort) => {
            Some([Some(cut_off(turn)), in_words(effort)].into_iter().flatten().collect::<Vec<_>>().join(", "))
        }
        Outcome::Open | Outcome::Broken(_) => None,
    }
}

/// The messages that were left out for the model.
fn left_out(turn: &Turn) -> Option<String> {
    let left_out = turn.left_out;
    (!left_out.is_nothing()).then(|| {
        format!("The model can't handle that much, and was not told: {left_out}. Begin a new chat to ask about less")
    })
}

/// The reason why a model stopped in the middle of a sentence.
fn cut_off(turn: &Turn) -> String {
    let reason =
        if turn.is_brief { "longer than a few sentences" } else { "as long as the model can handle" };
    format!("Cut off: {reason}")
}

/// The server's measurements, if there are any. The context usage only matters when it is high.
fn in_words(&Effort { tokens, seconds, filled }: &Effort) -> Option<String> {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let speed = tokens as f64 / seconds;
    let took = (tokens > 0 && seconds >= 0.05)
        .then(|| format!("{tokens} tokens in {seconds:.1} s ({speed:.0} a second)"));
    let full = match filled.unwrap_or_default() {
        ..FULLISH => return took,
        FULL.. => "the model no longer sees the beginning of this chat, or soon will not: begin a new one"
            .to_owned(),
        percent => format!("this chat fills {percent} % of what the model can handle"),
    };
    Some(took.into_iter().chain([full]).collect::<Vec<_>>().join("; "))
}

/// The question, and its number among several versions.
fn question(number: usize, turn: &Turn, edit_in: Option<ChatId>) -> Markup {
    let text = &turn.question;
    html! {
        div class="question" {
            h2 { "You" }
            @if text.lines().count() > LINES {
                details { summary { (text.lines().next().unwrap_or_default()) } div class="said" { (text) } }
            } @else {
                div class="said" { (text) }
            }
            @for about in &turn.about {
                details { summary { "+ " (about.name) " " small { (extent(about)) } } pre tabindex="0" { (about.text) } }
            }
            @if let Some(id) = edit_in {
                @if turn.versions() > 1 { (versions(id, number, turn)) }
                details class="edit" {
                    summary { "Edit" }
                    (again(id, number, turn, html! {
                        textarea name="question" rows="3" required aria-label="Your question, edited" { (text) }
                        button class="calm" { "Ask this instead" }
                    }))
                }
            }
        }
    }
}

/// Hidden by the style sheet while it is empty.
fn thinking(text: &str, id: Option<&str>) -> Markup {
    html! {
        @if id.is_some() || !text.is_empty() {
            details class="thinking" { summary { "What it thought" } div class="said" id=[id] {
                @if id.is_some() { (lines(text)) } @else { (text) }
            } }
        }
    }
}

/// The links to the other versions.
fn versions(id: ChatId, number: usize, turn: &Turn) -> Markup {
    let (all, here) = (turn.versions(), turn.place);
    let address = format!("/chat/{id}/version");
    let button = |version: Option<usize>, sign: &str, name: &str| {
        html! {
            button class="calm" name="version" value=[version] aria-label=(name) disabled[version.is_none()] { (sign) }
        }
    };
    html! {
        form class="versions" method="post" action=(address) hx-post=(address) hx-target="#chat-status" hx-swap="none" hx-sync="#ask:drop" {
            input type="hidden" name="turn" value=(number);
            input type="hidden" name="last" value=(mark(&turn.question));
            (button(here.checked_sub(1), "‹", "Earlier version"))
            span { (here + 1) "/" (all) }
            (button(Some(here + 1).filter(|next| *next < all), "›", "Later version"))
        }
    }
}

/// A form that repeats a question. Another window may have changed the chat since.
fn again(id: ChatId, number: usize, turn: &Turn, content: Markup) -> Markup {
    html! {
        form method="post" action={ "/chat/" (id) "/retry" } hx-post={ "/chat/" (id) "/retry" } hx-target="#chat-status"
            hx-swap="innerHTML" hx-sync="#ask:drop" hx-include="#ask select, #ask [name=page]" {
            input type="hidden" name="turn" value=(number);
            input type="hidden" name="last" value=(mark(&turn.question));
            (content)
        }
    }
}
