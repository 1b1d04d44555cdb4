//! Which variables hold secrets.

/// Whether the value of a variable of this name is a secret.
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
}
