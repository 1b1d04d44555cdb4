//! The frame of every page.
//!
//! No inline script or style: the content security policy forbids both.

use maud::{DOCTYPE, Markup, html};

use crate::assets;

/// Where the navigation leads: address and name.
const PLACES: [(&str, &str); 4] = [
    ("/", "Services"),
    ("/examples/hello", "Hello"),
    ("/examples/counter", "Counter"),
    ("/examples/secret", "Secret"),
];

/// A page with this title; `here` is its place in the navigation, if it has one.
pub(crate) fn page(title: &str, here: Option<&str>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body {
                a class="skip" href="#content" { "Skip to content" }
                header {
                    nav aria-label="Pages" {
                        ul {
                            @for (address, name) in PLACES {
                                li { a href=(address) aria-current=[(here == Some(address)).then_some("page")] { (name) } }
                            }
                        }
                    }
                }
                main id="content" class="container" tabindex="-1" { (content) }
            }
        }
    }
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            title { (title) }
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            // Under the header's "no-referrer" browsers say "Origin: null" when our own forms are sent.
            meta name="referrer" content="same-origin";
            meta name="htmx-config" content="history:false";
            link rel="icon" type="image/svg+xml" href=(assets::ICON.address());
            link rel="stylesheet" href=(assets::PICO.address());
            link rel="stylesheet" href=(assets::APP_STYLE.address());
            script src=(assets::HTMX.address()) {}
        }
    }
}
