//! Whether the JupyterLab that runs asks who comes in, and whether its kernels are private.

use pipulate_core::finding::Finding;
use pipulate_core::service::ServiceName;

use pipulate_core::status::KernelInfo;
use pipulate_store::files;

use super::catalog::{Check, Group};
use super::{Examination, skipped, warning};

const TOKEN: &str = "jupyter.token";
const KERNELS: &str = "jupyter.kernels";
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
    ],
    examine: |examination| vec![token(examination), kernels(examination)],
};

fn token(examination: &Examination) -> Finding {
    match examination.jupyter_is_open {
        None => skipped(TOKEN, "Not examined: JupyterLab is not running"),
        Some(false) => Finding::ok(TOKEN, "JupyterLab asks for a token"),
        Some(true) => warning(
            TOKEN,
            "JupyterLab asks for no token: every user of this machine can run code as you",
        )
        .detail("read: its jpserver-PID.json in .pipulate/run/jupyter has an empty token and no password")
        .command(
            "delete the line that sets the token in jupyter_server_config.py, jupyter_lab_config.py or the \
                 .json beside them (jupyter --paths names the folders), then restart it",
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
        return skipped(KERNELS, "Not examined: no kernel is running");
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
             (jupyter --paths names the folders), then restart JupyterLab; a kernel for another language may \
             know nothing else",
        examination.pipulate(&["restart", ServiceName::JUPYTER]),
    )
}

fn uses_tcp(examination: &Examination, kernel: &KernelInfo) -> bool {
    let path = examination.layout.jupyter_runtime().at(format!("kernel-{}.json", kernel.id));
    let file = files::read_private(&path).ok().flatten().unwrap_or_default();
    let connection: serde_json::Value = serde_json::from_slice(&file).unwrap_or_default();
    connection["transport"].as_str() == Some("tcp")
}
