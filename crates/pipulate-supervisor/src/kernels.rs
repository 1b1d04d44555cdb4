//! Kernels: processes whose arguments name a connection file. Only a stop or a restart ends them.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use pipulate_core::identity::Pid;
use pipulate_core::status::KernelInfo;
use pipulate_process::table::{self, Entry};
use pipulate_store::files;

/// Returns the kernels among some processes: their arguments name a connection file of theirs, whose
/// name is their id.
pub fn kernels(processes: &[Entry]) -> Vec<KernelInfo> {
    let kernel = |entry: &Entry| {
        let file = connection_file(&table::arguments(entry.pid))?;
        let id = file.file_stem()?.to_str()?.strip_prefix("kernel-")?.to_owned();
        Some(KernelInfo {
            id,
            pid: entry.pid,
            name: kernel_name(&file).unwrap_or_else(|| "unknown".to_owned()),
            memory_bytes: memory_below(entry.pid, processes),
        })
    };
    let mut kernels: Vec<KernelInfo> = processes.iter().filter_map(kernel).collect();
    // A child that a kernel forked has its arguments until it execs.
    kernels.sort_by(|a, b| (&a.id, a.pid).cmp(&(&b.id, b.pid)));
    kernels.dedup_by(|a, b| a.id == b.id);
    kernels.sort_by_key(|kernel| kernel.pid);
    kernels
}

/// Sums up the memory of a process and of those below it.
fn memory_below(pid: Pid, processes: &[Entry]) -> u64 {
    let mut family = BTreeSet::from([pid.get()]);
    loop {
        let before = family.len();
        let members =
            processes.iter().filter(|entry| family.contains(&entry.parent)).map(|entry| entry.pid.get());
        let members: Vec<i32> = members.collect();
        family.extend(members);
        if family.len() == before {
            break;
        }
    }
    let members = processes.iter().filter(|entry| family.contains(&entry.pid.get()));
    members.map(|entry| entry.memory_bytes).sum()
}

/// Returns whether a path looks like a kernel's connection file.
pub fn is_connection_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("kernel-") && name.ends_with(".json")
}

/// Returns the processes that are neither kernels nor below one.
pub fn without_kernels(mut processes: Vec<Entry>) -> Vec<Entry> {
    let mut left_out: HashSet<i32> = kernels(&processes).iter().map(|kernel| kernel.pid.get()).collect();
    loop {
        let before = processes.len();
        processes.retain(|entry| {
            let is_left_out = left_out.contains(&entry.pid.get()) || left_out.contains(&entry.parent);
            if is_left_out {
                left_out.insert(entry.pid.get());
            }
            !is_left_out
        });
        if processes.len() == before {
            return processes;
        }
    }
}

/// Returns the connection file among a kernel's arguments.
pub fn connection_file(arguments: &[impl AsRef<OsStr>]) -> Option<PathBuf> {
    let mut paths = arguments.iter().map(|word| Path::new(word.as_ref()));
    paths.find(|path| is_connection_file(path)).map(Path::to_path_buf)
}

fn kernel_name(connection_file: &Path) -> Option<String> {
    let bytes = files::read_private(connection_file).ok()??;
    let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let name = value["kernel_name"].as_str()?;
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_known_by_its_connection_file() {
        let words = ["python", "-m", "ipykernel_launcher", "-f", "/p/.pipulate/run/jupyter/kernel-1-2.json"];
        assert_eq!(connection_file(&words), Some(PathBuf::from(words[4])));
        assert_eq!(connection_file(&["vim", "kernel.json", "notes-kernel-1.json"]), None);
    }
}
