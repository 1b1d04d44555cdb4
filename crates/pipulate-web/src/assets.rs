//! The pages' files, embedded in the binary: everything works without a network.
//!
//! Third-party files are listed with version, license and hash in `assets/VENDOR.toml`.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// One embedded file.
pub(crate) struct Asset {
    pub(crate) name: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) content: &'static str,
    /// `/static/NAME?VERSION`.
    address: LazyLock<String, fn() -> String>,
}

impl Asset {
    /// The part after `?` in its address, which changes with its content.
    pub(crate) fn version(&self) -> &str {
        self.address.split_once('?').map_or("", |(_, version)| version)
    }

    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", self.version())
    }

    /// Its address, which can be cached forever.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

macro_rules! asset {
    ($name:literal, $content_type:literal, $content:expr) => {
        Asset {
            name: $name,
            content_type: $content_type,
            content: $content,
            address: LazyLock::new(|| format!("/static/{}?{}", $name, hash($content))),
        }
    };
}

/// One script and not two: htmx may process the page before a second file has added hx-sse to it.
pub(crate) static HTMX: Asset = asset!(
    "htmx.js",
    "text/javascript; charset=utf-8",
    concat!(include_str!("../assets/htmx/htmx.min.js"), "\n", include_str!("../assets/htmx/hx-sse.min.js"))
);
pub(crate) static PICO: Asset =
    asset!("pico.css", "text/css; charset=utf-8", include_str!("../assets/pico/pico.classless.min.css"));
pub(crate) static APP_STYLE: Asset =
    asset!("app.css", "text/css; charset=utf-8", include_str!("../assets/app.css"));
/// Ours: the front page.
pub(crate) static HOME_STYLE: Asset =
    asset!("home.css", "text/css; charset=utf-8", include_str!("../assets/home.css"));
/// Ours: the notebook preview.
pub(crate) static NOTEBOOK_STYLE: Asset =
    asset!("notebook.css", "text/css; charset=utf-8", include_str!("../assets/notebook.css"));
/// Ours: the pages' behavior beyond forms and links.
pub(crate) static APP_SCRIPT: Asset =
    asset!("app.js", "text/javascript; charset=utf-8", include_str!("../assets/app.js"));
/// Ours: keyboard shortcuts.
pub(crate) static KEYS_SCRIPT: Asset =
    asset!("keys.js", "text/javascript; charset=utf-8", include_str!("../assets/keys.js"));
/// Ours: the keys and the copy buttons of a chat.
pub(crate) static CHAT_SCRIPT: Asset =
    asset!("chat.js", "text/javascript; charset=utf-8", include_str!("../assets/chat.js"));
pub(crate) static CHAT_STYLE: Asset =
    asset!("chat.css", "text/css; charset=utf-8", include_str!("../assets/chat.css"));
/// Ours: following a log.
pub(crate) static LOGS_SCRIPT: Asset =
    asset!("logs.js", "text/javascript; charset=utf-8", include_str!("../assets/logs.js"));
pub(crate) static LOGS_STYLE: Asset =
    asset!("logs.css", "text/css; charset=utf-8", include_str!("../assets/logs.css"));
pub(crate) static ICON: Asset = asset!("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg"));

/// The file with that name.
pub(crate) fn find(name: &str) -> Option<&'static Asset> {
    [
        &HTMX,
        &PICO,
        &APP_STYLE,
        &HOME_STYLE,
        &NOTEBOOK_STYLE,
        &APP_SCRIPT,
        &KEYS_SCRIPT,
        &CHAT_STYLE,
        &CHAT_SCRIPT,
        &LOGS_STYLE,
        &LOGS_SCRIPT,
        &ICON,
    ]
    .into_iter()
    .find(|asset| asset.name == name)
}

/// The first half of the SHA-256, in hexadecimal.
fn hash(content: &str) -> String {
    Sha256::digest(content).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
