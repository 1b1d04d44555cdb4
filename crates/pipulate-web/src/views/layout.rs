//! The frame of every page.
//!
//! No inline script or style: the content security policy forbids both.

use maud::{DOCTYPE, Markup, html};

use crate::addresses;
use crate::assets;
use crate::file_place;
use crate::world::Folder;

/// The navigation: address, name, and the prefix of the place's addresses.
const PLACES: [(&str, &str, &str); 5] = [
    ("/", "Home", "/"),
    ("/logs", "Logs", "/logs"),
    ("/chat", "Chat", "/chat"),
    ("/secrets", "Secrets", "/secrets"),
    ("/examples/hello", "Examples", "/examples"),
];

/// A page.
pub(crate) struct Page<'a> {
    pub(crate) folder: &'a Folder,
    /// The whole title, including the folder's name.
    pub(crate) title: &'a str,
    /// Its address, if it has a place in the navigation.
    pub(crate) here: Option<&'a str>,
    /// Reloads itself if scripts are disabled.
    pub(crate) reloads: bool,
    /// Its content has the height of the window, and scrolls by itself.
    pub(crate) fills: bool,
    /// Its content listens to a stream; any other page has one for the app's end.
    pub(crate) listens: bool,
    pub(crate) content: &'a Markup,
}

/// A page with this title; `here` is its place in the navigation, if it has one.
pub(crate) fn page(folder: &Folder, title: &str, here: Option<&str>, content: &Markup) -> Markup {
    let title = format!("{title} – {}", folder.name);
    Page { folder, title: &title, here, reloads: false, fills: false, listens: false, content }.show()
}

/// A page without a session: it has no links.
pub(crate) fn outside(title: &str, content: &Markup) -> Markup {
    let body = html! { main id="content" tabindex="-1" { (content) } };
    document(title, false, false, &body)
}

impl Page<'_> {
    /// The whole document.
    pub(crate) fn show(&self) -> Markup {
        let body = html! {
            a class="skip" href="#content" { "Skip to content" }
            header {
                (place(self.folder))
                (navigation(self.here))
                button id="keys-open" class="calm" type="button" hidden aria-haspopup="dialog" { "Keys" }
            }
            main id="content" tabindex="-1" { (self.content) }
            form id=(file_place::FORM) method="post" action="/files/open" target="_blank" {}
            @if !self.listens { (listener("life", addresses::LIFE)) }
            (keys())
            p id="offline" role="status"
                data-offline="Not connected: what you see may be old. Trying again…"
                data-signed-out="Signed out. To sign in, run in a terminal, in the project's folder: pipulate open"
                data-home="This home was stopped. To start it, run in a terminal, in its folder: pipulate start"
                data-page="This page was stopped. To start it, run in a terminal, in the project's folder: pipulate start" {}
        };
        document(self.title, self.reloads, self.fills, &body)
    }
}

/// The folder's name and path: two homes may be open in two tabs.
fn place(folder: &Folder) -> Markup {
    html! {
        p id="folder" title=(folder.path) {
            img src=(assets::ICON.address()) alt="" width="22" height="22";
            strong { (folder.name) }
            // Cut at the beginning if it is too long: the end is more informative.
            small { bdi { (folder.path) } }
        }
    }
}

/// Listens to a stream while the page is open, and reconnects.
pub(crate) fn listener(id: &str, address: &str) -> Markup {
    html! {
        div id=(id) hx-sse:connect=(address) hx-trigger="load, every 2s" hx-sync="this:drop" hx-swap="none"
            hx-config="sse.reconnectDelay:300 sse.reconnectMaxDelay:2s sse.connectTimeout:5s" {}
    }
}

fn document(title: &str, reloads: bool, fills: bool, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title, reloads))
            body class=[fills.then_some("full")] { (body) }
        }
    }
}

/// The shortcuts of `keys.js`.
fn keys() -> Markup {
    const KEYS: [(&str, &str); 8] = [
        ("j", "next service"),
        ("k", "previous service"),
        ("s", "start it"),
        ("x", "stop it"),
        ("r", "restart it"),
        ("l", "its log"),
        ("/", "filter the log"),
        ("?", "this list"),
    ];
    html! {
        dialog id="keys" aria-labelledby="keys-title" {
            article {
                h2 id="keys-title" { "Keys" }
                dl { @for (key, what) in KEYS { div { dt { kbd { (key) } } dd { (what) } } } }
                label { input id="keys-use" type="checkbox"; "Use these keys" }
                form method="dialog" { button { "Close" } }
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
            // With the header's "no-referrer", browsers send "Origin: null" with our own forms.
            meta name="referrer" content="same-origin";
            // Longer than the program's own timeout of an action.
            meta name="htmx-config" content="history:false,defaultTimeout:150000";
            @if reloads { noscript { meta http-equiv="refresh" content="10"; } }
            link rel="icon" type="image/svg+xml" href=(assets::ICON.address());
            link rel="stylesheet" href=(assets::PICO.address());
            link rel="stylesheet" href=(assets::APP_STYLE.address());
            script src=(assets::HTMX.address()) {}
            script src=(assets::APP_SCRIPT.address()) defer {}
            script src=(assets::KEYS_SCRIPT.address()) defer {}
        }
    }
}
