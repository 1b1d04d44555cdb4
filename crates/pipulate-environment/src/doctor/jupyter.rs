//! Whether the JupyterLab that runs asks who comes in.

use pipulate_core::finding::Finding;
use pipulate_core::service::ServiceName;

use super::catalog::{Check, Group};
use super::{Examination, skipped, warning};

const TOKEN: &str = "jupyter.token";

pub(super) const ACCESS: Group = Group {
    checks: &[Check::new(
        TOKEN,
        "whether the JupyterLab that runs asks for a token or a password; its own configuration \
         (`~/.jupyter`) can turn both off",
    )],
    examine: |examination| vec![token(examination)],
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
