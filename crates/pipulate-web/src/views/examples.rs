//! The seed's three pages: hello, counter, secret. Their words are its words.

use maud::{Markup, html};

use crate::problem::capitalized;
use crate::views::layout;

/// FastHTML's `Titled("Hello World", P("Hello, World!"))`.
pub(crate) fn hello() -> Markup {
    titled("Hello World", "/examples/hello", &html! { p { "Hello, World!" } })
}

/// The counter at `count`.
pub(crate) fn counter(count: u64) -> Markup {
    let content = html! {
        h1 { "Hello, FastHTML with HTMX!" }
        p id="count" role="status" { (self::count(count)) }
        form method="post" action="/examples/counter/increment" {
            button hx-post="/examples/counter/increment" hx-target="#count" hx-swap="innerHTML" { "Increment" }
        }
    };
    layout::page("FastHTML HTMX Demo", Some("/examples/counter"), &content)
}

/// What goes into `#count`.
pub(crate) fn count(count: u64) -> Markup {
    html! { "Count: " (count) }
}

/// What the secret's page has to say. No variant can hold the secret.
pub(crate) enum SecretPage {
    /// `complaint`: why the last value was not taken.
    Prompt {
        complaint: Option<String>,
    },
    Known,
    /// `warning`: who else may read the value differently.
    Saved {
        warning: Option<String>,
    },
    AlreadySet,
}

/// The secret's page.
pub(crate) fn secret(page: &SecretPage) -> Markup {
    let (title, content) = match page {
        SecretPage::Prompt { complaint } => ("Secret Prompt", secret_form(complaint.as_deref())),
        SecretPage::Known => ("Secret Prompt", html! { p { "I already know your secret" } }),
        SecretPage::Saved { warning } => {
            let content = html! {
                p role="status" { "Your secret has been saved." }
                @if let Some(warning) = warning { p { (capitalized(warning)) } }
            };
            ("Secret Saved", content)
        }
        SecretPage::AlreadySet => (
            "Secret Already Set",
            html! { p role="status" { "A secret is already set. No changes were made." } },
        ),
    };
    titled(title, "/examples/secret", &content)
}

fn secret_form(complaint: Option<&str>) -> Markup {
    html! {
        form method="post" {
            label {
                "Enter the secret:"
                input type="password" name="secret" autocomplete="off" aria-invalid=[complaint.map(|_| "true")]
                    aria-describedby=[complaint.map(|_| "complaint")];
            }
            @if let Some(complaint) = complaint {
                p id="complaint" role="alert" { (capitalized(complaint)) }
            }
            button type="submit" { "Submit" }
        }
    }
}

/// A page whose title is its heading.
fn titled(title: &str, here: &str, content: &Markup) -> Markup {
    layout::page(title, Some(here), &html! { h1 { (title) } (content) })
}
