//! Detects a proxy from the environment between us and a server, for error messages.

use crate::host::{Host, Scheme};

/// Returns the variable that names the proxy.
pub(crate) fn in_between(host: &Host) -> Option<&'static str> {
    if host.is_loopback() {
        return None;
    }
    decide(host, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

fn decide(host: &Host, variable: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let excepted = ["NO_PROXY", "no_proxy"].into_iter().find_map(&variable).unwrap_or_default();
    let name = host.name();
    let is_excepted = excepted.split(',').map(str::trim).any(|exception| {
        let domain = exception.trim_start_matches('.');
        exception == "*"
            || (!domain.is_empty()
                && name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
    });
    let names = match host.scheme() {
        Scheme::Http => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
        Scheme::Https => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
    };
    names.into_iter().find(|name| !is_excepted && variable(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_in_between_is_named_by_its_variable() {
        let of = |host: &str, set: &[(&str, &str)]| {
            let variable =
                |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            decide(&Host::parse(host).unwrap(), variable)
        };
        let proxy = ("HTTP_PROXY", "http://p:3128");
        assert_eq!(of("http://ai.lan:11434", &[proxy]), Some("HTTP_PROXY"));
        assert_eq!(of("https://ai.lan", &[proxy]), None);
        assert_eq!(of("https://ai.lan", &[("all_proxy", "socks5://p")]), Some("all_proxy"));
        for exception in ["ai.lan", ".lan", "x, lan", "*"] {
            assert_eq!(of("http://ai.lan:11434", &[proxy, ("NO_PROXY", exception)]), None, "{exception}");
        }
        assert!(of("http://ai.lan:11434", &[proxy, ("no_proxy", "i.lan")]).is_some());
    }
}
