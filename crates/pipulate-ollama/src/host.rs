//! The address of Ollama, parsed by the rules that Ollama itself has for `OLLAMA_HOST`.
//!
//! A [`Host`] is always something to connect to: an address that only makes sense for listening
//! (`0.0.0.0`, `::`, or none at all) has become the loopback address of its family.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Ollama's default port.
const DEFAULT_PORT: u16 = 11434;

/// The address of an Ollama server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    scheme: Scheme,
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    name: String,
    port: u16,
    /// Empty, or starts with `/` and does not end with one.
    path: String,
    ignored_port: Option<String>,
}

/// An address, and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    pub host: Host,
    pub source: Source,
}

/// The source of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Flag,
    Environment,
    File,
    /// None: Ollama's default.
    Default,
}

/// The scheme of a server's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

/// Why an address can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Neither http nor https.
    #[error(
        "{scheme:?} can't be used to reach Ollama; write an address such as http://127.0.0.1:11434 in OLLAMA_HOST, \
         or [ollama] host in pipulate.toml"
    )]
    Scheme { scheme: String },
    /// It contains a user name and a password, which are not repeated anywhere.
    #[error(
        "OLLAMA_HOST, or [ollama] host in pipulate.toml, holds a user before an @; Ollama knows no users: write \
         an address such as http://127.0.0.1:11434"
    )]
    User,
    /// It contains characters that no host name can have.
    #[error(
        "{name:?} is not a host name; write an address such as http://127.0.0.1:11434 in OLLAMA_HOST, or [ollama] host in pipulate.toml"
    )]
    Name { name: String },
}

impl Host {
    /// Chooses the first of flag, environment and file that is set; else Ollama's default.
    ///
    /// # Errors
    /// The chosen one is invalid: a wrong flag does not fall back to the environment.
    pub fn choose(flag: Option<&str>, env: Option<&str>, file: Option<&str>) -> Result<Chosen, HostError> {
        let all = [(flag, Source::Flag), (env, Source::Environment), (file, Source::File)];
        let said = all.into_iter().filter_map(|(text, source)| Some((text?, source)));
        let given = said.into_iter().find(|(text, _)| !trimmed(text).is_empty());
        let (text, source) = given.unwrap_or(("", Source::Default));
        Ok(Chosen { host: Self::parse(text)?, source })
    }

    /// Parses an address as Ollama parses `OLLAMA_HOST`; the empty text is the default.
    ///
    /// ```
    /// use pipulate_ollama::host::Host;
    ///
    /// let everywhere = Host::parse("0.0.0.0").unwrap();
    /// assert_eq!(everywhere.url("/api/tags"), "http://127.0.0.1:11434/api/tags");
    /// assert!(!Host::parse("gpu.example.org:8000").unwrap().is_loopback());
    /// ```
    ///
    /// # Errors
    /// It has a scheme other than http and https, or something that can't be a host's name.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let text = trimmed(text);
        if text == "ollama.com" {
            return Self::parse("https://ollama.com:443");
        }
        let (scheme, default_port, rest) = match text.split_once("://") {
            None => (Scheme::Http, DEFAULT_PORT, text),
            Some(("http", rest)) => (Scheme::Http, 80, rest),
            Some(("https", rest)) => (Scheme::Https, 443, rest),
            Some((scheme, _)) => return Err(HostError::Scheme { scheme: scheme.to_owned() }),
        };
        if rest.contains('@') {
            return Err(HostError::User);
        }
        let (name_and_port, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (name, port) = split_port(name_and_port);
        let path = path.trim_matches('/');
        let valid = port.and_then(|port| port.parse::<u16>().ok());
        Ok(Self {
            scheme,
            name: connectable(name)?,
            port: valid.unwrap_or(default_port),
            path: if path.is_empty() { String::new() } else { format!("/{path}") },
            ignored_port: port.filter(|_| valid.is_none()).map(str::to_owned),
        })
    }

    /// Returns its host name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the text in the port's place, if it was invalid and replaced by the default.
    pub fn ignored_port(&self) -> Option<&str> {
        self.ignored_port.as_deref()
    }

    /// Returns true if requests stay on this machine, whatever a resolver returns: a name that merely
    /// resolves to a loopback address may resolve to another one next time. A name that a URL spells
    /// differently (`ä.localhost`) isn't pinned by [`Self::addresses_by_rule`].
    pub fn is_loopback(&self) -> bool {
        let name = self.name.trim_matches(['[', ']']);
        let lower = name.to_ascii_lowercase();
        let named = name.is_ascii() && (lower == "localhost" || lower.ends_with(".localhost"));
        named || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Returns the name and its addresses, if it means this machine by rule (RFC 6761). A resolver may return
    /// just one of the two addresses, and Ollama may listen on the other.
    pub(crate) fn addresses_by_rule(&self) -> Option<(&str, [SocketAddr; 2])> {
        let is_name = self.name.trim_matches(['[', ']']).parse::<IpAddr>().is_err();
        let addresses = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        let addresses = addresses.map(|address| SocketAddr::new(address, self.port));
        (is_name && self.is_loopback()).then_some((self.name.as_str(), addresses))
    }

    /// Returns the URL of an endpoint, such as `/api/tags`.
    pub fn url(&self, endpoint: &str) -> String {
        format!("{self}{endpoint}")
    }
}

impl fmt::Display for Host {
    /// The base URL, without a trailing slash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}:{}{}", self.name, self.port, self.path)
    }
}

/// Removes surrounding spaces, one or both kinds of quotes, and the spaces inside those.
fn trimmed(text: &str) -> &str {
    text.trim().trim_matches(['"', '\'']).trim()
}

/// Splits at the port's colon; an IPv6 address without brackets has none.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, port)) if name.ends_with(']') || !name.contains(':') => (name, Some(port)),
        Some(_) | None => (text, None),
    }
}

fn connectable(name: &str) -> Result<String, HostError> {
    let bare = name.trim_matches(['[', ']']);
    if bare.is_empty() {
        return Ok(Ipv4Addr::LOCALHOST.to_string());
    }
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => Ok(Ipv4Addr::LOCALHOST.to_string()),
        Ok(IpAddr::V4(address)) => Ok(address.to_string()),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => Ok(format!("[{}]", Ipv6Addr::LOCALHOST)),
        Ok(IpAddr::V6(address)) => Ok(format!("[{address}]")),
        Err(_) if bare.chars().all(|c| c.is_alphanumeric() || "-._".contains(c)) => Ok(bare.to_owned()),
        Err(_) => Err(HostError::Name { name: name.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_ollama_reads_them() {
        for (text, url) in [
            ("", "http://127.0.0.1:11434"),
            ("1.2.3.4", "http://1.2.3.4:11434"),
            (":1234", "http://127.0.0.1:1234"),
            ("1.2.3.4:1234", "http://1.2.3.4:1234"),
            ("example.com", "http://example.com:11434"),
            ("example.com:1234", "http://example.com:1234"),
            ("example.com:", "http://example.com:11434"),
            (":0", "http://127.0.0.1:0"),
            (":66000", "http://127.0.0.1:11434"),
            (":-1", "http://127.0.0.1:11434"),
            ("[::1]", "http://[::1]:11434"),
            ("[::]", "http://[::1]:11434"),
            ("::", "http://[::1]:11434"),
            ("::1", "http://[::1]:11434"),
            ("[::1]:1337", "http://[::1]:1337"),
            ("0.0.0.0", "http://127.0.0.1:11434"),
            ("0.0.0.0:8080", "http://127.0.0.1:8080"),
            (" 1.2.3.4 ", "http://1.2.3.4:11434"),
            ("\"1.2.3.4\"", "http://1.2.3.4:11434"),
            (" \" 1.2.3.4 \" ", "http://1.2.3.4:11434"),
            ("'1.2.3.4'", "http://1.2.3.4:11434"),
            ("http://1.2.3.4", "http://1.2.3.4:80"),
            ("http://1.2.3.4:4321", "http://1.2.3.4:4321"),
            ("http://1.2.3.4:99999", "http://1.2.3.4:80"),
            ("https://1.2.3.4", "https://1.2.3.4:443"),
            ("https://1.2.3.4:4321", "https://1.2.3.4:4321"),
            ("https://example.com/ollama", "https://example.com:443/ollama"),
            ("http://example.com:1/a/b/", "http://example.com:1/a/b"),
            ("ollama.com", "https://ollama.com:443"),
            ("localhost:11434", "http://localhost:11434"),
        ] {
            assert_eq!(Host::parse(text).unwrap().to_string(), url, "{text:?}");
        }
    }

    #[test]
    fn a_port_that_is_none_is_told_of() {
        assert_eq!(Host::parse(":66000").unwrap().ignored_port(), Some("66000"));
        assert_eq!(Host::parse(":1234").unwrap().ignored_port(), None);
        assert_eq!(Host::parse("::1").unwrap().ignored_port(), None);
    }

    #[test]
    fn what_is_no_address_is_refused_with_an_example() {
        for text in ["ftp://x", "a b", "http://user@host", "fe80::1%eth0", "http://a?b"] {
            let error = Host::parse(text).unwrap_err().to_string();
            assert!(error.contains("http://127.0.0.1:11434"), "{text}: {error}");
        }
        for text in ["http://me:hush@host", "me:hush@host:1", "http://me:hu/sh@host"] {
            assert_eq!(Host::parse(text), Err(HostError::User), "a password is repeated by nobody");
        }
    }

    #[test]
    fn the_flag_comes_before_the_environment_and_that_before_the_file() {
        let chosen = |flag, env, file| Host::choose(flag, env, file).map(|it| it.host.to_string());
        assert_eq!(chosen(Some("a"), Some("b"), Some("c")).unwrap(), "http://a:11434");
        assert_eq!(chosen(None, Some("b"), Some("c")).unwrap(), "http://b:11434");
        assert_eq!(chosen(None, Some(" '' "), Some("c")).unwrap(), "http://c:11434");
        assert_eq!(chosen(None, None, None).unwrap(), "http://127.0.0.1:11434");
        assert!(chosen(Some("ftp://a"), Some("b"), None).is_err());
        let source = |env, file| Host::choose(None, env, file).unwrap().source;
        assert_eq!(source(Some("b"), Some("c")), Source::Environment);
        assert_eq!(source(Some(" "), Some("c")), Source::File);
        assert_eq!(source(None, Some("")), Source::Default);
    }

    #[test]
    fn loopback_is_known_by_address_and_by_name() {
        for text in ["", "localhost", "LOCALHOST:1", "a.localhost", "127.9.9.9", "::1", "0.0.0.0"] {
            assert!(Host::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in [
            "example.com",
            "10.0.0.1",
            "notlocalhost",
            "localhost.example.com",
            "localhost.",
            "ä.localhost",
            "ｌocalhost",
            "127.0.0.1.example.com",
            "127.1",
            "fe80::1",
            "::ffff:192.0.2.2",
            "https://192.0.2.2",
        ] {
            assert!(!Host::parse(text).unwrap().is_loopback(), "{text}");
        }
    }
}
