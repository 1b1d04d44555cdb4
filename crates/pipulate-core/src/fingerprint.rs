//! The fingerprint of a service's configuration when it began, for detecting a later change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A digest of each key of a service in `pipulate.toml` that affects its process. It contains no values,
/// which may be secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfigFingerprint(pub BTreeMap<String, String>);

impl ConfigFingerprint {
    /// True if it is unknown: the service was started by a Pipulate without fingerprints.
    pub fn is_unknown(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the keys that have changed.
    pub fn changed<'a>(&self, now: &'a Self) -> Vec<&'a str> {
        if self.is_unknown() {
            return Vec::new();
        }
        let differs = |(key, _): &(&'a String, &String)| self.0.get(*key) != now.0.get(*key);
        now.0.iter().filter(differs).map(|(key, _)| key.as_str()).collect()
    }
}

impl ConfigFingerprint {
    /// Returns the fingerprint of these keys and values.
    pub fn of<const N: usize>(entries: [(&str, String); N]) -> Self {
        let digests = entries.map(|(key, text)| (key.to_owned(), format!("{:016x}", fnv1a(text.as_bytes()))));
        Self(digests.into())
    }
}

/// FNV-1a, 64 bits: stable over versions of this program.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn of(text: &str) -> ConfigFingerprint {
        Config::parse(&format!("[services.w]\ncommand = [\"w\"]\n{text}"))
            .unwrap()
            .service("w")
            .unwrap()
            .fingerprint()
    }

    #[test]
    fn a_change_is_named_by_its_key_and_no_value_is_kept() {
        let before = of("port = 5001\n");
        assert_eq!(before.changed(&of("# a comment\nport = 5001\n")), [] as [&str; 0]);
        assert_eq!(before.changed(&of("port = 5002\nwatch = [\"*.py\"]\n")), ["port", "watch"]);
        let secret = of("env = { KEY = \"sk-123456\" }\n");
        assert_eq!(before.changed(&secret), ["env", "port"]);
        assert!(!serde_json::to_string(&secret).unwrap().contains("sk-"), "{secret:?}");
        assert_eq!(ConfigFingerprint::default().changed(&secret), [] as [&str; 0], "nothing is known");
    }
}
