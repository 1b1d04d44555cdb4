//! `config`: the configuration as it is meant, every default filled in, secrets masked; or the schema
//! of the file.

use pipulate_core::config::{Config, ServiceConfig, schema};
use pipulate_core::secret::{EnvKey, says_secret};
use pipulate_core::service::{Readiness, ServiceName};
use serde::Serialize;
use toml::{Table, Value};

use crate::cli::ConfigVerb;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;

/// Prints what the file means, or what it may say.
pub(crate) fn config(context: &Context, verb: ConfigVerb) -> Result<ExitStatus, Failure> {
    match verb {
        ConfigVerb::Show => show(context),
        ConfigVerb::Schema => {
            context.printer.json(&serde_json::to_string_pretty(&schema())?)?;
            Ok(ExitStatus::Success)
        }
    }
}

/// Prints a `pipulate.toml` that says what this project's says, and all that it leaves out.
fn show(context: &Context) -> Result<ExitStatus, Failure> {
    let text = toml::to_string_pretty(&meant(context.config()?))?;
    context.printer.exact(format!("{}\n", context.masker().mask(text.trim_end())).as_bytes())?;
    Ok(ExitStatus::Success)
}

fn meant(config: &Config) -> Table {
    let mut table = Table::new();
    table.insert("project".to_owned(), section([("name", config.name.clone().map(Value::from))]));
    let python = &config.python;
    let path = |path: &std::path::Path| Value::from(path.to_string_lossy().into_owned());
    table.insert(
        "python".to_owned(),
        section([
            ("venv", Some(path(&python.venv))),
            ("interpreter", python.interpreter.as_deref().map(path)),
            ("requirements", Some(path(&python.requirements))),
            ("probe", Some(Value::from(python.probe.clone()))),
        ]),
    );
    table.insert("browser".to_owned(), section([("open", Some(names(&config.browser)))]));
    table.insert(
        "ollama".to_owned(),
        section([
            ("host", config.ollama.host.clone().map(Value::from)),
            ("model", config.ollama.model.clone().map(Value::from)),
            ("greet", word(config.ollama.greet)),
        ]),
    );
    let required: Vec<&str> = config.secrets.iter().map(EnvKey::as_str).collect();
    table.insert("secrets".to_owned(), section([("required", Some(Value::from(required)))]));
    let max_size = bytes(config.logs.max_size);
    let keep = i64::from(config.logs.keep);
    table.insert(
        "logs".to_owned(),
        section([("max_size", Some(max_size.into())), ("keep", Some(keep.into()))]),
    );
    let users = Value::from(config.web_users.clone());
    table.insert("web".to_owned(), section([("users", Some(users))]));
    let services = config.services.iter().map(|service| (service.name.to_string(), service_table(service)));
    table.insert("services".to_owned(), Value::Table(services.collect()));
    table
}

fn service_table(service: &ServiceConfig) -> Value {
    let env: Table =
        service.env.iter().map(|(key, value)| (key.clone(), Value::from(shown(key, value)))).collect();
    let timeout = Some(Value::from(seconds(service.stop.timeout)));
    let stop = section([("signal", word(service.stop.signal)), ("timeout", timeout)]);
    section([
        ("command", service.command.clone().map(Value::from)),
        ("port", service.port.map(|port| Value::from(i64::from(port)))),
        ("ready", service.ready.as_ref().map(ready)),
        ("restart", word(service.restart)),
        ("stop", Some(stop)),
        ("watch", Some(Value::from(service.watch.iter().map(ToString::to_string).collect::<Vec<_>>()))),
        ("depends_on", Some(names(&service.depends_on))),
        ("env", Some(Value::Table(env))),
        ("env_file", service.env_file.as_ref().map(|path| Value::from(path.to_string_lossy().into_owned()))),
        ("enabled", Some(Value::from(service.enabled))),
    ])
}

/// A table of the keys that have a value.
fn section<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    let entries = entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Table(entries.collect())
}

fn shown(key: &str, value: &str) -> String {
    if says_secret(key) { "****".to_owned() } else { value.to_owned() }
}

fn names(names: &[ServiceName]) -> Value {
    Value::from(names.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// The word that the file would have, from the same place that reads it.
fn word(choice: impl Serialize) -> Option<Value> {
    Value::try_from(choice).ok()
}

fn ready(readiness: &Readiness) -> Value {
    let (key, value) = match readiness {
        Readiness::Exec => return Value::from("none"),
        Readiness::Tcp { .. } => ("tcp", Value::from(true)),
        Readiness::Http { path, .. } => ("http", Value::from(path.clone())),
        Readiness::Log { pattern, .. } => ("log", Value::from(pattern.clone())),
    };
    let timeout = readiness.timeout().map(|timeout| Value::from(seconds(timeout)));
    section([(key, Some(value)), ("timeout", timeout)])
}

fn bytes(count: u64) -> String {
    match count {
        count if count % (1 << 20) == 0 => format!("{}MiB", count >> 20),
        count if count % (1 << 10) == 0 => format!("{}KiB", count >> 10),
        count => format!("{count}B"),
    }
}

fn seconds(duration: std::time::Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::samples;

    const FILE: &str = r#"
        [project]
        name = "demo"
        [logs]
        max_size = "1MiB"
        [services.worker]
        command = ["python", "worker.py"]
        ready = { http = "/health", timeout = "1500ms" }
        stop = { signal = "INT", timeout = "2m" }
        env = { API_KEY = "sk-very-secret", MODE = "fast" }
        env_file = ".env"
    "#;

    #[test]
    fn every_default_is_shown_and_no_secret() {
        let project = samples::project(FILE);
        assert_eq!(show(&project.context).unwrap(), ExitStatus::Success);
        insta::assert_snapshot!(project.printed.stdout());
    }

    #[test]
    fn what_is_shown_means_the_same_when_it_is_read_again() {
        let meant_by = |text: &str| {
            let mut config = Config::parse(text).unwrap();
            // Naming the default file is the one thing that shows.
            config.python.requirements_named = true;
            config
        };
        let file = FILE.replace("API_KEY", "PLAIN");
        for text in ["", &file] {
            let shown = toml::to_string_pretty(&meant(&meant_by(text))).unwrap();
            assert_eq!(meant_by(&shown), meant_by(text), "{shown}");
        }
    }
}
