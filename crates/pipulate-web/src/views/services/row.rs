//! A service as a row: the essentials in one line, the rest on demand.

use maud::{Markup, html};
use pipulate_core::units::size;

use super::card::Card;
use super::words;

/// A row. Temporary parts have a place of their own, so that nothing moves.
pub(super) fn show(card: &Card) -> Markup {
    html! {
        article id=(card.id()) class="service row" data-trouble[card.state().is_in_trouble()] tabindex="-1"
            aria-labelledby={ "name-" (card.name()) } {
            (words::state(card.state()))
            h3 id={ "name-" (card.name()) } { (card.name()) }
            div class="spark" { @if let Some(life) = card.life() { (life.sparkline()) } }
            p class="uses" {
                @if let Some(restarting) = card.restarting() {
                    span class="restarting" { (restarting) }
                } @else if let Some(life) = card.life() {
                    span { (size(life.memory)) } " " span { (life.uptime) }
                }
            }
            p class="last" { @if let Some(line) = card.explanation().or_else(|| card.last_line()) { (line) } }
            div class="verbs" { (card.verbs()) }
            (card.more())
        }
    }
}
