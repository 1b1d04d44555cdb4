//! The name under which a reverse proxy shows the built-in web app, as browsers write it in Host and Origin.

use std::fmt;

use serde::Deserialize;

/// A name, with a port unless it is HTTPS's own: `app.example.org`, `app.example.org:8443`. In lower case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WebHost(String);

impl WebHost {
    /// Parses a name from the configuration.
    ///
    /// # Errors
    /// If it is not a name; with what to write instead, if possible.
    pub fn parse(text: &str) -> Result<Self, String> {
        let host = text.to_ascii_lowercase();
        let host = host.strip_suffix(":443").unwrap_or(&host);
        if is_host(host) {
            return Ok(Self(host.to_owned()));
        }
        let address = host.split_once("://").map_or(host, |(_, rest)| rest);
        let bare = address.split(['/', '?', '#']).next().unwrap_or_default().trim_end_matches('.');
        let advice = match bare {
            bare if is_host(bare) => format!("write {bare:?}"),
            _ if !text.is_ascii() => "write it as browsers send it, in ASCII (xn--…)".to_owned(),
            _ => "write it as in \"app.example.org\" or \"app.example.org:8443\"".to_owned(),
        };
        Err(format!("{text:?} is not a host name; {advice}"))
    }

    /// Returns the form of a Host header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WebHost {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Display for WebHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(allowed)
    };
    let is_port = |port: &str| {
        // In the form of browsers.
        port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port)
    };
    name.len() <= 253 && name.split('.').all(is_label) && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_as_browsers_write_it() {
        for (written, kept) in [
            ("app.example.org", "app.example.org"),
            ("App.Example.ORG:443", "app.example.org"),
            ("app.example.org:8443", "app.example.org:8443"),
            ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
            ("192.168.1.5", "192.168.1.5"),
            ("localhost:8443", "localhost:8443"),
        ] {
            assert_eq!(WebHost::parse(written).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn an_address_or_a_pattern_is_not_a_name_and_the_name_in_it_is_suggested() {
        let refusal = |text: &str| WebHost::parse(text).unwrap_err();
        assert!(refusal("https://app.example.org/").ends_with(r#"write "app.example.org""#));
        assert!(refusal("app.example.org.").ends_with(r#"write "app.example.org""#));
        assert!(
            refusal("*.example.org")
                .ends_with(r#"write it as in "app.example.org" or "app.example.org:8443""#)
        );
        assert!(refusal("münchen.example").ends_with(r#"write it as browsers send it, in ASCII (xn--…)"#));
        let long = ["a"; 128].join(".");
        for text in [
            "",
            ".",
            "a..b",
            "a b",
            "user@app.example",
            "[::1]:5001",
            "app:0",
            "app:080",
            "app:x",
            "a:1:2",
            &long,
        ] {
            assert!(WebHost::parse(text).is_err(), "{text}");
        }
    }
}
