//! The file as it is written: every key optional, none unknown.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::Greet;
use crate::service::{Readiness, RestartPolicy, ServiceName, StopSignal};
use crate::units::{Bytes, Seconds};
use crate::watch::Glob;

/// How long a start may take when the file does not say.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// A whole `pipulate.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawConfig {
    pub(super) project: RawProject,
    pub(super) python: RawPython,
    pub(super) browser: RawBrowser,
    pub(super) ollama: RawOllama,
    pub(super) secrets: RawSecrets,
    pub(super) logs: RawLogs,
    pub(super) services: BTreeMap<ServiceName, RawService>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawProject {
    pub(super) name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPython {
    pub(super) venv: Option<PathBuf>,
    pub(super) interpreter: Option<PathBuf>,
    pub(super) requirements: Option<PathBuf>,
    pub(super) probe: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawBrowser {
    pub(super) open: RawOpen,
}

#[derive(Debug, Deserialize)]
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

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawOllama {
    pub(super) host: Option<String>,
    pub(super) model: Option<String>,
    pub(super) greet: Option<Greet>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSecrets {
    pub(super) required: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLogs {
    pub(super) max_size: Option<Bytes>,
    pub(super) keep: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawService {
    pub(super) command: Option<Vec<String>>,
    pub(super) port: Option<RawPort>,
    pub(super) ready: Option<RawReady>,
    pub(super) restart: Option<RestartPolicy>,
    pub(super) stop: Option<RawStop>,
    pub(super) watch: Vec<Spanned<Glob>>,
    pub(super) depends_on: Vec<Spanned<ServiceName>>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) env_file: Option<PathBuf>,
    pub(super) enabled: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct RawPort(pub(super) NonZeroU16);

impl TryFrom<i64> for RawPort {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        let port = u16::try_from(number).ok().and_then(NonZeroU16::new);
        port.map(Self).ok_or_else(|| format!("{number} is not a port; write a number from 1 to 65535"))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawStop {
    pub(super) signal: Option<StopSignal>,
    pub(super) timeout: Option<Seconds>,
}

/// `{ http = "/health" }`, `{ tcp = true }`, `{ log = "regex" }`, each with `timeout`; or `"none"`.
#[derive(Debug, Deserialize)]
#[serde(try_from = "RawReadyForm")]
pub(super) struct RawReady(Readiness);

impl RawReady {
    pub(super) fn resolve(self) -> Readiness {
        self.0
    }
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected { http = \"/health\" }, { tcp = true }, { log = \"regex\" } or \"none\""
)]
enum RawReadyForm {
    Word(String),
    Table(RawReadyTable),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawReadyTable {
    http: Option<String>,
    tcp: Option<bool>,
    log: Option<String>,
    timeout: Option<Seconds>,
}

impl TryFrom<RawReadyForm> for RawReady {
    type Error = String;

    fn try_from(form: RawReadyForm) -> Result<Self, String> {
        const HELP: &str =
            "write ready = { http = \"/health\" }, { tcp = true }, { log = \"regex\" } or \"none\"";
        let table = match form {
            RawReadyForm::Word(word) if word == "none" => return Ok(Self(Readiness::Exec)),
            RawReadyForm::Word(_) => return Err(HELP.to_owned()),
            RawReadyForm::Table(table) => table,
        };
        let timeout = table.timeout.map_or(READY_TIMEOUT, |timeout| timeout.0);
        match (table.http, table.tcp, table.log) {
            (Some(path), None, None) if path.starts_with('/') && !path.contains(char::is_whitespace) => {
                Ok(Self(Readiness::Http { path, any_status: false, timeout }))
            }
            (Some(path), None, None) => {
                Err(format!("the path {path:?} must start with \"/\" and hold no space"))
            }
            (None, Some(true), None) => Ok(Self(Readiness::Tcp { timeout })),
            (None, None, Some(pattern)) => Ok(Self(Readiness::Log { pattern, timeout })),
            _ => Err(HELP.to_owned()),
        }
    }
}
