//! Colors by meaning. Text is understandable without them.
//!
//! A painted text carries sealed color sequences, which no text from elsewhere can have: they hold a number that
//! this process drew. [`Style::shown`] makes real ones of them, and drops all others.

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use pipulate_core::state::ServiceState;
use pipulate_core::text;

/// What our colors begin with, until they are shown; `?` is allowed in a control sequence.
static SEAL: LazyLock<String> = LazyLock::new(|| format!("{}?", RandomState::new().hash_one("seal")));

/// Whether there are colors, and what they stand for.
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

    /// Whether there are colors.
    pub(crate) fn is_colored(self) -> bool {
        self.colored
    }

    /// As it should be.
    pub(crate) fn good(self, text: impl fmt::Display) -> String {
        self.paint("32", text)
    }

    /// Broken.
    pub(crate) fn bad(self, text: impl fmt::Display) -> String {
        self.paint("1;31", text)
    }

    /// Worth a look.
    pub(crate) fn warning(self, text: impl fmt::Display) -> String {
        self.paint("33", text)
    }

    /// Advice, paths and addresses.
    pub(crate) fn hint(self, text: impl fmt::Display) -> String {
        self.paint("36", text)
    }

    /// Of less interest.
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

    /// A service's own color: always the same one for a name.
    pub(crate) fn service(self, name: &str, text: impl fmt::Display) -> String {
        const PALETTE: [&str; 6] = ["36", "33", "35", "34", "32", "96"];
        let hash = name
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        self.paint(PALETTE[hash as usize % PALETTE.len()], text)
    }

    /// The text as it is written to a terminal or a pipe: with our colors if there are any, and without what
    /// else could steer a terminal.
    pub(crate) fn shown(self, text: &str) -> Cow<'_, str> {
        text::harmless(text, |color| {
            color.strip_prefix(SEAL.as_str()).filter(|_| self.colored).map(Cow::from)
        })
    }

    /// Help and usage, whose colors are the argument parser's, as if they were painted here.
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
