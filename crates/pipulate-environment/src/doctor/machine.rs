//! The machine: memory, limits on watched and open files, the address of localhost, the clock.

use std::fs;
use std::net::{Ipv4Addr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use pipulate_core::finding::Finding;
use pipulate_core::resources::{Memory, Supply};
use pipulate_core::units;
use rustix::process::{Resource, getrlimit};

use super::catalog::{Check, Group};
use super::{Examination, skipped, warning};

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
        Check::new(TIME, "whether files of this home are from the future: the clock went back, or is wrong"),
    ],
    examine: |examination| vec![localhost(examination), clock(examination)],
};

/// Editors and reloaders watch each file of a project.
const ENOUGH_WATCHES: u64 = 8192;

/// Each program that watches anything takes one.
const ENOUGH_INSTANCES: u64 = 64;

/// A notebook server with a dozen kernels has several hundred.
const ENOUGH_FILES: u64 = 1024;

/// Network drives and virtual machines are a little off.
const TOLERANCE: Duration = Duration::from_mins(5);

fn memory(memory: Option<Memory>) -> Finding {
    let Some(memory) = memory else {
        return skipped(MEMORY, "How much memory is available is not known");
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
        return skipped(WATCHES, "How many files can be watched is not known");
    };
    let detail = format!("fs.inotify.max_user_watches = {watches}, max_user_instances = {instances}");
    if watches >= ENOUGH_WATCHES && instances >= ENOUGH_INSTANCES {
        return Finding::ok(WATCHES, "Enough files can be watched for changes").detail(detail);
    }
    warning(WATCHES, "Only few files can be watched for changes: reloading on save may not work")
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
        // Where no file says it, the system's resolver may know it all the same.
        [] => match ("localhost", 0).to_socket_addrs() {
            Ok(mut found) => {
                if found.any(|address| address.ip() == Ipv4Addr::LOCALHOST) {
                    return Finding::ok(LOCALHOST, "localhost is 127.0.0.1")
                        .detail("asked: the system's resolver");
                }
                "the system's resolver knows localhost, and not as 127.0.0.1".to_owned()
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
        None => Finding::ok(TIME, "No file of this home is from the future"),
        Some((time, path)) => {
            let ahead = time.duration_since(SystemTime::now()).unwrap_or_default().as_secs() / 60;
            warning(TIME, "A file of this home is from the future: the clock is wrong, or was")
                .detail(format!("{} was changed {ahead} minutes from now", path.display()))
                .advice("set the clock (with systemd: timedatectl set-ntp true); in WSL: wsl --shutdown, then start again")
        }
    }
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
