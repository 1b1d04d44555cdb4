//! The frame of every page.
//!
//! No inline script or style: the content security policy forbids both.

use maud::{DOCTYPE, Markup, html};

use crate::assets;

/// Where the navigation leads: address, name, and what addresses of that place begin with.
const PLACES: [(&str, &str, &str); 5] = [
    ("/", "Services", "/"),
    ("/logs", "Logs", "/logs"),
    ("/chat", "Chat", "/chat"),
    ("/secrets", "Secrets", "/secrets"),
    ("/examples/hello", "Examples", "/examples"),
];

/// A page.
pub(crate) struct Page<'a> {
    pub(crate) title: &'a str,
    /// Its address, if it has a place in the navigation.
    pub(crate) here: Option<&'a str>,
    /// Reloads itself where scripts are switched off.
    pub(crate) reloads: bool,
    pub(crate) content: &'a Markup,
}

/// A page with this title; `here` is its place in the navigation, if it has one.
pub(crate) fn page(title: &str, here: Option<&str>, content: &Markup) -> Markup {
    Page { title, here, reloads: false, content }.show()
}

impl Page<'_> {
    /// The whole document.
    pub(crate) fn show(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                (head(self.title, self.reloads))
                body {
                    a class="skip" href="#content" { "Skip to content" }
                    header { (navigation(self.here)) }
                    main id="content" tabindex="-1" { (self.content) }
                    p id="offline" role="status"
                        data-offline="Not connected: what you see may be old. Trying again…"
                        data-signed-out="Signed out: in a terminal, in the project's folder, run \"pipulate open\"" {}
                }
            }
        }
    }
}

fn navigation(here: Option<&str>) -> Markup {
    let is_here = |start: &str| match start {
        "/" => here == Some("/"),
        start => here.is_some_and(|here| here.starts_with(start)),
    };
    html! {
        nav aria-label="Pages" {
            ul {
                @for (address, name, start) in PLACES {
                    li { a href=(address) aria-current=[is_here(start).then_some("page")] { (name) } }
                }
            }
        }
    }
}

fn head(title: &str, reloads: bool) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            title { (title) }
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            // Under the header's "no-referrer" browsers say "Origin: null" when our own forms are sent.
            meta name="referrer" content="same-origin";
            meta name="htmx-config" content="history:false";
            @if reloads { noscript { meta http-equiv="refresh" content="10"; } }
            link rel="icon" type="image/svg+xml" href=(assets::ICON.address());
            link rel="stylesheet" href=(assets::PICO.address());
            link rel="stylesheet" href=(assets::APP_STYLE.address());
            script src=(assets::HTMX.address()) {}
            script src=(assets::APP_SCRIPT.address()) defer {}
        }
    }
}
