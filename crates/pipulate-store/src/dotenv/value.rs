//! The value of a secret, guarded against accidental output.

use std::fmt;

/// A value that can't be printed by accident: it has no `Display`, and its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(String);

impl SecretValue {
    /// Takes the text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Takes a text that was piped in: strips the one line break that `echo` and editors add.
    pub fn from_input(text: &str) -> Self {
        let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
        Self(text.to_owned())
    }

    /// Returns the plain value, for the one place that needs it.
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
