//! The machine: memory, limits on watched and open files, the address of localhost, the clock, and whether
//! services outlive the session: logging out of a desktop, and closing the last window of WSL.

use std::fs;
use std::net::{Ipv4Addr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use pipulate_core::finding::Finding;
use pipulate_core::resources::{Memory, Supply};
use pipulate_core::units;
use pipulate_process::command::Command;
use pipulate_store::files;
use rustix::process::{Resource, getrlimit};

use super::check::{Check, Group};
use super::{Examination, evidence, skipped, warning};
use crate::browser::session::Wsl;

const MEMORY: &str = "machine.memory";
const WATCHES: &str = "machine.file_watches";
const OPEN_FILES: &str = "machine.open_files";
const LOCALHOST: &str = "machine.localhost";
const TIME: &str = "machine.clock";

pub(super) const LIMITS: Group = Group {
    checks: &[
        Check::new(
            MEMORY,
            "the memory that is available, in a container the container's; less than 256 MiB is a warning",
        ),
        Check::new(
            WATCHES,
            "`fs.inotify.max_user_watches` and `max_user_instances`: how many files can be watched",
        ),
        Check::new(OPEN_FILES, "how many files a program may have open (`ulimit -n`)"),
    ],
    examine: |examination| vec![memory(examination.resources.memory), watches(examination), open_files()],
};

pub(super) const CLOCK: Group = Group {
    checks: &[
        Check::new(LOCALHOST, "whether localhost means 127.0.0.1 here, where the services listen"),
        Check::new(TIME, "whether files in this home are dated in the future: the clock is or was wrong"),
    ],
    examine: |examination| vec![localhost(examination), clock(examination)],
};

const SESSION: &str = "machine.logout";
const IDLE: &str = "machine.wsl_idle";

pub(super) const LOGOUT: Group = Group {
    checks: &[
        Check::new(
            SESSION,
            "whether logging out ends your programs: systemd-logind's `KillUserProcesses`, and whether lingering is enabled",
        ),
        Check::new(
            IDLE,
            "in WSL, whether Windows ends it soon after the last window is closed (`.wslconfig`)",
        ),
    ],
    examine: |examination| vec![logout(examination), wsl_idle(examination)],
};

/// Editors and reloaders watch each file of a project.
const ENOUGH_WATCHES: u64 = 8192;

/// Each watching program takes one.
const ENOUGH_INSTANCES: u64 = 64;

/// A notebook server with a dozen kernels has several hundred.
const ENOUGH_FILES: u64 = 1024;

/// The clocks of network drives and virtual machines are slightly off.
const TOLERANCE: Duration = Duration::from_mins(5);

fn memory(memory: Option<Memory>) -> Finding {
    let Some(memory) = memory else {
        return skipped(MEMORY, "Could not find out how much memory is available");
    };
    let [available, total, swap_used, swap_total] =
        [memory.available, memory.total, memory.swap_used, memory.swap_total].map(units::size);
    let finding = match memory.supply() {
        Supply::Ample => Finding::ok(MEMORY, format!("There is memory left: {available} of {total}")),
        Supply::Low | Supply::Exhausted => {
            warning(MEMORY, format!("Memory is nearly used up: {available} of {total} left")).advice(
                "shut down notebook kernels that you don't need, or close other programs; \
                 else the system may end a kernel",
            )
        }
    };
    match memory.swap_total {
        0 => finding.detail("there is no swap"),
        _ => finding.detail(format!("{swap_used} of {swap_total} swap are in use")),
    }
}

fn watches(examination: &Examination) -> Finding {
    let read = |name: &str| {
        let text = examination.read_machine(&format!("proc/sys/fs/inotify/{name}"))?;
        text.trim().parse::<u64>().ok()
    };
    let (Some(watches), Some(instances)) = (read("max_user_watches"), read("max_user_instances")) else {
        return skipped(WATCHES, "Could not find out how many files can be watched");
    };
    let detail = format!("fs.inotify.max_user_watches = {watches}, max_user_instances = {instances}");
    if watches >= ENOUGH_WATCHES && instances >= ENOUGH_INSTANCES {
        return Finding::ok(WATCHES, "Enough files can be watched for changes").detail(detail);
    }
    warning(WATCHES, "Only a few files can be watched for changes: reloading on save may not work")
        .detail(detail)
        .advice("run: sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=512")
}

fn open_files() -> Finding {
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < ENOUGH_FILES => {
            warning(OPEN_FILES, format!("A program may have only {limit} files open"))
                .detail(format!("ulimit -n says {limit}; JupyterLab with many kernels needs more"))
                .advice(
                    "run: ulimit -n 4096 (and look for the line that sets it, in your shell's start-up file)",
                )
        }
        Some(limit) => Finding::ok(OPEN_FILES, format!("A program may have {limit} files open")),
        None => Finding::ok(OPEN_FILES, "A program may have any number of files open"),
    }
}

fn localhost(examination: &Examination) -> Finding {
    let hosts = examination.read_machine("etc/hosts").unwrap_or_default();
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    let addresses: Vec<&str> = lines
        .filter_map(|line| line.split_once(char::is_whitespace))
        .filter(|(_, names)| names.split_whitespace().any(|name| name == "localhost"))
        .map(|(address, _)| address)
        .collect();
    if addresses.contains(&"127.0.0.1") {
        return Finding::ok(LOCALHOST, "localhost is 127.0.0.1").detail("read: /etc/hosts");
    }
    let detail = match addresses.as_slice() {
        // Without an entry in a file, the system's resolver may still know the name.
        [] => match ("localhost", 0).to_socket_addrs() {
            Ok(mut found) => {
                if found.any(|address| address.ip() == Ipv4Addr::LOCALHOST) {
                    return Finding::ok(LOCALHOST, "localhost is 127.0.0.1")
                        .detail("asked: the system's resolver");
                }
                "the system's resolver gives localhost another address than 127.0.0.1".to_owned()
            }
            Err(error) => format!("the system's resolver does not know localhost: {error}"),
        },
        others => format!("/etc/hosts says that localhost is {}", others.join(", ")),
    };
    warning(LOCALHOST, "localhost is not 127.0.0.1 on this machine")
        .detail(format!("{detail}; services listen on 127.0.0.1, and programs that ask localhost miss them"))
        .advice("add this line to /etc/hosts: 127.0.0.1 localhost")
}

fn clock(examination: &Examination) -> Finding {
    let layout = &examination.layout;
    let folders = [layout.root().to_path_buf(), layout.run().to_path_buf(), layout.logs().to_path_buf()];
    let own = [layout.setup_stamp().to_path_buf(), layout.inside(".venv/pyvenv.cfg").to_path_buf()];
    let files = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .chain(own);
    let limit = SystemTime::now() + TOLERANCE;
    let changed = |path: PathBuf| Some((path.symlink_metadata().ok()?.modified().ok()?, path));
    match files.filter_map(changed).filter(|(time, _)| *time > limit).max() {
        None => Finding::ok(TIME, "No file in this home is dated in the future"),
        Some((time, path)) => {
            let ahead = time.duration_since(SystemTime::now()).unwrap_or_default().as_secs() / 60;
            warning(TIME, "A file in this home is dated in the future: the clock is or was wrong")
                .detail(format!("{} was changed {ahead} minutes from now", path.display()))
                .advice("set the clock (with systemd: timedatectl set-ntp true); in WSL: wsl --shutdown, then start again")
        }
    }
}

/// By its full D-Bus name: `loginctl` doesn't show it in any version.
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
        return skipped(SESSION, "Could not find out what happens at logout: there is no busctl");
    };
    let said = evidence::of_machine(Command::new(busctl).args(KILL_USER_PROCESSES));
    match said.stdout.trim() {
        "b false" => {
            return Finding::ok(SESSION, "Logging out leaves your services running").detail(said.evidence());
        }
        "b true" => {}
        _ => return skipped(SESSION, "Could not find out what happens at logout").detail(said.evidence()),
    }
    let user = examination.variable("USER").or_else(|| examination.variable("LOGNAME")).unwrap_or_default();
    let lingers = !user.is_empty() && examination.machine_file("var/lib/systemd/linger").join(user).exists();
    if lingers {
        return Finding::ok(SESSION, "Logging out leaves your services running: lingering is enabled")
            .detail(said.evidence());
    }
    warning(SESSION, "Logging out ends your services, and notebook kernels lose their state")
        .detail(said.evidence())
        .command(
            "let your programs keep running after you log out; or set KillUserProcesses=no in /etc/systemd/logind.conf",
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
        return Finding::ok(IDLE, "WSL keeps running when its last window is closed");
    }
    warning(IDLE, "Windows may end WSL, and your services with it, soon after its last window is closed")
        .detail("no .wslconfig below C:\\Users sets instanceIdleTimeout and vmIdleTimeout to -1")
        .advice(
            "keep a window of WSL open; or write into %UserProfile%\\.wslconfig: [general] \
             instanceIdleTimeout=-1 and [wsl2] vmIdleTimeout=-1, each on a line of its own, then run: wsl --shutdown",
        )
}

/// Two timeouts must be disabled: that of the virtual machine, and that of the distribution in it.
fn is_never_idle(wslconfig: &str) -> bool {
    let stops = |key: &str| {
        wslconfig
            .lines()
            .filter_map(|line| line.split_once('='))
            .any(|(name, value)| name.trim().eq_ignore_ascii_case(key) && value.trim().starts_with('-'))
    };
    stops("instanceIdleTimeout") && stops("vmIdleTimeout")
}

#[cfg(test)]
mod tests {
    use pipulate_core::finding::FindingStatus;

    use super::*;

    #[test]
    fn memory_that_is_nearly_used_up_is_a_warning_with_advice() {
        let with = |available| Memory { total: 8 << 30, available, swap_total: 2 << 30, swap_used: 1 << 30 };
        let finding = memory(Some(with(200 << 20)));
        assert_eq!(finding.status, FindingStatus::Warning);
        assert_eq!(finding.title, "Memory is nearly used up: 200.0 MiB of 8.0 GiB left");
        assert_eq!(finding.detail, "1.0 GiB of 2.0 GiB swap are in use");
        assert!(finding.fix.unwrap().text.contains("kernels"));
        assert_eq!(memory(Some(with(4 << 30))).status, FindingStatus::Ok);
        assert_eq!(memory(Some(Memory { swap_total: 0, ..with(1) })).detail, "there is no swap");
        assert_eq!(memory(None).status, FindingStatus::Skipped);
    }
}
