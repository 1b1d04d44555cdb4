//! What a question can be about: the logs of this folder's services, with consent and without secrets.

use pipulate_core::chat::About;
use pipulate_core::state::ServiceState;

use crate::world::{Probes, World};

/// How much of one log goes with a question, in bytes: models are given 4,096 tokens unless they are told otherwise.
const LONGEST: usize = 6_000;
/// How many logs are offered.
const MOST: usize = 6;

/// Something that can be added to a question.
pub(crate) struct Offer {
    pub(crate) about: About,
    service: String,
    state: ServiceState,
}

/// A question about this folder that needs no typing.
pub(crate) struct Suggestion {
    pub(crate) question: String,
    /// What it is about, by its name.
    pub(crate) about: Option<String>,
}

/// All that is offered, what is in trouble first.
pub(crate) fn all(world: &World) -> Vec<Offer> {
    let mut services = world.status.status(Probes::Skip).services;
    services.sort_by_key(|service| service.state.is_well());
    let offer = |service: &pipulate_core::status::ServiceStatus| {
        let incident = world.chat.incident(&service.name).ok()?;
        let (text, left_out) = end_of(&incident.log.join("\n"));
        let about = About { name: format!("log of {}", service.name), text, left_out };
        let is_silent = about.text.is_empty();
        (!is_silent).then(|| Offer { about, service: service.name.to_string(), state: service.state })
    };
    services.iter().filter_map(offer).take(MOST).collect()
}

/// Those that were chosen, as they are now.
pub(crate) fn named(world: &World, names: &[String]) -> Vec<About> {
    if names.is_empty() {
        return Vec::new();
    }
    all(world).into_iter().map(|offer| offer.about).filter(|about| names.contains(&about.name)).collect()
}

/// Four questions to begin with.
pub(crate) fn suggestions(offers: &[Offer]) -> Vec<Suggestion> {
    let about =
        |question: String, offer: &Offer| Suggestion { question, about: Some(offer.about.name.clone()) };
    let troubled =
        offers.iter().filter(|offer| !offer.state.is_well() && offer.state != ServiceState::Stopped);
    let why = troubled.map(|offer| about(format!("What is wrong with {}?", offer.service), offer));
    let what = offers.iter().map(|offer| about(format!("What has {} been doing?", offer.service), offer));
    let plain = [
        "How do I show a table from a notebook as a web page?",
        "How do I read a secret from .env in a notebook?",
        "Explain a traceback that I paste here",
        "Write a cell that reads a CSV file and plots it",
    ];
    let plain = plain.into_iter().map(|question| Suggestion { question: question.to_owned(), about: None });
    why.take(2).chain(what.take(1)).chain(plain).take(4).collect()
}

/// The last lines that fit, and how many bytes before them don't.
fn end_of(text: &str) -> (String, usize) {
    let from = text.ceil_char_boundary(text.len().saturating_sub(LONGEST));
    let from = if from == 0 { 0 } else { text[from..].find('\n').map_or(from, |end| from + end + 1) };
    (text[from..].to_owned(), from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_the_last_whole_lines_go_along_and_the_rest_is_counted() {
        assert_eq!(end_of("a\nb"), ("a\nb".to_owned(), 0));
        let long: String = (0..2_000).map(|number| format!("line {number}\n")).collect();
        let (end, left_out) = end_of(&long);
        assert!(end.starts_with("line ") && end.ends_with("line 1999\n") && end.len() <= LONGEST);
        assert_eq!(end.len() + left_out, long.len());
        assert_eq!(end_of(&"ü".repeat(LONGEST)).0.len(), LONGEST);
    }
}
