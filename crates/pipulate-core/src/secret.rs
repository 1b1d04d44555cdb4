//! Which variables hold secrets, and their allowed names.

use std::fmt;

use serde::Deserialize;

/// The shortest text that is masked as a secret, in characters: masking shorter ones would hide half of every
/// text, and reveal them by their masks.
pub const SHORTEST: usize = 6;

/// A name that every reader of `.env` files accepts: letters, digits and `_`, not starting with a digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct EnvKey(String);

/// An invalid name. It is not repeated: it may be a value in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "that is not a name for a secret; use letters, digits and \"_\", not starting with a digit, such as OPENAI_API_KEY"
)]
pub struct NotAKey;

impl EnvKey {
    /// Checks a name.
    ///
    /// # Errors
    /// A sentence that says which characters are allowed.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let well_formed = text.bytes().all(allowed) && text.starts_with(|c: char| !c.is_ascii_digit());
        if well_formed { Ok(Self(text.to_owned())) } else { Err(NotAKey) }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EnvKey {
    type Error = NotAKey;

    fn try_from(text: String) -> Result<Self, NotAKey> {
        Self::parse(&text)
    }
}

impl fmt::Display for EnvKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The replacement for a secret in output.
pub const MASKED: &str = "****";

/// True if a variable's name suggests that its value is a secret.
pub fn says_secret(key: &str) -> bool {
    let key = key.to_ascii_uppercase();
    ["KEY", "TOKEN", "SECRET", "PASS", "CREDENTIAL"].iter().any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_say_secret_are_known() {
        for key in ["OPENAI_API_KEY", "token", "DB_PASSWORD", "AWS_CREDENTIALS", "MY_SECRET", "passphrase"] {
            assert!(says_secret(key), "{key}");
        }
        for key in ["HOME", "PORT", "DEBUG", "MODEL"] {
            assert!(!says_secret(key), "{key}");
        }
    }

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
}
