//! Secrets: their names, and forms for their values. No type here can contain a value.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pipulate_core::text::capitalized;

use crate::notice::Notice;
use crate::views::controls::{From, button, notice};
use crate::views::layout;
use crate::world::{Folder, Target, Verb};

/// The page's view model.
pub(crate) struct SecretsPage {
    pub(crate) secrets: Vec<Secret>,
    pub(crate) notice: Option<Notice>,
    pub(crate) complaint: Option<Complaint>,
}

/// A name.
pub(crate) struct Secret {
    pub(crate) name: String,
    /// By `[secrets] required`.
    pub(crate) is_required: bool,
    /// It has a value that is not empty.
    pub(crate) is_set: bool,
    /// It is in the file.
    pub(crate) is_listed: bool,
}

impl Secret {
    /// Every name that is required or in the file, each once.
    pub(crate) fn all(required: &[String], listed: &[String], filled: &BTreeSet<String>) -> Vec<Self> {
        let others = listed.iter().filter(|name| !required.contains(name));
        let secret = |name: &String| Self {
            name: name.clone(),
            is_required: required.contains(name),
            is_set: filled.contains(name),
            is_listed: listed.contains(name),
        };
        required.iter().chain(others).map(secret).collect()
    }
}

/// The reason why a value was not accepted.
pub(crate) struct Complaint {
    /// As typed.
    pub(crate) name: String,
    /// The name itself was not accepted.
    pub(crate) is_of_name: bool,
    pub(crate) reason: String,
}

/// The whole page.
pub(crate) fn page(folder: &Folder, page: &SecretsPage, zone: &TimeZone) -> Markup {
    let about = |name: &str| {
        page.complaint.as_ref().filter(|complaint| complaint.name == name && !complaint.is_of_name)
    };
    let content = html! {
        h1 { "Secrets" }
        p { "They are kept in " code { ".env" } " in the project's folder, and shown nowhere. Programs read that file when they start: restart them after a change." }
        div id="answer" role="status" {
            (notice(page.notice.as_ref(), zone))
            @if page.notice.is_some() { (button(From::Secrets, &Target::All, Verb::Restart, "Restart")) }
        }
        @if page.secrets.is_empty() {
            p { "There are no secrets yet. Add one below, or name those that the project needs in " code { "pipulate.toml" } ":" }
            pre { code { "[secrets]\nrequired = [\"OPENAI_API_KEY\"]" } }
        } @else {
            ul class="cards" aria-label="Secrets" {
                @for secret in &page.secrets { li { (card(secret, about(&secret.name))) } }
            }
        }
        (new(unlisted(page)))
    };
    layout::page(folder, "Secrets", Some("/secrets"), &content)
}

/// A complaint that belongs to no card.
fn unlisted(page: &SecretsPage) -> Option<&Complaint> {
    let has_card = |name: &str| page.secrets.iter().any(|secret| secret.name == name);
    page.complaint.as_ref().filter(|complaint| complaint.is_of_name || !has_card(&complaint.name))
}

/// Asks before a value is lost.
pub(crate) fn question(folder: &Folder, name: &str) -> Markup {
    let content = html! {
        article class="question" aria-labelledby="question" {
            h1 id="question" { "Forget " (name) "?" }
            p { "Its value is deleted from " code { ".env" } " and can't be brought back." }
            div class="verbs" {
                form method="post" { button class="danger" { "Forget " (name) } }
                a href="/secrets" role="button" { "Keep it" }
            }
        }
    };
    layout::page(folder, &format!("Forget {name}?"), Some("/secrets"), &content)
}

fn card(secret: &Secret, complaint: Option<&Complaint>) -> Markup {
    let Secret { name, is_required, is_set, is_listed } = secret;
    let (state, icon) = match (is_set, is_required) {
        (true, _) => ("set", "●"),
        (false, true) => ("missing", "▲"),
        (false, false) => ("empty", "○"),
    };
    html! {
        article aria-labelledby={ "name-" (name) } {
            h2 id={ "name-" (name) } {
                (name) " "
                span class="state" data-state=(state) { span aria-hidden="true" { (icon) } " " (state) }
            }
            @if *is_required { p class="reason" { "The project needs it" } }
            form method="post" action="/secrets" class="value" {
                input type="hidden" name="name" value=(name);
                (field(&format!("New value of {name}"), &said(name), complaint))
                button { (if *is_set { "Replace" } else { "Save" }) }
                (words(&said(name), complaint))
            }
            @if *is_listed {
                a href={ "/secrets/" (utf8_percent_encode(name, NON_ALPHANUMERIC)) "/forget" } aria-label={ "Forget " (name) } { "Forget" }
            }
        }
    }
}

/// A form for a new name, with the error of the last name or its value. The name stays, so that a typo in it
/// can be corrected.
fn new(complaint: Option<&Complaint>) -> Markup {
    let of_name = complaint.filter(|complaint| complaint.is_of_name);
    let of_value = complaint.filter(|complaint| !complaint.is_of_name);
    html! {
        section aria-labelledby="new" {
            h2 id="new" { "Add a secret" }
            form method="post" action="/secrets" class="value" {
                label {
                    "Name"
                    input name="name" required placeholder="OPENAI_API_KEY" autocomplete="off" autocapitalize="characters" spellcheck="false"
                        value=(complaint.map_or("", |complaint| &complaint.name))
                        aria-invalid=[of_name.map(|_| "true")] aria-describedby=[of_name.map(|_| said(""))];
                }
                label { "Value" (field("", &said(""), of_value)) }
                button { "Save" }
                (words(&said(""), complaint))
            }
        }
    }
}

/// A field for a value; `label` is empty if a label surrounds it. `said` is the id of its error message.
fn field(label: &str, said: &str, complaint: Option<&Complaint>) -> Markup {
    let has_label = !label.is_empty();
    html! {
        input type="password" name="value" required autocomplete="off"
            aria-label=[has_label.then_some(label)] placeholder=[has_label.then_some("New value")]
            aria-invalid=[complaint.map(|_| "true")] aria-describedby=[complaint.map(|_| said)];
    }
}

/// The id of a secret's error message; a new secret has no name.
fn said(name: &str) -> String {
    format!("complaint-{name}")
}

fn words(id: &str, complaint: Option<&Complaint>) -> Markup {
    html! {
        @if let Some(complaint) = complaint { small id=(id) role="alert" { (capitalized(&complaint.reason)) } }
    }
}
