//! A service: what to run, when it is ready, what to do when it ends.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
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
    /// The services that exist without an entry in `pipulate.toml`.
    pub const BUILT_IN: [&str; 3] = [Self::JUPYTER, Self::SERVER, Self::DASHBOARD];

    /// Checks a name.
    ///
    /// ```
    /// use pipulate_core::service::ServiceName;
    ///
    /// assert_eq!(ServiceName::parse("nightly-job").unwrap().as_str(), "nightly-job");
    /// assert!(ServiceName::parse("../job").unwrap_err().contains("use letters, digits"));
    /// ```
    ///
    /// # Errors
    /// A sentence that says which characters are allowed.
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

    /// Returns the name as text.
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

/// Everything that a supervisor needs to know about its service: it looks nothing else up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    pub name: ServiceName,
    /// Program and arguments, not empty: data, never a shell string.
    pub command: Vec<Word>,
    pub directory: AbsPath,
    /// Added to the environment that `start` was called in.
    pub env: BTreeMap<String, OsString>,
    /// Removed from it.
    pub env_removed: Vec<String>,
    pub port: Option<PortWish>,
    /// The services that must be up before it starts for the first time.
    pub needs: Vec<ServiceName>,
    pub ready: Readiness,
    pub restart: RestartPolicy,
    pub stop: StopSpec,
    /// The path of the service's page, relative to its address; `None` if it has no page.
    pub page: Option<String>,
    /// A file with a token: made before a start, removed by a stop.
    pub token: Option<AbsPath>,
    /// A private Jupyter runtime directory: files in it are stale after a stop.
    pub jupyter_runtime: Option<AbsPath>,
    pub log_limits: LogLimits,
    /// The files whose saves restart it.
    pub watch: Option<WatchSpec>,
    /// Its configuration.
    #[serde(default)]
    pub configured: ConfigFingerprint,
}

/// Programs that end when their input ends, although they don't read it: JavaScript development servers, and
/// the tools that start them.
const ENDING_WITH_THEIR_INPUT: [&str; 9] =
    ["bun", "bunx", "esbuild", "npm", "npx", "pnpm", "react-scripts", "vite", "yarn"];

/// Programs that restart another one when a file is saved.
const RELOADERS: [&str; 8] =
    ["air", "cargo-watch", "entr", "hupper", "nodemon", "watchexec", "watchfiles", "watchmedo"];

impl ServiceSpec {
    /// A service without a command and with every default.
    pub fn bare(name: ServiceName, directory: AbsPath) -> Self {
        Self {
            name,
            command: Vec::new(),
            directory,
            env: BTreeMap::new(),
            env_removed: Vec::new(),
            port: None,
            needs: Vec::new(),
            ready: Readiness::Exec,
            restart: RestartPolicy::Never,
            stop: StopSpec::default(),
            page: None,
            token: None,
            jupyter_runtime: None,
            log_limits: LogLimits::default(),
            watch: None,
            configured: ConfigFingerprint::default(),
        }
    }

    /// Returns the program, or the option, that restarts the service when a file is saved.
    pub fn reloader(&self) -> Option<&str> {
        let words = self.command.iter().filter_map(Word::plain).flat_map(str::split_ascii_whitespace);
        words
            .map(|word| word.rsplit('/').next().unwrap_or_default())
            .find(|name| RELOADERS.contains(name) || matches!(*name, "--reload" | "--watch" | "--autoreload"))
    }

    /// Returns true if the program ends when its input ends: `tailwindcss --watch`, `vite`.
    pub fn ends_with_its_input(&self) -> bool {
        let words = self.command.iter().filter_map(Word::plain);
        // A word may be a shell command.
        words.flat_map(str::split_ascii_whitespace).any(|word| {
            let name = word.rsplit('/').next().unwrap_or_default();
            matches!(word, "-w" | "--watch")
                || word.starts_with("--watch=")
                || ENDING_WITH_THEIR_INPUT.contains(&name)
        })
    }

    /// Returns the Python file that it runs.
    pub fn python_file(&self) -> Option<&Path> {
        self.command.iter().filter_map(Word::plain).find(|word| word.ends_with(".py")).map(Path::new)
    }
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
    /// Returns the word as text, if it is known before the service starts.
    pub fn plain(&self) -> Option<&str> {
        match self {
            Self::Plain(word) => word.to_str(),
            Self::Port(_) | Self::TerminalMarker { .. } => None,
        }
    }

    /// Returns the word for this port and this marker of the service's terminals.
    pub fn resolve(&self, port: Option<u16>, terminal_marker: &str) -> OsString {
        match self {
            Self::Plain(word) => word.clone(),
            Self::Port(before) => format!("{before}{}", port.unwrap_or(0)).into(),
            Self::TerminalMarker { before, after } => format!("{before}{terminal_marker}{after}").into(),
        }
    }
}

/// The preferred port of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortWish {
    pub port: u16,
    /// Set by the user: no other port is acceptable.
    pub pinned: bool,
}

/// When a starting service counts as ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Readiness {
    /// As soon as its exec succeeded; the state is then `running`.
    Exec,
    /// One of its own listeners accepts connections.
    Tcp { timeout: Duration },
    /// One of its own listeners answers `GET path`.
    Http { path: String, any_status: bool, timeout: Duration },
    /// A line of its output matches this regular expression.
    Log { pattern: String, timeout: Duration },
}

impl Readiness {
    /// Returns how long a start may take before it has failed.
    pub fn timeout(&self) -> Option<Duration> {
        match self {
            Self::Exec => None,
            Self::Tcp { timeout } | Self::Http { timeout, .. } | Self::Log { timeout, .. } => Some(*timeout),
        }
    }
}

/// The scheme of a service's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    #[default]
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// Returns the scheme's name in a URL.
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

/// The limits for storing a service's output.
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
    fn programs_that_end_with_their_input_are_known_by_their_command() {
        let ends = |words: &[&str]| {
            let mut spec = spec();
            spec.command = words.iter().map(|word| Word::Plain(word.into())).collect();
            spec.ends_with_its_input()
        };
        for words in [
            &["tailwindcss", "-i", "in.css", "--watch"][..],
            &["./node_modules/.bin/esbuild", "app.js"],
            &["tsc", "-w"],
            &["tailwindcss", "--watch=always"],
            &["npm", "run", "dev"],
            &["sh", "-c", "cd web && npx vite"],
        ] {
            assert!(ends(words), "{words:?}");
        }
        for words in [&["python", "server.py"][..], &["uvicorn", "watch:app"], &["python", "vite.py"], &[]] {
            assert!(!ends(words), "{words:?}");
        }
    }

    #[test]
    fn a_reloader_is_known_by_its_name_or_its_option() {
        for (words, found) in [
            (&["watchfiles", "python app.py"][..], Some("watchfiles")),
            (&["python", "-m", "watchfiles", "app.main"], Some("watchfiles")),
            (&["/p/.venv/bin/watchmedo", "auto-restart"], Some("watchmedo")),
            (&["env", "X=1", "uvicorn", "app:app", "--reload"], Some("--reload")),
            (&["sh", "-c", "exec nodemon app.js"], Some("nodemon")),
            (&["python", "app.py"], None),
        ] {
            let mut spec = spec();
            spec.command = words.iter().map(|word| Word::Plain(word.into())).collect();
            assert_eq!(spec.reloader(), found, "{words:?}");
        }
    }

    #[test]
    fn the_python_file_of_a_command_is_found() {
        let file = |words: &[&str]| {
            let mut spec = spec();
            spec.command = words.iter().map(|word| Word::Plain(word.into())).collect();
            spec.python_file().map(|file| file.display().to_string())
        };
        assert_eq!(file(&["python", "-u", "app/s.py", "x.py"]).as_deref(), Some("app/s.py"));
        assert_eq!(file(&["uvicorn", "app:app", "--host", "0.0.0.0"]), None);
    }

    fn spec() -> ServiceSpec {
        ServiceSpec::bare(ServiceName::parse("a").unwrap(), AbsPath::new("/p").unwrap())
    }

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
