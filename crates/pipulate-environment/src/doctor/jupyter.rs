//! JupyterLab: whether the running one requires a sign-in, whether its kernels are private, and whether
//! notebooks run in this home's own Python (other environments and deleted ones leave kernel specs in the
//! user's folder).

use std::collections::BTreeMap;
use std::fs;
use std::iter;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use pipulate_core::finding::Finding;
use pipulate_core::service::ServiceName;
use pipulate_core::status::{KernelInfo, ProcessInfo, Role};
use pipulate_process::ports::{Listener, Listeners};
use pipulate_store::files;
use serde::Deserialize;

use super::check::{Check, Group};
use super::{Examination, failure, real, skipped, warning};
use crate::venv::existing_python;

const TOKEN: &str = "jupyter.token";
const KERNELS: &str = "jupyter.kernels";
const LISTENERS: &str = "jupyter.listeners";
const DEBUGGER: &str = "PIPULATE_DEBUGGER";

pub(super) const ACCESS: Group = Group {
    checks: &[
        Check::new(
            TOKEN,
            "whether the JupyterLab that runs asks for a token or a password; its own configuration \
             (`~/.jupyter`) can turn both off",
        ),
        Check::new(
            KERNELS,
            "whether the kernels that run use private sockets, or TCP ports that every user of this machine \
             can read; whether the debugger is on",
        ),
        Check::new(
            LISTENERS,
            "whether JupyterLab, or a program that it started beside kernels and terminals, listens on a port of its \
             own: extensions can, and JupyterLab's token does not guard those ports",
        ),
    ],
    examine: |examination| vec![token(examination), kernels(examination), listeners(examination)],
};

const SPECS: &str = "jupyter.kernelspec";

pub(super) const KERNELSPEC: Group = Group {
    checks: &[Check::new(
        SPECS,
        "Jupyter's kernel specs, in the order in which Jupyter looks: whether notebooks start this home's Python, \
         and whether each spec's program is still there",
    )],
    examine: |examination| vec![kernelspec(examination)],
};

fn token(examination: &Examination) -> Finding {
    match examination.jupyter_is_open {
        None => skipped(TOKEN, "Not checked: JupyterLab is not running"),
        Some(false) => Finding::ok(TOKEN, "JupyterLab asks for a token"),
        Some(true) => warning(
            TOKEN,
            "JupyterLab asks for no token: every user of this machine can run code as you",
        )
        .detail("asked: it answers without a token; its jpserver-PID.json is in .pipulate/run/jupyter")
        .command(
            "delete the line that sets an empty token, or an identity_provider_class that admits everybody, in \
                 jupyter_server_config.py, jupyter_lab_config.py or the .json beside them (jupyter --paths names \
                 the folders), then restart it",
            examination.pipulate(&["restart", ServiceName::JUPYTER]),
        ),
    }
}

fn kernels(examination: &Examination) -> Finding {
    let config = examination.config().ok().and_then(|config| config.service(ServiceName::JUPYTER));
    if config.is_some_and(|service| service.env.contains_key(DEBUGGER)) {
        return warning(
            KERNELS,
            "The debugger is on: while it is used, and after, every user of this machine can run code as you",
        )
        .command(
            format!("delete {DEBUGGER} from env in pipulate.toml, then restart JupyterLab"),
            examination.pipulate(&["restart", ServiceName::JUPYTER]),
        );
    }
    let kernels: Vec<&KernelInfo> = examination
        .status
        .services
        .iter()
        .filter_map(|service| service.live.as_ref())
        .flat_map(|live| &live.kernels)
        .collect();
    if kernels.is_empty() {
        return skipped(KERNELS, "Not checked: no kernel is running");
    }
    let public: Vec<String> = kernels
        .iter()
        .filter(|kernel| uses_tcp(examination, kernel))
        .map(|kernel| format!("{} (pid {})", kernel.name, kernel.pid))
        .collect();
    if public.is_empty() {
        return Finding::ok(KERNELS, "Kernels use private sockets");
    }
    let title =
        format!("Every user of this machine can read what these kernels print: {}", public.join(", "));
    warning(KERNELS, title).detail("read: their connection files in .pipulate/run/jupyter say tcp").command(
        "if your configuration of Jupyter sets KernelManager.transport or KernelManager.ip, delete that \
             (jupyter --paths names the folders), then restart JupyterLab; some kernels for other languages can \
             use nothing else",
        examination.pipulate(&["restart", ServiceName::JUPYTER]),
    )
}

fn uses_tcp(examination: &Examination, kernel: &KernelInfo) -> bool {
    let path = examination.layout.jupyter_runtime().at(format!("kernel-{}.json", kernel.id));
    let file = files::read_private(&path).ok().flatten().unwrap_or_default();
    let connection: serde_json::Value = serde_json::from_slice(&file).unwrap_or_default();
    connection["transport"].as_str() == Some("tcp")
}

fn listeners(examination: &Examination) -> Finding {
    let jupyter = examination.status.service(ServiceName::JUPYTER);
    let Some((jupyter, live)) = jupyter.and_then(|jupyter| Some((jupyter, jupyter.live.as_ref()?))) else {
        return skipped(LISTENERS, "Not checked: JupyterLab is not running");
    };
    let extra: Vec<String> = of_the_server(&live.processes)
        .flat_map(|process| {
            let all = Listeners::of([process.pid]).unwrap_or_default();
            let other = all.own().filter(|listener| Some(listener.port) != jupyter.port);
            let place = |listener: &Listener| SocketAddr::new(listener.address, listener.port);
            let told = |listener| format!("{} (pid {}) on {}", process.name, process.pid, place(listener));
            other.map(told).collect::<Vec<_>>()
        })
        .collect();
    if extra.is_empty() {
        return Finding::ok(LISTENERS, "JupyterLab listens on its own port only");
    }
    let title = format!("JupyterLab's extensions listen on ports beside its own: {}", extra.join(", "));
    warning(LISTENERS, title)
        .detail("asked: the system; JupyterLab's token does not guard these ports, so every user of this machine can try")
        .command(
            "find the extension that does it; disable it unless it asks for a key of its own",
            examination.pipulate(&["run", "--", "jupyter", "server", "extension", "list"]),
        )
}

/// The processes that are neither kernels nor terminals, nor their descendants: the server and its
/// extensions' processes.
fn of_the_server(processes: &[ProcessInfo]) -> impl Iterator<Item = &ProcessInfo> {
    let parent = |process: &ProcessInfo| processes.iter().find(|other| other.pid.get() == process.ppid);
    let is_of_the_server = move |process: &&ProcessInfo| {
        // No chain is longer than the list, even if pids were reused while it was read.
        let mut line = iter::successors(Some(*process), |process| parent(process)).take(processes.len());
        line.all(|process| matches!(process.role, Role::Main | Role::Child))
    };
    processes.iter().filter(is_of_the_server)
}

/// The kernel of a new notebook.
const DEFAULT: &str = "python3";

/// The fields that we read from a `kernel.json`.
#[derive(Deserialize)]
struct Spec {
    argv: Vec<String>,
}

fn kernelspec(examination: &Examination) -> Finding {
    let config = match examination.config() {
        Ok(config) => config,
        Err(reason) => return skipped(SPECS, reason),
    };
    if !config.has_jupyter() {
        return skipped(SPECS, "JupyterLab is switched off");
    }
    let Some(python) = existing_python(&examination.layout, &config.python) else {
        return skipped(SPECS, "Not checked: there is no Python environment");
    };
    let prefix = python.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    let specs = specs(examination, prefix);
    let Some((file, program)) = specs.get(DEFAULT) else {
        // ipykernel provides a spec without a file.
        return Finding::ok(SPECS, "Notebooks run in this home's Python")
            .detail("read: no kernel spec comes before it");
    };
    if let Some(program) = program.as_deref().filter(|program| !is_of(program, prefix)) {
        let gone = if program.exists() { "" } else { ", which is not there" };
        return failure(SPECS, format!("Notebooks would run in another Python: {}{gone}", program.display()))
            .detail(format!("read: {}, which comes before this home's own kernel", file.display()))
            .command(
                "move that kernel spec away, or give it the name of its own environment",
                ["mv", &folder_of(file), &format!("{}-other", folder_of(file))],
            );
    }
    let dangling = specs.iter().find_map(|(name, (file, program))| {
        program
            .as_ref()
            .filter(|program| program.is_absolute() && !program.exists())
            .map(|program| (name, file, program))
    });
    match dangling {
        None => Finding::ok(SPECS, "Notebooks run in this home's Python")
            .detail(format!("read: {}", file.display())),
        Some((name, file, program)) => {
            warning(SPECS, format!("The kernel {name} can't start: its Python is gone"))
                .detail(format!("read: {}, which starts {}", file.display(), program.display()))
                .command("remove that kernel spec", ["rm", "-r", &folder_of(file)])
        }
    }
}

/// The kernels by name: the first file that Jupyter finds, and its program; `None` is Jupyter's own Python.
fn specs(examination: &Examination, prefix: &Path) -> BTreeMap<String, (PathBuf, Option<PathBuf>)> {
    let mut specs = BTreeMap::new();
    for folder in search_path(examination, prefix) {
        let kernels = fs::read_dir(folder.join("kernels")).into_iter().flatten().flatten();
        for kernel in kernels {
            let file = kernel.path().join("kernel.json");
            let Ok(bytes) = files::read_foreign(&file) else { continue };
            let Ok(spec) = serde_json::from_slice::<Spec>(&bytes) else { continue };
            let program = spec.argv.into_iter().next().map(PathBuf::from);
            // A bare `python` means the Python that Jupyter runs with.
            let program = program.filter(|program| program.is_absolute());
            let name = kernel.file_name().to_string_lossy().to_lowercase();
            specs.entry(name).or_insert((file, program));
        }
    }
    specs
}

/// Jupyter's data folders; an environment's own take precedence over the user's.
fn search_path(examination: &Examination, prefix: &Path) -> Vec<PathBuf> {
    let named = examination.variable("JUPYTER_PATH").unwrap_or_default();
    let home = examination.session.surroundings.home();
    let user = examination
        .variable("JUPYTER_DATA_DIR")
        .map(PathBuf::from)
        .or_else(|| examination.variable("XDG_DATA_HOME").map(|folder| Path::new(folder).join("jupyter")))
        .or_else(|| {
            Some(home?.join(if examination.session.macos {
                "Library/Jupyter"
            } else {
                ".local/share/jupyter"
            }))
        });
    std::env::split_paths(named)
        .chain([prefix.join("share/jupyter")])
        .chain(user)
        .chain([PathBuf::from("/usr/local/share/jupyter"), PathBuf::from("/usr/share/jupyter")])
        .collect()
}

/// Not by the target of its links, which is the Python that all environments are based on.
fn is_of(program: &Path, prefix: &Path) -> bool {
    program.parent().is_some_and(|bin| real(bin) == real(&prefix.join("bin")))
}

fn folder_of(file: &Path) -> String {
    file.parent().unwrap_or(file).display().to_string()
}
