//! From the configuration to a supervisor's specification. Pure: facts are parameters.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use pipulate_core::config::{Config, ServiceConfig};
use pipulate_core::layout::Layout;
use pipulate_core::order;
use pipulate_core::service::{PortWish, Readiness, ServiceName, ServiceSpec, Word};
use pipulate_core::watch::WatchSpec;

use crate::jupyter_settings as settings;

/// The program's flag for running as the embedded app of a folder.
const APP_FLAG: &str = "-C";
const APP_VERB: &str = "serve";

/// Timeout for the first answer of the built-in services.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// It would override our token file, and every kernel and terminal would inherit it.
const JUPYTER_TOKEN: &str = "JUPYTER_TOKEN";
const JUPYTER_PORT: u16 = 8888;
const SERVER_PORT: u16 = 5001;
const DASHBOARD_PORT: u16 = 5002;

/// The facts about this machine and this folder that a service's specification depends on.
#[derive(Debug, Clone)]
pub struct ServiceFacts {
    /// The running program, absolute.
    pub exe: PathBuf,
    /// The Python that services run with; a bare name is looked up on `PATH`.
    pub python: PathBuf,
    /// JupyterLab's program, and its first arguments; a bare name is looked up on `PATH`.
    pub jupyter_lab: Vec<OsString>,
    /// Added to every service's environment.
    pub env: BTreeMap<String, OsString>,
    /// Removed from it.
    pub env_removed: Vec<String>,
    /// JupyterLab's first configuration path.
    pub jupyter_config_path: Option<OsString>,
    pub has_server_py: bool,
    pub is_root: bool,
    /// The command of JupyterLab's terminals: words that end with the shell.
    pub shell: Vec<String>,
}

/// Returns the services of a bare `start`: every enabled one, except the dashboard.
pub fn default_services(config: &Config) -> Vec<&ServiceConfig> {
    let chosen =
        |service: &&ServiceConfig| service.enabled && service.name.as_str() != ServiceName::DASHBOARD;
    config.services.iter().filter(chosen).collect()
}

/// Returns the services that exist here: the dashboard only beside a `server.py`, no disabled ones.
pub fn known_services(config: &Config, has_server_py: bool) -> Vec<&ServiceConfig> {
    let exists = |service: &&ServiceConfig| {
        service.enabled
            && (has_server_py || service.command.is_some() || service.name.as_str() != ServiceName::DASHBOARD)
    };
    config.services.iter().filter(exists).collect()
}

/// Returns these services and all that they depend on, directly or indirectly.
pub fn with_needs(config: &Config, services: &[ServiceName]) -> Vec<ServiceName> {
    let needs = needs(config);
    let mut wanted = services.to_vec();
    let mut seen: HashSet<ServiceName> = services.iter().cloned().collect();
    let mut next = 0;
    while let Some(service) = wanted.get(next) {
        for needed in needs.get(service).copied().unwrap_or_default() {
            if seen.insert(needed.clone()) {
                wanted.push(needed.clone());
            }
        }
        next += 1;
    }
    wanted
}

/// Returns groups of services, each depending only on earlier groups; one group without a configuration.
pub fn waves(config: Option<&Config>, services: &[ServiceName]) -> Vec<Vec<ServiceName>> {
    let needs = config.map(needs).unwrap_or_default();
    let layers = order::layers(services, |service| needs.get(service).copied().unwrap_or_default());
    // There is no cycle: the configuration was checked when it was read.
    let groups = layers.groups.into_iter().chain([layers.circular]).filter(|group| !group.is_empty());
    groups.map(|group| group.into_iter().map(|position| services[position].clone()).collect()).collect()
}

fn needs(config: &Config) -> HashMap<&ServiceName, &[ServiceName]> {
    config.services.iter().map(|service| (&service.name, &service.depends_on[..])).collect()
}

/// Returns true if a process with these arguments is the embedded web app, regardless of the project's
/// current files.
pub fn is_app(arguments: &[OsString]) -> bool {
    matches!(arguments, [_, flag, _, verb] if flag == APP_FLAG && verb == APP_VERB)
}

/// True if this service is the embedded web app.
pub fn is_embedded_app(service: &ServiceConfig, has_server_py: bool) -> bool {
    service.command.is_none()
        && match service.name.as_str() {
            ServiceName::SERVER => !has_server_py,
            ServiceName::DASHBOARD => true,
            _ => false,
        }
}

/// Returns the specification of `service` for its supervisor.
pub fn spec(config: &Config, service: &ServiceConfig, layout: &Layout, facts: &ServiceFacts) -> ServiceSpec {
    let built_in = built_in(service, layout, facts);
    let default_port = match service.name.as_str() {
        ServiceName::JUPYTER => Some(JUPYTER_PORT),
        ServiceName::SERVER => Some(SERVER_PORT),
        ServiceName::DASHBOARD => Some(DASHBOARD_PORT),
        _ => None,
    };
    let port = match (service.port, default_port) {
        (Some(port), _) => Some(PortWish { port, pinned: true }),
        (None, Some(port)) => Some(PortWish { port, pinned: false }),
        (None, None) => None,
    };
    let ready = service.ready.clone().unwrap_or(built_in.ready);
    let has_page = port.is_some() || matches!(ready, Readiness::Http { .. });
    let mut env = facts.env.clone();
    env.extend(built_in.env);
    if service.name.as_str() == ServiceName::JUPYTER && !config.web_users.is_empty() {
        env.insert(settings::WEB_USERS.to_owned(), config.web_users.join(",").into());
    }
    env.extend(service.env.iter().map(|(name, value)| (name.clone(), OsString::from(value))));
    let mut env_removed = facts.env_removed.clone();
    env_removed.retain(|name| !service.env.contains_key(name));
    if service.name.as_str() == ServiceName::JUPYTER && !service.env.contains_key(JUPYTER_TOKEN) {
        env_removed.push(JUPYTER_TOKEN.to_owned());
    }
    let command = match &service.command {
        Some(words) => words.iter().map(|word| Word::Plain(word.into())).collect(),
        None => built_in.command,
    };
    ServiceSpec {
        name: service.name.clone(),
        command,
        directory: layout.root().clone(),
        env,
        env_removed,
        port,
        needs: service.depends_on.clone(),
        ready,
        restart: service.restart,
        stop: service.stop,
        page: has_page.then(|| built_in.page.to_owned()),
        token: built_in.token,
        jupyter_runtime: (service.name.as_str() == ServiceName::JUPYTER).then(|| layout.jupyter_runtime()),
        log_limits: config.logs,
        configured: service.fingerprint(),
        watch: (!service.watch.is_empty())
            .then(|| WatchSpec { globs: service.watch.clone(), python: facts.python.clone() }),
    }
}

/// The defaults of the three services without a command of their own.
struct BuiltIn {
    command: Vec<Word>,
    env: BTreeMap<String, OsString>,
    ready: Readiness,
    page: &'static str,
    token: Option<pipulate_core::project::AbsPath>,
}

fn built_in(service: &ServiceConfig, layout: &Layout, facts: &ServiceFacts) -> BuiltIn {
    let http =
        |path: &str| Readiness::Http { path: path.to_owned(), any_status: true, timeout: READY_TIMEOUT };
    let is_jupyter = service.name.as_str() == ServiceName::JUPYTER;
    if is_jupyter {
        let token = layout.jupyter_token();
        let env = BTreeMap::from([
            ("JUPYTER_RUNTIME_DIR".to_owned(), layout.jupyter_runtime().as_os_str().to_owned()),
            ("JUPYTER_TOKEN_FILE".to_owned(), token.as_os_str().to_owned()),
            (
                settings::VARIABLE.to_owned(),
                settings::config_path(layout, facts.jupyter_config_path.as_deref()),
            ),
        ]);
        let command = jupyter_command(layout, facts);
        return BuiltIn { command, env, ready: http("/api"), page: "/lab", token: Some(token) };
    }
    let embedded = is_embedded_app(service, facts.has_server_py);
    let (command, token) = match (embedded, service.name.as_str()) {
        (true, _) => (app_command(layout, facts), Some(layout.token())),
        (false, ServiceName::SERVER) => {
            (plain([facts.python.as_os_str().to_owned(), "server.py".into()]), None)
        }
        (false, _) => (Vec::new(), None),
    };
    let ready = match command.is_empty() {
        true => Readiness::Exec,
        false => http("/"),
    };
    BuiltIn { command, env: BTreeMap::new(), ready, page: "/", token }
}

/// JupyterLab: on loopback, on the port that was probed, without requests to the internet, its terminals with
/// their own marker. The token is in a file that only its user can read.
fn jupyter_command(layout: &Layout, facts: &ServiceFacts) -> Vec<Word> {
    let root = layout.root().as_os_str();
    let mut root_dir = OsString::from("--ServerApp.root_dir=");
    root_dir.push(root);
    let shell: String = facts.shell.iter().map(|word| format!("{}, ", serde_json::json!(word))).collect();
    let mut words = plain(facts.jupyter_lab.iter().cloned());
    words.extend(plain([
        "--no-browser".into(),
        "--ServerApp.ip=127.0.0.1".into(),
        "--ServerApp.port_retries=0".into(),
        root_dir,
        "--LabApp.news_url=None".into(),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate".into(),
    ]));
    words.push(Word::Port("--ServerApp.port=".to_owned()));
    words.push(Word::TerminalMarker {
        before: format!(
            "--ServerApp.terminado_settings={{\"shell_command\": [\"/usr/bin/env\", \"{}=",
            pipulate_core::marker::VARIABLE
        ),
        after: format!("\", {shell}\"-l\"]}}"),
    });
    if facts.is_root {
        words.push(Word::Plain("--allow-root".into()));
    }
    words
}

fn app_command(layout: &Layout, facts: &ServiceFacts) -> Vec<Word> {
    let root = layout.root().as_os_str().to_owned();
    plain([facts.exe.as_os_str().to_owned(), APP_FLAG.into(), root, APP_VERB.into()])
}

fn plain(words: impl IntoIterator<Item = OsString>) -> Vec<Word> {
    words.into_iter().map(Word::Plain).collect()
}

#[cfg(test)]
pub(crate) mod samples {
    //! Facts for tests.

    use super::*;

    pub(crate) fn facts() -> ServiceFacts {
        ServiceFacts {
            exe: "/bin/pipulate".into(),
            python: "/p/.venv/bin/python".into(),
            jupyter_lab: vec!["/p/.venv/bin/jupyter-lab".into()],
            env: BTreeMap::new(),
            env_removed: Vec::new(),
            jupyter_config_path: None,
            has_server_py: false,
            is_root: false,
            shell: vec!["/bin/bash".to_owned()],
        }
    }
}

#[cfg(test)]
mod tests {
    use pipulate_core::project::AbsPath;

    use super::samples::facts;
    use super::*;

    fn words(config: &str, name: &str, facts: &ServiceFacts) -> Vec<String> {
        let config = Config::parse(config).unwrap();
        let layout = Layout::new(AbsPath::new("/p").unwrap());
        let spec = spec(&config, config.service(name).unwrap(), &layout, facts);
        spec.command.iter().map(|word| word.resolve(Some(7), "M").to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_server_py_is_run_by_the_venvs_python_else_the_embedded_app_serves() {
        assert_eq!(words("", "server", &facts()), ["/bin/pipulate", "-C", "/p", "serve"]);
        let with = ServiceFacts { has_server_py: true, ..facts() };
        assert_eq!(words("", "server", &with), ["/p/.venv/bin/python", "server.py"]);
        assert_eq!(words("", "dashboard", &with), ["/bin/pipulate", "-C", "/p", "serve"]);
        let config = "[services.server]\ncommand = [\"flask\", \"run\"]\n";
        assert_eq!(words(config, "server", &with), ["flask", "run"]);
    }

    #[test]
    fn jupyters_arguments_hold_no_token_and_its_terminals_have_their_own_marker() {
        let words = words("", "jupyter", &facts());
        assert!(words.iter().all(|word| !word.to_lowercase().contains("token")), "{words:?}");
        assert!(words.contains(&"--ServerApp.port=7".to_owned()));
        let settings =
            words.iter().find_map(|word| word.strip_prefix("--ServerApp.terminado_settings=")).unwrap();
        let settings: serde_json::Value = serde_json::from_str(settings).unwrap();
        assert_eq!(
            settings["shell_command"],
            serde_json::json!(["/usr/bin/env", "PIPULATE_SESSION=M", "/bin/bash", "-l"])
        );
        assert!(!words.contains(&"--allow-root".to_owned()));
    }

    #[test]
    fn jupyterlab_does_not_inherit_a_token_unless_the_project_sets_it() {
        let layout = Layout::new(AbsPath::new("/p").unwrap());
        let facts = ServiceFacts { jupyter_config_path: Some("/etc/j".into()), ..facts() };
        let spec_of = |text: &str, name: &str| {
            let config = Config::parse(text).unwrap();
            spec(&config, config.service(name).unwrap(), &layout, &facts)
        };
        let jupyter = spec_of("", "jupyter");
        assert_eq!(jupyter.env_removed, ["JUPYTER_TOKEN"]);
        assert_eq!(jupyter.env["JUPYTER_CONFIG_PATH"], "/p/.pipulate/run/jupyter-config:/etc/j");
        assert_eq!(spec_of("", "server").env_removed, [] as [&str; 0]);
        let own = spec_of("[services.jupyter]\nenv = { JUPYTER_TOKEN = \"x\" }\n", "jupyter");
        assert_eq!((own.env_removed.len(), &own.env["JUPYTER_TOKEN"]), (0, &"x".into()));
    }

    #[test]
    fn whoever_needs_others_comes_in_a_later_group_than_all_of_them() {
        let config = Config::parse(
            "[services.a]\ncommand=[\"a\"]\ndepends_on=[\"z\"]\n[services.z]\ncommand=[\"z\"]\ndepends_on=[\"server\"]\n",
        )
        .unwrap();
        let name = |name: &str| ServiceName::parse(name).unwrap();
        let all = ["a", "jupyter", "server", "z"].map(name);
        let in_groups = |config, services| -> Vec<String> {
            let words =
                |wave: &Vec<ServiceName>| wave.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(" ");
            waves(config, services).iter().map(words).collect()
        };
        assert_eq!(in_groups(Some(&config), &all), ["jupyter server", "z", "a"]);
        assert_eq!(in_groups(None, &all), ["a jupyter server z"]);
        assert_eq!(with_needs(&config, &[name("a")]), ["a", "z", "server"].map(name));
    }

    #[test]
    fn a_port_is_pinned_only_by_the_file() {
        let layout = Layout::new(AbsPath::new("/p").unwrap());
        for (text, wish) in [
            ("", PortWish { port: 5001, pinned: false }),
            ("[services.server]\nport = 5001\n", PortWish { port: 5001, pinned: true }),
        ] {
            let config = Config::parse(text).unwrap();
            let spec = spec(&config, config.service("server").unwrap(), &layout, &facts());
            assert_eq!(spec.port, Some(wish));
        }
    }
}
