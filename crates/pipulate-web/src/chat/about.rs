//! The subjects of a question: errors and logs of this folder's services, and its notebooks; with consent and
//! without secrets.

use pipulate_core::chat::About;
use pipulate_core::state::ServiceState;

use crate::log_page::is_traceback;
use crate::notebook::{CellType, Notebook, Output};
use crate::world::{Probes, World};

/// The most bytes of one log in a question: models get 4,096 tokens by default.
const LONGEST: usize = 6_000;
/// The number of offered logs, and of offered notebooks, and the size limit of these in bytes.
const MOST: usize = 6;
const MOST_NOTEBOOKS: usize = 3;
const LARGEST_NOTEBOOK: u64 = 4 << 20;
/// The most bytes of one notebook output.
const OUTPUT: usize = 1_000;

/// Material that can be added to a question.
pub(crate) struct Offer {
    pub(crate) about: About,
    /// The service whose log it is.
    log_of: Option<(String, ServiceState)>,
}

/// A ready-made question about this folder.
pub(crate) struct Suggestion {
    pub(crate) question: String,
    /// Its subject, by name.
    pub(crate) about: Option<String>,
}

impl Offer {
    /// `None` if there is nothing to add.
    fn new(name: String, text: &str, log_of: Option<(String, ServiceState)>) -> Option<Self> {
        let (text, left_out) = end_of(text);
        (!text.is_empty()).then_some(Self { about: About { name, text, left_out }, log_of })
    }
}

/// All offers: errors, logs of services in trouble, other logs, and the newest notebooks.
pub(crate) fn all(world: &World) -> Vec<Offer> {
    let mut services = world.status.status(Probes::Skip).services;
    services.sort_by_key(|service| service.state.is_well());
    let (mut errors, mut logs) = (Vec::new(), Vec::new());
    for service in services.iter().take(MOST) {
        let Ok(incident) = world.chat.incident(&service.name) else { continue };
        if service.state.is_in_trouble() {
            let error = last_error(&incident.log).join("\n");
            errors.extend(Offer::new(format!("error of {}", service.name), &error, None));
        }
        let log_of = Some((service.name.to_string(), service.state));
        logs.extend(Offer::new(format!("log of {}", service.name), &incident.log.join("\n"), log_of));
    }
    errors.into_iter().chain(logs).chain(notebooks(world)).collect()
}

/// The last traceback, and the lines after it.
fn last_error(log: &[String]) -> &[String] {
    log.iter().rposition(|line| is_traceback(line)).map_or(&[], |begin| &log[begin..])
}

/// The notebooks that were changed last.
fn notebooks(world: &World) -> Vec<Offer> {
    let listed = world.notebooks.list().notebooks.into_iter();
    let newest = listed.filter(|found| found.size <= LARGEST_NOTEBOOK).take(MOST_NOTEBOOKS);
    let masker = world.logs.masker();
    let offer = |path: String| {
        let notebook = Notebook::parse(&world.notebooks.read(&path).ok()?.0).ok()?;
        Offer::new(format!("notebook {path}"), &masker.mask(&in_words(&notebook)), None)
    };
    newest.filter_map(|found| offer(found.path)).collect()
}

/// Its cells and their outputs, as text.
fn in_words(notebook: &Notebook) -> String {
    let mut text = String::new();
    for (cell, number) in notebook.cells.iter().zip(1..) {
        let kind = if cell.cell_type == CellType::Code { "code" } else { "text" };
        text.extend([&format!("# Cell {number}, {kind}:\n"), cell.source.0.trim_end(), "\n"]);
        for output in &cell.outputs {
            let plain = match output {
                Output::Stream { text, .. } => text.0.as_str(),
                Output::DisplayData { data } => data.plain.as_deref().unwrap_or_default(),
                Output::Error { ename, evalue, .. } => &format!("{ename}: {evalue}"),
                Output::Unknown => "",
            };
            let plain = plain.trim_end();
            if !plain.is_empty() {
                let end = &plain[plain.ceil_char_boundary(plain.len().saturating_sub(OUTPUT))..];
                text.extend(["# It put out:\n", end, "\n"]);
            }
        }
    }
    text
}

/// The chosen ones, with their current contents.
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
    let logs = || offers.iter().filter_map(|offer| Some((offer, offer.log_of.as_ref()?)));
    let is_troubled = |state: ServiceState| !state.is_well() && state != ServiceState::Stopped;
    let why = logs()
        .filter(|(_, (_, state))| is_troubled(*state))
        .map(|(offer, (service, _))| about(format!("What is wrong with {service}?"), offer));
    let what = logs().map(|(offer, (service, _))| about(format!("What has {service} been doing?"), offer));
    let plain = [
        "How do I show a table from a notebook as a web page?",
        "How do I read a secret from .env in a notebook?",
        "Explain a traceback that I paste here",
        "Write a cell that reads a CSV file and plots it",
    ];
    let plain = plain.into_iter().map(|question| Suggestion { question: question.to_owned(), about: None });
    why.take(2).chain(what.take(1)).chain(plain).take(4).collect()
}

/// The last lines that fit, and the number of bytes before them.
fn end_of(text: &str) -> (String, usize) {
    let from = text.ceil_char_boundary(text.len().saturating_sub(LONGEST));
    let from = if from == 0 { 0 } else { text[from..].find('\n').map_or(from, |end| from + end + 1) };
    (text[from..].to_owned(), from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_the_last_traceback_of_a_log() {
        let log = ["a", "Traceback (most recent call last):", "  x", "KeyError: 1", "b"].map(str::to_owned);
        assert_eq!(last_error(&log), &log[1..]);
        assert_eq!(last_error(&log[..1]), [""; 0]);
    }

    #[test]
    fn a_notebook_goes_along_as_text_without_pictures() {
        let notebook = Notebook::parse(
            br##"{"nbformat": 4, "cells": [
                {"cell_type": "markdown", "source": ["# Prices\n"]},
                {"cell_type": "code", "source": "1 / 0", "outputs": [
                    {"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": "<Figure>"}},
                    {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "no"}]}]}"##,
        );
        assert_eq!(
            in_words(&notebook.unwrap()),
            "# Cell 1, text:\n# Prices\n# Cell 2, code:\n1 / 0\n# It put out:\n<Figure>\n# It put out:\nZeroDivisionError: no\n"
        );
    }

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
