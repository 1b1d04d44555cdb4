//! `config`: the configuration in effect, with every default, secrets masked; or the schema of the file.

use pipulate_core::config::{Config, ServiceConfig, schema};
use pipulate_core::secret::{EnvKey, MASKED, says_secret};
use pipulate_core::service::{Readiness, ServiceName};
use pipulate_core::web_host::WebHost;
use serde::Serialize;
use toml::{Table, Value};

use crate::call::ConfigVerb;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;

/// Prints the configuration in effect, or the schema.
pub(crate) fn config(context: &Context, verb: ConfigVerb) -> Result<ExitStatus, Failure> {
    match verb {
        ConfigVerb::Show => show(context),
        ConfigVerb::Schema => {
            context.printer.json(&serde_json::to_string_pretty(&schema())?)?;
            Ok(ExitStatus::Success)
        }
    }
}

fn show(context: &Context) -> Result<ExitStatus, Failure> {
    context.printer.exact(shown(context)?.as_bytes())?;
    Ok(ExitStatus::Success)
}

/// A `pipulate.toml` with this project's settings and all defaults; secrets are masked.
///
/// # Errors
/// The project's configuration can't be used.
pub(crate) fn shown(context: &Context) -> Result<String, Failure> {
    let text = toml::to_string_pretty(&meant(context.config()?))?;
    Ok(format!("{}\n", context.masker().mask(text.trim_end())))
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
            ("probe", python.probe.clone().map(Value::from)),
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
    let hosts: Vec<&str> = config.web_hosts.iter().map(WebHost::as_str).collect();
    table.insert("web".to_owned(), section([("users", Some(users)), ("hosts", Some(Value::from(hosts)))]));
    let services = config.services.iter().map(|service| (service.name.to_string(), service_table(service)));
    table.insert("services".to_owned(), Value::Table(services.collect()));
    table
}

fn service_table(service: &ServiceConfig) -> Value {
    let env: Table =
        service.env.iter().map(|(key, value)| (key.clone(), Value::from(shown_value(key, value)))).collect();
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

fn shown_value(key: &str, value: &str) -> String {
    if says_secret(key) { MASKED.to_owned() } else { value.to_owned() }
}

fn names(names: &[ServiceName]) -> Value {
    Value::from(names.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// The value's word in the file, from its serializer.
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
    match duration.subsec_nanos() {
        0 => format!("{}s", duration.as_secs()),
        nanos if nanos % 1_000_000 == 0 => format!("{}ms", duration.as_millis()),
        nanos => format!("{}.{nanos:09}s", duration.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        let file = FILE.replace("API_KEY", "PLAIN");
        for text in ["", &file] {
            assert_means_the_same(&Config::parse(text).unwrap());
        }
    }

    #[track_caller]
    fn assert_means_the_same(config: &Config) {
        let shown = toml::to_string_pretty(&meant(config)).unwrap();
        assert_eq!(Config::parse(&shown).as_ref(), Ok(config), "{shown}");
    }

    #[test]
    fn a_masked_secret_is_refused_when_it_is_read_again() {
        let shown = toml::to_string_pretty(&meant(&Config::parse(FILE).unwrap())).unwrap();
        let refused = Config::parse(&shown).unwrap_err().to_string();
        assert!(refused.contains("stands for the value of API_KEY"), "{refused}");
    }

    fn value<T>(any: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Option<Value>>
    where
        T: Into<Value> + std::fmt::Debug + 'static,
    {
        proptest::option::of(any.prop_map(Into::into)).boxed()
    }

    fn table<const N: usize>(
        keys: [(&'static str, BoxedStrategy<Option<Value>>); N],
    ) -> BoxedStrategy<Value> {
        let (names, values): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
        values.prop_map(move |values| section_of(&names, values)).boxed()
    }

    fn section_of(names: &[&str], values: Vec<Option<Value>>) -> Value {
        let entries = names.iter().zip(values).filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
        Value::Table(entries.collect())
    }

    fn text() -> BoxedStrategy<String> {
        "[ -~\n\té\u{1F600}]{0,9}".boxed()
    }

    fn time() -> impl Strategy<Value = String> {
        prop_oneof![
            (0_u32..9_999).prop_map(|ms| format!("{ms}ms")),
            "[0-9]{1,3}\\.[0-9]{1,9}(ms|s|m|h)?",
            "[0-9]{1,4}(s|m|h)?"
        ]
    }

    fn words(allowed: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
        proptest::sample::select(allowed)
    }

    fn readiness() -> BoxedStrategy<Option<Value>> {
        prop_oneof![
            Just(Some(Value::from("none"))),
            table([("http", value("/[!-~]{0,9}")), ("timeout", value(time()))]).prop_map(Some),
            Just(None),
        ]
        .prop_filter("an answer is asked for somewhere", |ready| {
            ready.as_ref().and_then(Value::as_table).is_none_or(|ready| ready.contains_key("http"))
        })
        .boxed()
    }

    fn service() -> BoxedStrategy<Value> {
        let command = proptest::collection::vec(text(), 0..3).prop_map(|mut words| {
            words.insert(0, "python".to_owned());
            words
        });
        let env = proptest::collection::btree_map("[B-D .\"é-]{1,6}", text().prop_map(Value::from), 0..3)
            .prop_map(|env| Value::Table(env.into_iter().collect()));
        table([
            ("command", command.prop_map(|words| Some(words.into())).boxed()),
            ("port", value(1_i64..65_536)),
            ("ready", readiness()),
            ("restart", value(words(&["always", "on-failure", "never"]))),
            (
                "stop",
                value(table([
                    ("signal", value(words(&["TERM", "INT", "USR2"]))),
                    ("timeout", value(time())),
                ])),
            ),
            ("watch", value(proptest::collection::vec("[a-z*./]{0,3}[a-z]", 0..3))),
            ("env", value(env)),
            ("env_file", value("[a-z./ \"]{1,9}")),
            ("enabled", value(any::<bool>())),
        ])
    }

    fn file() -> BoxedStrategy<Value> {
        let sizes = "[0-9]{1,6}(B|KiB|MiB)";
        let services = proptest::collection::btree_map("[a-z][a-z0-9_-]{0,5}", service(), 0..3)
            .prop_map(|services| Value::Table(services.into_iter().collect()));
        table([
            ("project", value(table([("name", value(text()))]))),
            (
                "python",
                value(table([
                    ("venv", value("[a-z./]{1,5}")),
                    ("interpreter", value("/[a-z ]{1,5}")),
                    ("requirements", value(words(&["requirements.txt", "other.txt"]))),
                    ("probe", value(proptest::collection::vec("[a-z.]{1,5}", 0..3))),
                ])),
            ),
            ("browser", value(table([("open", value(any::<bool>()))]))),
            (
                "ollama",
                value(table([("model", value(text())), ("greet", value(words(&["always", "never"])))])),
            ),
            ("logs", value(table([("max_size", value(sizes)), ("keep", value(0_i64..99))]))),
            ("web", value(table([("hosts", value(proptest::collection::vec("[a-zA-Z0-9.:-]{1,9}", 0..3)))]))),
            ("services", value(services)),
        ])
    }

    proptest! {
        #[test]
        fn any_configuration_that_is_shown_means_the_same(file in file()) {
            let text = toml::to_string(&file).unwrap();
            let config = Config::parse(&text);
            // For example a name that is not a valid service name.
            prop_assume!(config.is_ok());
            assert_means_the_same(&config.unwrap());
        }
    }
}
