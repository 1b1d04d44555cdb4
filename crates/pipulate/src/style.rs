//! Colors by meaning. Text is understandable without them.
//!
//! A painted text carries sealed color sequences, which text from elsewhere can't contain: they include a
//! random number of this process. [`Style::shown`] turns them into real ones, and drops all others.

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use pipulate_core::state::ServiceState;
use pipulate_core::text;

/// The prefix of sealed color sequences; `?` is allowed in a control sequence.
static SEAL: LazyLock<String> = LazyLock::new(|| format!("{}?", RandomState::new().hash_one("seal")));

/// Whether there are colors, and their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    colored: bool,
}

impl Style {
    /// With colors if `colored`.
    pub(crate) fn new(colored: bool) -> Self {
        Self { colored }
    }

    /// Without colors.
    pub(crate) fn plain() -> Self {
        Self::new(false)
    }

    /// With colors.
    #[cfg(test)]
    pub(crate) fn colored() -> Self {
        Self::new(true)
    }

    /// Returns true if there are colors.
    pub(crate) fn is_colored(self) -> bool {
        self.colored
    }

    /// Healthy.
    pub(crate) fn good(self, text: impl fmt::Display) -> String {
        self.paint("32", text)
    }

    /// Broken.
    pub(crate) fn bad(self, text: impl fmt::Display) -> String {
        self.paint("1;31", text)
    }

    /// Noteworthy.
    pub(crate) fn warning(self, text: impl fmt::Display) -> String {
        self.paint("33", text)
    }

    /// Advice, paths and addresses.
    pub(crate) fn hint(self, text: impl fmt::Display) -> String {
        self.paint("36", text)
    }

    /// Less important.
    pub(crate) fn dim(self, text: impl fmt::Display) -> String {
        self.paint("2", text)
    }

    /// Headings.
    pub(crate) fn bold(self, text: impl fmt::Display) -> String {
        self.paint("1", text)
    }

    /// A text about a service in this state.
    pub(crate) fn state(self, state: ServiceState, text: impl fmt::Display) -> String {
        match state {
            ServiceState::Ready | ServiceState::Running => self.good(text),
            ServiceState::Starting
            | ServiceState::Stopping
            | ServiceState::Backoff
            | ServiceState::Degraded
            | ServiceState::Unsupervised
            | ServiceState::Unknown => self.warning(text),
            ServiceState::Crashed | ServiceState::Unstable => self.bad(text),
            ServiceState::Stopped | ServiceState::Exited => self.dim(text),
        }
    }

    /// A service's own color, constant for its name.
    pub(crate) fn service(self, name: &str, text: impl fmt::Display) -> String {
        const PALETTE: [&str; 6] = ["36", "33", "35", "34", "32", "96"];
        let hash = name
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        self.paint(PALETTE[hash as usize % PALETTE.len()], text)
    }

    /// The text for a terminal or a pipe: with our colors if enabled, and without any other
    /// control sequences.
    pub(crate) fn shown(self, text: &str) -> Cow<'_, str> {
        text::harmless(text, |color| {
            color.strip_prefix(SEAL.as_str()).filter(|_| self.colored).map(Cow::from)
        })
    }

    /// Treats the argument parser's colors in help and usage as our own.
    pub(crate) fn adopted(text: &str) -> Cow<'_, str> {
        let is_one = |parameter: &str| {
            matches!(parameter, "0" | "1" | "2" | "4" | "31" | "32" | "33" | "34" | "35" | "36" | "96")
        };
        text::harmless(text, |color| color.split(';').all(is_one).then(|| format!("{}{color}", *SEAL).into()))
    }

    fn paint(self, color: &str, text: impl fmt::Display) -> String {
        let seal = SEAL.as_str();
        if self.colored { format!("\x1b[{seal}{color}m{text}\x1b[{seal}0m") } else { text.to_string() }
    }
}
