//! The user's own `server.py`: whether it parses, which clients it accepts, and whether its reload is cheap.
//! Python's parser reads it; it is never run.

use std::net::SocketAddr;
use std::path::PathBuf;

use pipulate_core::finding::Finding;
use pipulate_core::service::ServiceName;
use pipulate_process::command::Command;
use pipulate_process::ports::Listeners;

use super::check::{Check, Group};
use super::evidence::{self, ran};
use super::{Examination, failure, skipped, warning};
use crate::venv::{existing_python, site_packages};
use crate::web_programs;

const SYNTAX: &str = "server.syntax";
const RELOAD: &str = "server.reload";
const OFFERED: &str = "server.offered";
const LISTENS: &str = "server.address";

pub(super) const SERVER: Group = Group {
    checks: &[
        Check::new(SYNTAX, "whether Python can read `server.py`; it is parsed, not run"),
        Check::new(
            RELOAD,
            "whether reloading on save has `watchfiles`; without it, it looks at every file all the time",
        ),
        Check::new(
            OFFERED,
            "whether a program that imports Streamlit, Gradio, FastAPI or Flask is run by a service; it is read, not run",
        ),
    ],
    examine: source,
};

pub(super) const ADDRESS: Group = Group {
    checks: &[Check::new(
        LISTENS,
        "whether a service that runs listens on every interface, or `server.py` says that it will \
         (FastHTML does unless it is told otherwise)",
    )],
    examine: |examination| vec![address(examination)],
};

/// Prints `error LINE MESSAGE`, or `open LINE` for each call that serves all addresses.
const PARSE: &str = r#"
import ast, sys
try:
    tree = ast.parse(open(sys.argv[1], 'rb').read())
except (SyntaxError, ValueError) as error:
    print('error', getattr(error, 'lineno', None) or 1, getattr(error, 'msg', None) or error)
    sys.exit()
everywhere = ('0.0.0.0', '::', '')
fasthtml = any(isinstance(node, (ast.Import, ast.ImportFrom)) and 'fasthtml' in ast.dump(node) for node in ast.walk(tree))
for node in ast.walk(tree):
    if not isinstance(node, ast.Call):
        continue
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, 'attr', '')
    hosts = [word.value for word in node.keywords if word.arg == 'host']
    if hosts:
        if isinstance(hosts[0], ast.Constant) and hosts[0].value in everywhere:
            print('open', node.lineno)
    elif name == 'serve' and fasthtml and not any(word.arg is None for word in node.keywords):
        print('open', node.lineno)
"#;

/// The parser's result for `server.py`.
enum Parsed {
    Error {
        line: String,
        message: String,
    },
    /// The lines of the calls that serve all addresses.
    Fine {
        open: Vec<String>,
    },
}

fn parsed(examination: &Examination) -> Result<(Parsed, String), &'static str> {
    examination.config()?;
    if !examination.layout.server_py().is_file() {
        return Err("There is no server.py");
    }
    let python = examination
        .python()
        .ok()
        .or_else(|| examination.program("python3"))
        .ok_or("Not checked: there is no Python")?;
    let file = examination.layout.server_py().to_path_buf();
    let said = evidence::of(Command::new(&python).args(["-I", "-c", PARSE]).arg(&file));
    if !said.is_well() {
        return Err("Not checked: Python does not run");
    }
    let command = format!("{} -c 'import ast; ast.parse(…)'", python.display());
    let first = said.stdout.lines().next().and_then(|line| line.strip_prefix("error "));
    let parsed = match first.and_then(|rest| rest.split_once(' ')) {
        Some((line, message)) => Parsed::Error { line: line.to_owned(), message: message.to_owned() },
        None => Parsed::Fine {
            open: said
                .stdout
                .lines()
                .filter_map(|line| Some(line.strip_prefix("open ")?.to_owned()))
                .collect(),
        },
    };
    Ok((parsed, ran(&command, said.stdout.lines().next().unwrap_or("nothing: it can be read"))))
}

fn source(examination: &Examination) -> Vec<Finding> {
    let syntax = match parsed(examination) {
        Err(reason) => skipped(SYNTAX, reason),
        Ok((Parsed::Fine { .. }, evidence)) => {
            Finding::ok(SYNTAX, "Python can read server.py").detail(evidence)
        }
        Ok((Parsed::Error { line, message }, evidence)) => {
            failure(SYNTAX, format!("Python can't read server.py: line {line}: {message}"))
                .detail(evidence)
                .advice(format!("correct line {line} of server.py, or the one above it"))
        }
    };
    vec![syntax, reload(examination), offered(examination)]
}

fn offered(examination: &Examination) -> Finding {
    let Ok(config) = &examination.config else {
        return skipped(OFFERED, "Not checked: pipulate.toml can't be used");
    };
    match web_programs::unused(&examination.layout, config) {
        None => skipped(OFFERED, "Every web program in this folder is run by a service"),
        Some(program) => warning(OFFERED, format!("No service runs {}", program.title())).advice(format!(
            "if it is your web app, write this into pipulate.toml:\n{}",
            program.table(web_programs::port(config)).trim_end()
        )),
    }
}

fn reload(examination: &Examination) -> Finding {
    let python = examination
        .config
        .as_ref()
        .ok()
        .and_then(|config| existing_python(&examination.layout, &config.python));
    let Some(prefix) = python.as_deref().and_then(|python| Some(python.parent()?.parent()?.to_owned()))
    else {
        return skipped(RELOAD, "Not checked: there is no Python environment");
    };
    let has = |name: &str| site_packages(&prefix).iter().any(|folder: &PathBuf| folder.join(name).exists());
    if !examination.layout.server_py().is_file() || !has("uvicorn") {
        return skipped(RELOAD, "No server here reloads on save");
    }
    if has("watchfiles") {
        return Finding::ok(RELOAD, "Reloading on save waits for changes (watchfiles)");
    }
    let python = prefix.join("bin/python").display().to_string();
    warning(RELOAD, "Reloading on save keeps a processor busy: watchfiles is not installed")
        .detail("uvicorn then looks at every file below this folder, .venv included, several times a second")
        .command("install it", [&python, "-m", "pip", "install", "watchfiles"])
}

fn address(examination: &Examination) -> Finding {
    let advice = "write: serve(host=\"127.0.0.1\") in server.py; with uvicorn: host=\"127.0.0.1\"";
    let title = |service: &ServiceName, address: SocketAddr| {
        let (port, place) = (address.port(), address.ip());
        let place = if place.is_unspecified() { "every interface".to_owned() } else { place.to_string() };
        format!("Everybody on your network can reach {service}: it listens on {place}, port {port}")
    };
    for service in &examination.status.services {
        let pids = service.live.iter().flat_map(|live| live.processes.iter().map(|process| process.pid));
        let listeners = Listeners::of(pids).unwrap_or_default();
        if let Some(open) = listeners.own().find(|listener| listener.is_public()) {
            let address = SocketAddr::new(open.address, open.port);
            return warning(LISTENS, title(&service.name, address))
                .detail(format!("{} listens on {address}", service.name))
                .advice(advice);
        }
    }
    match parsed(examination) {
        Ok((Parsed::Fine { open }, evidence)) => match open.first() {
            None => Finding::ok(LISTENS, "server.py is not open to the network").detail(evidence),
            Some(line) => warning(LISTENS, "Everybody on your network can reach server.py when it runs")
                .detail(format!("line {line} of server.py makes a server that listens on every interface"))
                .advice(advice),
        },
        Ok((Parsed::Error { .. }, _)) => skipped(LISTENS, "Not checked: Python can't read server.py"),
        Err(_) => Finding::ok(LISTENS, "Nothing of this home is open to the network"),
    }
}
