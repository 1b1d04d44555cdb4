//! A service: what to run, when it is ready, what to do when it ends.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fingerprint::ConfigFingerprint;
use crate::project::AbsPath;
use crate::watch::WatchSpec;

/// A service's name: letters, digits, `-` and `_`, at most 63, not starting with `-` or `_`.
///
/// It becomes part of file names and of the marker in a process's environment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ServiceName(String);

impl ServiceName {
    /// The built-in JupyterLab.
    pub const JUPYTER: &str = "jupyter";
    /// The built-in web server.
    pub const SERVER: &str = "server";
    /// The built-in embedded app beside a `server.py`.
    pub const DASHBOARD: &str = "dashboard";
    /// Those that exist without a word in `pipulate.toml`.
    pub const BUILT_IN: [&str; 3] = [Self::JUPYTER, Self::SERVER, Self::DASHBOARD];

    /// Checks a name.
    ///
    /// # Errors
    /// A sentence that says what a name may hold.
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let well_formed = text.bytes().all(allowed) && text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !well_formed || text.len() > 63 {
            return Err(format!(
                "{text:?} is not a service name; use letters, digits, \"-\" and \"_\", at most 63 of them"
            ));
        }
        if text == "supervisor" {
            return Err("\"supervisor\" is taken: supervisor.log belongs to Pipulate itself".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.0
    }
}

impl TryFrom<String> for ServiceName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Everything that a supervisor needs to know about its service: nothing is left to be looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    pub name: ServiceName,
    /// Program and arguments, not empty: data, never a shell string.
    pub command: Vec<Word>,
    pub directory: AbsPath,
    /// Added to the environment that `start` was called in.
    pub env: BTreeMap<String, OsString>,
    /// Taken out of it.
    pub env_removed: Vec<String>,
    pub port: Option<PortWish>,
    /// The services that have to be up before it starts for the first time.
    pub needs: Vec<ServiceName>,
    pub ready: Readiness,
    pub restart: RestartPolicy,
    pub stop: StopSpec,
    /// Where the service's page is, relative to its address; `None` when it has no page.
    pub page: Option<String>,
    /// A file with a token: made before a start, removed by a stop.
    pub token: Option<AbsPath>,
    /// A private Jupyter runtime directory: what is left in it after a stop is stale.
    pub jupyter_runtime: Option<AbsPath>,
    pub log_limits: LogLimits,
    /// The files whose saves restart it.
    pub watch: Option<WatchSpec>,
    /// What the configuration said of it.
    #[serde(default)]
    pub configured: ConfigFingerprint,
}

/// One word of a command; some are only known when the service starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    Plain(OsString),
    /// The text, then the service's port.
    Port(String),
    /// The marker of the service's terminals between two texts.
    TerminalMarker {
        before: String,
        after: String,
    },
}

impl Word {
    /// The word for a service that has this port and this marker for its terminals.
    pub fn resolve(&self, port: Option<u16>, terminal_marker: &str) -> OsString {
        match self {
            Self::Plain(word) => word.clone(),
            Self::Port(before) => format!("{before}{}", port.unwrap_or(0)).into(),
            Self::TerminalMarker { before, after } => format!("{before}{terminal_marker}{after}").into(),
        }
    }
}

/// The port that a service would like to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortWish {
    pub port: u16,
    /// Set by the user: another port is no substitute.
    pub pinned: bool,
}

/// When a starting service counts as ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Readiness {
    /// As soon as its exec succeeded; the state is then `running`.
    Exec,
    /// A listener of its own accepts connections.
    Tcp { timeout: Duration },
    /// A listener of its own answers `GET path`.
    Http { path: String, any_status: bool, timeout: Duration },
    /// A line of its output matches this regular expression.
    Log { pattern: String, timeout: Duration },
}

impl Readiness {
    /// How long a start may take before it has failed.
    pub fn timeout(&self) -> Option<Duration> {
        match self {
            Self::Exec => None,
            Self::Tcp { timeout } | Self::Http { timeout, .. } | Self::Log { timeout, .. } => Some(*timeout),
        }
    }
}

/// What a service's page is fetched by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    #[default]
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// As it stands in an address.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// What follows when a service ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

/// How a service is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopSpec {
    pub signal: StopSignal,
    /// How long it may take before it is forced.
    pub timeout: Duration,
}

impl Default for StopSpec {
    fn default() -> Self {
        Self { signal: StopSignal::Term, timeout: Duration::from_secs(10) }
    }
}

/// The signals that may ask a service to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum StopSignal {
    Term,
    Int,
    Quit,
    Hup,
    Usr1,
    Usr2,
    Kill,
}

/// How much of a service's output is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLimits {
    /// Bytes per file.
    pub max_size: u64,
    /// Older files beside the current one.
    pub keep: u32,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { max_size: 10 << 20, keep: 5 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_folder_are_refused() {
        for name in ["jupyter", "my-worker_2", "a"] {
            assert!(ServiceName::parse(name).is_ok(), "{name}");
        }
        for name in ["", "..", "a/b", "-x", "a b", "a\n", "ü", "supervisor", &"x".repeat(64)] {
            assert!(ServiceName::parse(name).is_err(), "{name}");
        }
    }
}
