//! A position in several logs, written as `server:120,worker:4096`.

use std::collections::BTreeMap;
use std::fmt;

use pipulate_core::service::ServiceName;

/// The position in each service's whole output; 0 for unnamed services.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cursor(BTreeMap<ServiceName, u64>);

impl Cursor {
    /// Parses the output of [`fmt::Display`]. `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let pairs = text.split(',').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, position) = pair.split_once(':')?;
            let is_number = position.bytes().all(|byte| byte.is_ascii_digit());
            Some((ServiceName::parse(name).ok()?, position.parse().ok().filter(|_| is_number)?))
        };
        pairs.map(pair).collect::<Option<_>>().map(Self)
    }

    pub(crate) fn of(&self, service: &ServiceName) -> u64 {
        self.0.get(service).copied().unwrap_or(0)
    }

    /// A position in the output of one service.
    pub(crate) fn at(service: &ServiceName, position: u64) -> Self {
        Self([(service.clone(), position)].into())
    }

    pub(super) fn set(&mut self, service: &ServiceName, position: u64) {
        self.0.insert(service.clone(), position);
    }

    /// Returns true if nothing comes before it.
    pub(crate) fn is_at_start(&self) -> bool {
        self.0.values().all(|position| *position == 0)
    }

    /// Advances to the end of a later reading; services that it did not include keep their position.
    pub(crate) fn advance(&mut self, later: Self) {
        self.0.extend(later.0);
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (service, position)) in self.0.iter().enumerate() {
            write!(f, "{}{service}:{position}", if number > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_back_and_nothing_else_does() {
        for text in ["", "web:0", "a:1,b-2:18446744073709551615"] {
            assert_eq!(Cursor::parse(text).unwrap().to_string(), text);
        }
        for text in
            ["web", "web:", "web:+1", "web:-1", "web:1:2", "../x:1", "web:99999999999999999999", "\u{0}:1"]
        {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
