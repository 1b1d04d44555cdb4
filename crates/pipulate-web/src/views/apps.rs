//! Making a web app of a notebook: the question, the result, and refusals.

use maud::{Markup, html};
use pipulate_core::service::ServiceName;
use pipulate_core::text::{capitalized, printable};

use crate::views::layout;
use crate::views::notebooks::{app_address, preview_address};
use crate::world::{AppPlan, Folder, NoApp};

/// The files to write, and the question.
pub(crate) fn question(folder: &Folder, path: &str, plan: &AppPlan) -> Markup {
    let address = app_address(path);
    let content = html! {
        article class="question" aria-labelledby="question" {
            h2 id="question" { "Make an app of " (printable(path)) "?" }
            p { "A form and its result, for people who don't write Python. It would write, over no file that is there:" }
            (written(plan))
            (notes(plan))
            @if plan.replaces_page {
                p class="alert" {
                    "The app takes the place of this page, at this address. This page is then the service dashboard; "
                    "to open it, run in a terminal, in the project's folder: pipulate open dashboard"
                }
                p { a href={ (address) "?beside" } { "Keep this page, and make the app a service of its own" } }
            }
            div class="verbs" {
                form method="post" action=(address) {
                    input type="hidden" name="service" value=(plan.service);
                    button { "Make it an app" }
                }
                a href=(preview_address(path)) role="button" { "Leave it as it is" }
            }
        }
    };
    page(folder, "Make it an app", &content)
}

/// The existing app.
pub(crate) fn already(folder: &Folder, path: &str, service: &ServiceName) -> Markup {
    let content = html! {
        article aria-labelledby="already" {
            h2 id="already" { (printable(path)) " is an app already" }
            p { "It is the service " (service) ". What you change in the notebook, it shows at the next run." }
            div class="verbs" {
                (open(service))
                a href={ (app_address(path)) "?another" } role="button" { "Make another app of it" }
            }
        }
    };
    page(folder, "An app", &content)
}

/// The written files, and the result of the start.
pub(crate) fn made(folder: &Folder, path: &str, plan: &AppPlan, started: &Result<String, String>) -> Markup {
    let content = html! {
        article aria-labelledby="made" {
            h2 id="made" { "An app of " (printable(path)) }
            p { "Written, and yours from now on:" }
            (written(plan))
            (notes(plan))
            @match started {
                Ok(text) => p role="status" { (capitalized(text)) },
                Err(text) => (alert(text)),
            }
            div class="verbs" {
                @match (started, plan.replaces_page) {
                    (Ok(_), true) => a href="/" role="button" { "Open the app" },
                    (Ok(_), false) => (open(&plan.service)),
                    (Err(_), _) => a href={ "/logs?service=" (plan.service) } { "Its log" },
                }
                a href="/" { "Home" }
            }
            @if plan.replaces_page && started.is_ok() {
                p { "The app answers at this address when the server has restarted. To have this page again, run in a terminal, in the project's folder:" }
                pre { code { "pipulate open dashboard" } }
            }
        }
    };
    page(folder, "An app", &content)
}

/// The reason why there is no app.
pub(crate) fn refused(folder: &Folder, path: &str, refusal: &NoApp) -> Markup {
    let content = html! {
        article aria-labelledby="refused" {
            h2 id="refused" { "No app was made of " (printable(path)) }
            (alert(&refusal.0))
            div class="verbs" { a href=(preview_address(path)) role="button" { "Back to the notebook" } }
        }
    };
    page(folder, "No app", &content)
}

fn open(service: &ServiceName) -> Markup {
    html! {
        form method="post" action={ "/services/" (service) "/open" } target="_blank" {
            button { "Open the app" }
        }
    }
}

fn page(folder: &Folder, title: &str, content: &Markup) -> Markup {
    let content = html! { h1 { (title) } (content) };
    layout::page(folder, title, Some("/notebooks"), &content)
}

/// An error and its remedy, line by line.
fn alert(text: &str) -> Markup {
    html! {
        div class="alert" role="alert" { @for line in text.lines() { p { (sentence(line)) } } }
    }
}

/// A line as a sentence; file names stay unchanged.
fn sentence(line: &str) -> String {
    let line = printable(line);
    let is_name = line.split(' ').next().is_some_and(|word| word.contains(['.', '/']));
    if is_name { line } else { capitalized(&line) }
}

fn written(plan: &AppPlan) -> Markup {
    html! {
        ul {
            @for file in &plan.files { li { code { (printable(file)) } } }
            @if plan.adds_service {
                li { code { "[services." (plan.service) "]" } " in " code { "pipulate.toml" } ", the rest of which stays as it is" }
            }
        }
    }
}

fn notes(plan: &AppPlan) -> Markup {
    html! {
        @for note in &plan.notes { p class=[note.is_warning.then_some("alert")] { (printable(&note.text)) } }
    }
}
