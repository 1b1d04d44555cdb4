//! Names and values, each with what makes it one.

use std::fmt;

/// A name that every reader of `.env` files takes: letters, digits and `_`, not starting with a digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EnvKey(String);

/// What was given as a name is none. It is not repeated: it may be a value in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "that is not a name for a secret; use letters, digits and \"_\", not starting with a digit, such as OPENAI_API_KEY"
)]
pub struct NotAKey;

impl EnvKey {
    /// Checks a name.
    ///
    /// # Errors
    /// A sentence that says what a name may hold.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let well_formed = text.bytes().all(allowed) && text.starts_with(|c: char| !c.is_ascii_digit());
        if well_formed { Ok(Self(text.to_owned())) } else { Err(NotAKey) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A value that is shown to nobody by accident: it has no `Display`, and its `Debug` is silent.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(String);

impl SecretValue {
    /// Takes the text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Takes a text that was piped in: `echo` and editors put one line break at its end.
    pub fn from_input(text: &str) -> Self {
        let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
        Self(text.to_owned())
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_a_shell_takes_too() {
        for text in ["A", "_x9", "OPENAI_API_KEY"] {
            assert!(EnvKey::parse(text).is_ok(), "{text}");
        }
        for text in ["", "1A", "A-B", "A B", "Ä", "A=", "sk-12345"] {
            let error = EnvKey::parse(text).unwrap_err();
            assert!(text.is_empty() || !error.to_string().contains(text) || text.len() == 1, "{error}");
        }
    }

    #[test]
    fn a_value_does_not_show_itself() {
        assert_eq!(format!("{:?}", SecretValue::new("hush")), "SecretValue(hidden)");
    }

    #[test]
    fn one_final_line_break_of_an_input_is_dropped() {
        for (text, value) in
            [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("a\r", "a\r"), ("", "")]
        {
            assert_eq!(SecretValue::from_input(text).expose(), value);
        }
    }
}
