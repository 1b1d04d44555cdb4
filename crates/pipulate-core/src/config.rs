//! `pipulate.toml`: as written (`RawConfig`), then interpreted ([`Config`]).
//!
//! Parsing never touches a file: the caller passes the text. Unknown keys are errors that point at their
//! line.

mod error;
mod forms;
mod raw;
mod schema;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

pub use error::ConfigError;
pub use schema::schema;
pub use sources::SecretSources;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::fingerprint::ConfigFingerprint;
use crate::order;
use crate::secret::EnvKey;
use crate::service::{LogLimits, Readiness, RestartPolicy, ServiceName, StopSpec};
use crate::watch::Glob;
use crate::web_host::WebHost;

const DEFAULT_REQUIREMENTS: &str = "requirements.txt";

/// A project's configuration, every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `[project] name`; the caller falls back to the folder's name.
    pub name: Option<String>,
    pub python: PythonConfig,
    /// The services whose pages `start` opens.
    pub browser: Vec<ServiceName>,
    pub ollama: OllamaConfig,
    /// The secrets that the project needs: `[secrets] required`.
    pub secrets: Vec<EnvKey>,
    pub logs: LogLimits,
    /// `[web] users`: the other users whose programs may connect, by name or number.
    pub web_users: Vec<String>,
    /// `[web] hosts`: the names under which a reverse proxy shows the built-in web app.
    pub web_hosts: Vec<WebHost>,
    /// In the order of the file, the built-in ones first.
    pub services: Vec<ServiceConfig>,
}

/// `[python]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonConfig {
    /// Relative to the project unless absolute.
    pub venv: PathBuf,
    /// An environment that we don't manage.
    pub interpreter: Option<PathBuf>,
    pub requirements: PathBuf,
    /// True if the file names another one than the default: then it must exist.
    pub requirements_named: bool,
    /// Modules that must be importable. `None`: numpy, if the project lists it or lists nothing.
    pub probe: Option<Vec<String>>,
}

/// `[ollama]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OllamaConfig {
    pub host: Option<String>,
    pub model: Option<String>,
    pub greet: Greet,
}

/// When `start` lets the model say something clever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Greet {
    /// Only from a model that is in memory already.
    Loaded,
    Always,
    Never,
}

/// One `[services.NAME]`, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceConfig {
    pub name: ServiceName,
    /// `None`: built in, see [`ServiceName`]'s constants.
    pub command: Option<Vec<String>>,
    pub port: Option<u16>,
    pub ready: Option<Readiness>,
    pub restart: RestartPolicy,
    pub stop: StopSpec,
    pub watch: Vec<Glob>,
    pub depends_on: Vec<ServiceName>,
    pub env: BTreeMap<String, String>,
    pub env_file: Option<PathBuf>,
    pub enabled: bool,
}

impl ServiceConfig {
    /// Returns a digest of these settings, for detecting changes.
    pub fn fingerprint(&self) -> ConfigFingerprint {
        ConfigFingerprint::of([
            ("command", format!("{:?}", self.command)),
            ("port", format!("{:?}", self.port)),
            ("ready", format!("{:?}", self.ready)),
            ("restart", format!("{:?}", self.restart)),
            ("stop", format!("{:?}", self.stop)),
            ("watch", self.watch.iter().map(|glob| format!("{glob}\n")).collect()),
            ("env", format!("{:?}", self.env)),
            ("env_file", format!("{:?}", self.env_file)),
        ])
    }
}

impl Config {
    /// Reads a `pipulate.toml`; the empty text gives every default.
    ///
    /// ```
    /// use pipulate_core::config::Config;
    ///
    /// let config = Config::parse("[services.worker]\ncommand = ['python', 'worker.py']").unwrap();
    /// assert!(config.service("worker").unwrap().enabled && config.has_jupyter());
    ///
    /// let wrong = Config::parse("[services.worker]\ncomand = ['python', 'worker.py']").unwrap_err();
    /// assert!(wrong.to_string().contains("line 2, column 1"));
    /// ```
    ///
    /// # Errors
    /// The place of the error: line, column, the line, and what is allowed there.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let raw: Result<raw::RawConfig, _> = toml::from_str(text);
        raw.map_err(|error| ConfigError { message: error.to_string().trim_end().to_owned() })
            .and_then(|raw| Self::resolve(raw, text))
            .map_err(|error| error.without_secrets(text))
    }

    /// Returns the service of that name.
    pub fn service(&self, name: &str) -> Option<&ServiceConfig> {
        self.services.iter().find(|service| service.name.as_str() == name)
    }

    /// True if JupyterLab is one of the services.
    pub fn has_jupyter(&self) -> bool {
        self.service(ServiceName::JUPYTER).is_some_and(|jupyter| jupyter.enabled)
    }

    fn resolve(raw: raw::RawConfig, text: &str) -> Result<Self, ConfigError> {
        let services = raw.services.0;
        let needs = needs(&services);
        let python = PythonConfig {
            venv: raw.python.venv.unwrap_or_else(|| PathBuf::from(".venv")),
            interpreter: raw.python.interpreter,
            // Naming the default is the same as naming none: so the output of `config --show` has the same
            // meaning.
            requirements_named: raw
                .python
                .requirements
                .as_deref()
                .is_some_and(|file| file != Path::new(DEFAULT_REQUIREMENTS)),
            requirements: raw.python.requirements.unwrap_or_else(|| PathBuf::from(DEFAULT_REQUIREMENTS)),
            probe: raw.python.probe.map(|probe| probe.0),
        };
        let logs = LogLimits::default();
        let config = Self {
            name: raw.project.name,
            python,
            browser: raw.browser.open.into_names(),
            ollama: OllamaConfig {
                host: raw.ollama.host,
                model: raw.ollama.model,
                greet: raw.ollama.greet.map_or(Greet::Loaded, |greet| greet.0),
            },
            secrets: raw.secrets.required.0,
            logs: LogLimits {
                max_size: raw.logs.max_size.map_or(logs.max_size, |size| size.0).max(4096),
                keep: raw.logs.keep.map_or(logs.keep, |keep| keep.0),
            },
            web_users: raw.web.users.0,
            web_hosts: raw.web.hosts.0,
            services: resolve_services(services, text)?,
        };
        config.check_dependencies(&needs, text)?;
        Ok(config)
    }

    fn check_dependencies(&self, needs: &[Need], text: &str) -> Result<(), ConfigError> {
        let services: BTreeMap<&ServiceName, &ServiceConfig> =
            self.services.iter().map(|service| (&service.name, service)).collect();
        for Need { service, needed, at } in needs {
            let why = match services.get(needed) {
                None => "is no service",
                // A disabled service starts nothing.
                Some(needed) if !needed.enabled && services.get(service).is_some_and(|own| own.enabled) => {
                    "is disabled"
                }
                Some(_) => continue,
            };
            let message = format!("[services.{service}] depends_on names {needed}, which {why}");
            return Err(ConfigError::at(text, at, &message));
        }
        let names: Vec<ServiceName> = services.keys().map(|&name| name.clone()).collect();
        let depends_on =
            |name: &ServiceName| services.get(name).map_or(&[][..], |service| &service.depends_on);
        let circular = order::layers(&names, depends_on).circular;
        let Some(Need { service, at, .. }) = need_in_circle(needs, circular.iter().map(|&at| &names[at]))
        else {
            return Ok(());
        };
        let message = format!("[services.{service}] depends_on leads back to itself");
        Err(ConfigError::at(text, at, &message))
    }
}

/// Returns a need that is part of a cycle, among services that each need another one of them.
fn need_in_circle<'a>(
    needs: &'a [Need],
    circular: impl Iterator<Item = &'a ServiceName>,
) -> Option<&'a Need> {
    let circular: BTreeSet<&ServiceName> = circular.collect();
    let mut next: BTreeMap<&ServiceName, &Need> = BTreeMap::new();
    for need in needs.iter().filter(|need| circular.contains(&need.needed)) {
        next.entry(&need.service).or_insert(need);
    }
    // From any of them the needs lead into a cycle.
    let mut service = *circular.first()?;
    let mut passed = BTreeSet::new();
    while passed.insert(service) {
        service = &next.get(service)?.needed;
    }
    let mut circle = BTreeMap::new();
    while let Some(need) = next.get(service).filter(|_| !circle.contains_key(service)) {
        circle.insert(service, *need);
        service = &need.needed;
    }
    circle.into_values().next()
}

/// A service's dependency on another one, and its place in the file.
struct Need {
    service: ServiceName,
    needed: ServiceName,
    at: Range<usize>,
}

fn needs(services: &BTreeMap<ServiceName, raw::RawService>) -> Vec<Need> {
    let of_one = |(service, raw): (&ServiceName, &raw::RawService)| {
        let need = |needed: &Spanned<ServiceName>| Need {
            service: service.clone(),
            needed: needed.get_ref().clone(),
            at: needed.span(),
        };
        raw.depends_on.0.iter().map(need).collect::<Vec<_>>()
    };
    services.iter().flat_map(of_one).collect()
}

/// The built-in services come first and exist without an entry in the file.
fn resolve_services(
    mut raw: BTreeMap<ServiceName, raw::RawService>,
    text: &str,
) -> Result<Vec<ServiceConfig>, ConfigError> {
    let mut services = Vec::new();
    for name in ServiceName::BUILT_IN {
        let name = ServiceName::parse(name).map_err(|message| ConfigError { message })?;
        let service = raw.remove(&name).unwrap_or_default();
        services.push(resolve_service(name, service, text)?);
    }
    for (name, service) in raw {
        services.push(resolve_service(name, service, text)?);
    }
    Ok(services)
}

fn resolve_service(
    name: ServiceName,
    raw: raw::RawService,
    text: &str,
) -> Result<ServiceConfig, ConfigError> {
    let built_in = ServiceName::BUILT_IN.contains(&name.as_str());
    let refuse = |message: String| Err(ConfigError { message: format!("[services.{name}] {message}") });
    match raw.command.as_ref().map(|command| &command.0) {
        None if !built_in => {
            return refuse("needs a command, such as command = [\"python\", \"worker.py\"]".to_owned());
        }
        Some(words) if words.first().is_none_or(String::is_empty) => {
            return refuse("command is empty; write command = [\"python\", \"worker.py\"]".to_owned());
        }
        Some(_) | None => {}
    }
    if let Some(watch) = raw.watch.0.first().filter(|_| name.as_str() == ServiceName::JUPYTER) {
        let message = "[services.jupyter] jupyter can't have watch: a restart would end its kernels";
        return Err(ConfigError::at(text, &watch.span(), message));
    }
    let stop = raw.stop.unwrap_or_default();
    let default = StopSpec::default();
    Ok(ServiceConfig {
        command: raw.command.map(|command| command.0),
        port: raw.port.map(|port| port.0.get()),
        ready: raw.ready.map(raw::RawReady::resolve),
        restart: raw.restart.map_or(RestartPolicy::OnFailure, |restart| restart.0),
        stop: StopSpec {
            signal: stop.signal.map_or(default.signal, |signal| signal.0),
            timeout: stop.timeout.map_or(default.timeout, |timeout| timeout.0),
        },
        watch: raw.watch.0.into_iter().map(Spanned::into_inner).collect(),
        depends_on: raw.depends_on.0.into_iter().map(Spanned::into_inner).collect(),
        env: raw.env.0,
        env_file: raw.env_file,
        enabled: raw.enabled.is_none_or(|enabled| enabled.0),
        name,
    })
}

#[cfg(test)]
mod tests;
