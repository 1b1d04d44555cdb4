//! The file as it is written: every key optional, none unknown.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::{Spanned, Value};

use super::Greet;
use super::forms::{List, RawCommand, RawCount, RawPort, RawSize, RawSwitch, RawTime, RawWord, Variables};
use crate::pattern::{self, Case};
use crate::secret::EnvKey;
use crate::service::{Readiness, RestartPolicy, ServiceName, StopSignal};
use crate::watch::Glob;
use crate::web_host::WebHost;

/// How long a start may take when the file does not say.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// What Pipulate knows about a project folder. Every key is optional.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Pipulate")]
pub(super) struct RawConfig {
    /// The project itself.
    pub(super) project: RawProject,
    /// The Python environment.
    pub(super) python: RawPython,
    /// The browser.
    pub(super) browser: RawBrowser,
    /// The local LLM.
    pub(super) ollama: RawOllama,
    /// What is kept in `.env`.
    pub(super) secrets: RawSecrets,
    /// The logs.
    pub(super) logs: RawLogs,
    /// The built-in web app.
    pub(super) web: RawWeb,
    /// What runs, by its name. `jupyter`, `server` and `dashboard` are built in; any other is a
    /// program of yours.
    pub(super) services: RawServices,
}

/// The services as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct RawServices(pub(super) BTreeMap<ServiceName, RawService>);

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a table: [project]")]
#[schemars(rename = "Project")]
pub(super) struct RawProject {
    /// What it is called. Default: the folder's name.
    pub(super) name: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a table: [python]")]
#[schemars(rename = "Python")]
pub(super) struct RawPython {
    /// The folder of the virtual environment. Default: `.venv`.
    pub(super) venv: Option<PathBuf>,
    /// The Python of an environment that another tool manages (conda, pixi, …); nothing is
    /// installed into it.
    pub(super) interpreter: Option<PathBuf>,
    /// The file that lists the packages. Default: `requirements.txt`; where it is missing, `jupyterlab
    /// numpy python-fasthtml python-dotenv`.
    pub(super) requirements: Option<PathBuf>,
    /// The modules that should import; `start` looks. Default: `["numpy"]`, where the project lists it or
    /// lists no packages at all.
    pub(super) probe: Option<List<String>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a table: [browser]")]
#[schemars(rename = "Browser")]
pub(super) struct RawBrowser {
    /// The services whose pages `start` opens, or `false` for none. Default: `["server", "jupyter"]`.
    pub(super) open: RawOpen,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "Open")]
#[serde(untagged, expecting = "expected false, true or a list of services such as [\"server\", \"jupyter\"]")]
pub(super) enum RawOpen {
    Switch(bool),
    Services(Vec<ServiceName>),
}

impl Default for RawOpen {
    fn default() -> Self {
        Self::Switch(true)
    }
}

impl RawOpen {
    pub(super) fn into_names(self) -> Vec<ServiceName> {
        match self {
            Self::Switch(false) => Vec::new(),
            Self::Switch(true) => {
                let names = [ServiceName::SERVER, ServiceName::JUPYTER];
                names.into_iter().filter_map(|name| ServiceName::parse(name).ok()).collect()
            }
            Self::Services(names) => names,
        }
    }
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a table: [ollama]")]
#[schemars(rename = "Ollama")]
pub(super) struct RawOllama {
    /// Where Ollama answers. Default: what `OLLAMA_HOST` says, else `http://127.0.0.1:11434`. One on
    /// another machine is used after you have allowed it: at a terminal, or by the button on the page.
    pub(super) host: Option<String>,
    /// Which model answers. Default: the newest llama that is there.
    pub(super) model: Option<String>,
    /// When `start` lets the model say something clever: only if it is in memory already (`loaded`),
    /// `always`, or `never`. Default: `loaded`.
    #[schemars(with = "Option<Greet>")]
    pub(super) greet: Option<RawWord<Greet>>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a table: [secrets]")]
#[schemars(rename = "Secrets")]
pub(super) struct RawSecrets {
    /// The names of the secrets that the project needs: `start` asks for those that are missing.
    pub(super) required: List<EnvKey>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a table: [logs]")]
#[schemars(rename = "Logs")]
pub(super) struct RawLogs {
    /// How large a log may become before the next one begins. Default: `10MiB`.
    pub(super) max_size: Option<RawSize>,
    /// How many older ones are kept beside it. Default: `5`.
    #[schemars(with = "Option<u32>")]
    pub(super) keep: Option<RawCount>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, expecting = "a table: [web]")]
#[schemars(rename = "Web")]
pub(super) struct RawWeb {
    /// Other users of this machine whose programs may connect to the built-in web app and to JupyterLab,
    /// by name or number: that of a reverse proxy, such as `["www-data"]`. Keys and sign-in are asked for
    /// all the same. Default: none.
    pub(super) users: List<String>,
    /// The names under which a reverse proxy shows the built-in web app by HTTPS, such as
    /// `["app.example.org"]`, with the port where browsers show one. Default: none; then it answers only at
    /// its own address on this machine.
    pub(super) hosts: List<WebHost>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "a table: [services.NAME], and below it command = [\"python\", \"worker.py\"]"
)]
#[schemars(rename = "Service")]
pub(super) struct RawService {
    /// The program and its arguments, as a list; no shell reads it. Its input is empty, and for commands with
    /// `--watch`, npm and vite, which end when their input does, open and silent.
    pub(super) command: Option<RawCommand>,
    /// This port and no other; the service finds it in the variable `PORT`. Default: the next free
    /// one, for the built-in services.
    pub(super) port: Option<RawPort>,
    /// When it counts as ready: when it answers (`http`, by TLS if it speaks that), listens (`tcp`) or
    /// prints a line that matches a regular expression (`log`, as for `logs --grep`; capitals matter);
    /// `none` is as soon as it runs. Default: for the built-in services, when they answer; for your own,
    /// as soon as they run.
    pub(super) ready: Option<RawReady>,
    /// What to do when it ends by itself: `always` or `on-failure` starts it again, `never` does
    /// not. Default: `on-failure`.
    #[schemars(with = "Option<RestartPolicy>")]
    pub(super) restart: Option<RawWord<RestartPolicy>>,
    /// How it is asked to end.
    pub(super) stop: Option<RawStop>,
    /// The files that restart it when they are saved.
    #[schemars(with = "List<Glob>")]
    pub(super) watch: List<Spanned<Glob>>,
    /// The services that must be ready before it starts; none of them may be disabled.
    #[schemars(with = "List<ServiceName>")]
    pub(super) depends_on: List<Spanned<ServiceName>>,
    /// Variables for its environment.
    pub(super) env: Variables,
    /// A file with more of them, such as `.env`. Leave it out for a program that reads `.env` itself.
    pub(super) env_file: Option<PathBuf>,
    /// Whether it runs at all. Default: `true`.
    pub(super) enabled: Option<RawSwitch>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    default,
    expecting = "a table, such as stop = { signal = \"TERM\", timeout = \"10s\" }"
)]
#[schemars(rename = "Stop")]
pub(super) struct RawStop {
    /// The signal that asks it to end. Default: `TERM`.
    #[schemars(with = "Option<StopSignal>")]
    pub(super) signal: Option<RawWord<StopSignal>>,
    /// How long it may take before it is forced. Default: `10s`.
    pub(super) timeout: Option<RawTime>,
}

/// `{ http = "/health" }`, `{ tcp = true }`, `{ log = "regex" }`, each with `timeout`; or `"none"`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) struct RawReady(Readiness);

impl RawReady {
    pub(super) fn resolve(self) -> Readiness {
        self.0
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawReadyTable {
    http: Option<String>,
    tcp: Option<bool>,
    log: Option<String>,
    timeout: Option<RawTime>,
}

impl TryFrom<Value> for RawReady {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        const HELP: &str =
            "write ready = { http = \"/health\" }, { tcp = true }, { log = \"regex\" } or \"none\"";
        let table: RawReadyTable = match value {
            Value::String(word) if word == "none" => return Ok(Self(Readiness::Exec)),
            Value::Table(_) => {
                value.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?
            }
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => return Err(HELP.to_owned()),
        };
        let timeout = table.timeout.map_or(READY_TIMEOUT, |timeout| timeout.0);
        match (table.http, table.tcp, table.log) {
            (Some(path), None, None) if path.starts_with('/') && !path.contains(char::is_whitespace) => {
                Ok(Self(Readiness::Http { path, any_status: false, timeout }))
            }
            (Some(path), None, None) => {
                Err(format!("the path {path:?} must start with \"/\" and contain no spaces"))
            }
            (None, Some(true), None) => Ok(Self(Readiness::Tcp { timeout })),
            (None, None, Some(text)) => Ok(Self(Readiness::Log { pattern: checked(text)?, timeout })),
            _ => Err(HELP.to_owned()),
        }
    }
}

/// A regular expression that can match something: one that can't be read would keep its service from ever
/// being ready.
fn checked(text: String) -> Result<String, String> {
    let Err(error) = pattern::parse(&text, Case::Matters) else { return Ok(text) };
    let why = pattern::why(&error);
    let literal = pattern::literal(&text);
    let written = match literal.contains(['\'', '\n', '\r']) {
        true => Value::from(literal).to_string(),
        false => format!("'{literal}'"),
    };
    Err(format!(
        "{} is not a regular expression: {why}; to look for exactly this text: log = {written}",
        Value::from(text)
    ))
}
