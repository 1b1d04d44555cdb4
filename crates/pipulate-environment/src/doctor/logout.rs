//! Whether services outlive the session: logging out of a desktop, and closing the last window of WSL.

use std::fs;

use pipulate_core::finding::Finding;
use pipulate_process::command::Command;
use pipulate_store::files;

use super::catalog::{Check, Group};
use super::{Examination, evidence, skipped, warning};
use crate::browser::session::Wsl;

const SESSION: &str = "machine.logout";
const IDLE: &str = "machine.wsl_idle";

pub(super) const LOGOUT: Group = Group {
    checks: &[
        Check::new(
            SESSION,
            "whether logging out ends your programs: systemd-logind's `KillUserProcesses`, and whether you linger",
        ),
        Check::new(
            IDLE,
            "in WSL, whether Windows ends it soon after the last window is closed (`.wslconfig`)",
        ),
    ],
    examine: |examination| vec![logout(examination), wsl_idle(examination)],
};

/// Asked for by its full name: `loginctl` shows it in no version.
const KILL_USER_PROCESSES: [&str; 6] = [
    "--system",
    "get-property",
    "org.freedesktop.login1",
    "/org/freedesktop/login1",
    "org.freedesktop.login1.Manager",
    "KillUserProcesses",
];

fn logout(examination: &Examination) -> Finding {
    if !examination.machine_file("run/systemd/system").is_dir() {
        return skipped(SESSION, "This system does not end programs at logout: it does not run systemd");
    }
    let Some(busctl) = examination.program("busctl") else {
        return skipped(SESSION, "What happens at logout is not known: there is no busctl");
    };
    let said = evidence::of_machine(Command::new(busctl).args(KILL_USER_PROCESSES));
    match said.stdout.trim() {
        "b false" => {
            return Finding::ok(SESSION, "Logging out leaves your services running").detail(said.evidence());
        }
        "b true" => {}
        _ => return skipped(SESSION, "What happens at logout is not known").detail(said.evidence()),
    }
    let user = examination.variable("USER").or_else(|| examination.variable("LOGNAME")).unwrap_or_default();
    let lingers = !user.is_empty() && examination.machine_file("var/lib/systemd/linger").join(user).exists();
    if lingers {
        return Finding::ok(SESSION, "Your services may outlive a logout: you linger")
            .detail(said.evidence());
    }
    warning(SESSION, "Logging out ends your services: kernels and what they hold are lost then")
        .detail(said.evidence())
        .command(
            "let your programs outlive your session; or set KillUserProcesses=no in /etc/systemd/logind.conf",
            ["loginctl", "enable-linger"],
        )
}

fn wsl_idle(examination: &Examination) -> Finding {
    if examination.session.wsl == Wsl::No {
        return skipped(IDLE, "This is not WSL");
    }
    let users = fs::read_dir(examination.machine_file("mnt/c/Users"));
    let files = users.into_iter().flatten().flatten().map(|user| user.path().join(".wslconfig"));
    let texts: Vec<String> = files.filter_map(|file| files::read_foreign_text(&file).ok()).collect();
    if texts.iter().any(|text| is_never_idle(text)) {
        return Finding::ok(IDLE, "WSL goes on when its last window is closed");
    }
    warning(IDLE, "Windows may end WSL, and your services with it, soon after its last window is closed")
        .detail("no .wslconfig below C:\\Users sets instanceIdleTimeout and vmIdleTimeout to -1")
        .advice(
            "keep a window of WSL open; or write into %UserProfile%\\.wslconfig: [general] \
             instanceIdleTimeout=-1 and [wsl2] vmIdleTimeout=-1, each on a line of its own, then run: wsl --shutdown",
        )
}

/// Both clocks have to be stopped: that of the machine, and that of the distribution in it.
fn is_never_idle(wslconfig: &str) -> bool {
    let stops = |key: &str| {
        wslconfig
            .lines()
            .filter_map(|line| line.split_once('='))
            .any(|(name, value)| name.trim().eq_ignore_ascii_case(key) && value.trim().starts_with('-'))
    };
    stops("instanceIdleTimeout") && stops("vmIdleTimeout")
}
