//! The output's terminal, and whether to use colors.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};

/// The value of `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ColorWish {
    #[default]
    Auto,
    Always,
    Never,
}

/// The terminal of this process, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terminal {
    pub(crate) stdin_is_terminal: bool,
    pub(crate) stdout_is_terminal: bool,
    pub(crate) stderr_is_terminal: bool,
    /// The number of columns, if known.
    pub(crate) width: Option<u16>,
    /// The color settings in the environment.
    environment: ColorEnvironment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ColorEnvironment {
    Forbids,
    Forces,
    /// `TERM=dumb`.
    Dumb,
    Silent,
}

impl Terminal {
    /// Reads the standard streams and the environment.
    pub(crate) fn of_this_process() -> Self {
        let window = rustix::termios::tcgetwinsize(io::stderr())
            .or_else(|_| rustix::termios::tcgetwinsize(io::stdout()));
        Self {
            stdin_is_terminal: io::stdin().is_terminal(),
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
            width: window.ok().map(|window| window.ws_col).filter(|&columns| columns > 0),
            environment: ColorEnvironment::read(|name| std::env::var_os(name)),
        }
    }

    /// Returns true if a stream gets colors: flag, then `NO_COLOR`, then `CLICOLOR_FORCE` or `FORCE_COLOR`,
    /// then `TERM=dumb`, then whether it is a terminal.
    pub(crate) fn wants_color(&self, wish: ColorWish, is_terminal: bool) -> bool {
        match (wish, self.environment) {
            (ColorWish::Always, _) | (ColorWish::Auto, ColorEnvironment::Forces) => true,
            (ColorWish::Never, _) | (ColorWish::Auto, ColorEnvironment::Forbids | ColorEnvironment::Dumb) => {
                false
            }
            (ColorWish::Auto, ColorEnvironment::Silent) => is_terminal,
        }
    }
}

impl ColorEnvironment {
    /// Empty variables count as unset.
    fn read(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let value = |name: &str| variable(name).filter(|value| !value.is_empty());
        let forces = |name: &str| value(name).is_some_and(|value| value != "0");
        if value("NO_COLOR").is_some() {
            Self::Forbids
        } else if forces("CLICOLOR_FORCE") || forces("FORCE_COLOR") {
            Self::Forces
        } else if value("TERM").is_some_and(|value| value == "dumb") {
            Self::Dumb
        } else {
            Self::Silent
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colors(wish: ColorWish, is_terminal: bool, variables: &[(&str, &str)]) -> bool {
        let environment = ColorEnvironment::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        });
        let terminal = Terminal {
            stdin_is_terminal: false,
            stdout_is_terminal: is_terminal,
            stderr_is_terminal: is_terminal,
            width: None,
            environment,
        };
        terminal.wants_color(wish, is_terminal)
    }

    #[test]
    fn the_first_word_about_colors_counts() {
        assert!(colors(ColorWish::Auto, true, &[]));
        assert!(!colors(ColorWish::Auto, false, &[]));
        assert!(colors(ColorWish::Always, false, &[("NO_COLOR", "1"), ("TERM", "dumb")]));
        assert!(!colors(ColorWish::Never, true, &[("FORCE_COLOR", "1")]));
        assert!(!colors(ColorWish::Auto, true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]));
        assert!(colors(ColorWish::Auto, false, &[("FORCE_COLOR", "1"), ("TERM", "dumb")]));
        assert!(!colors(ColorWish::Auto, true, &[("TERM", "dumb")]));
    }

    #[test]
    fn an_empty_variable_is_unset_and_a_zero_forces_nothing() {
        assert!(colors(ColorWish::Auto, true, &[("NO_COLOR", "")]));
        assert!(!colors(ColorWish::Auto, false, &[("CLICOLOR_FORCE", "0"), ("FORCE_COLOR", "")]));
    }
}
