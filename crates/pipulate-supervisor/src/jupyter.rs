//! What is particular about JupyterLab: its server and its kernels.

mod server;
pub mod settings;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use pipulate_core::identity::Pid;
use pipulate_core::status::KernelInfo;
use pipulate_process::table::{self, Entry};
use pipulate_store::files;

pub use server::Server;

/// The file in the runtime directory that signs JupyterLab's cookies.
pub(crate) const COOKIE_SECRET: &str = "jupyter_cookie_secret";

/// The kernels among some processes: their arguments name a connection file of theirs, whose
/// name is their id.
pub fn kernels(processes: &[Entry]) -> Vec<KernelInfo> {
    let kernel = |entry: &Entry| {
        let file = connection_file(&table::arguments(entry.pid))?;
        let id = file.file_stem()?.to_str()?.strip_prefix("kernel-")?.to_owned();
        Some(KernelInfo {
            id,
            pid: entry.pid,
            name: kernel_name(&file).unwrap_or_else(|| "unknown".to_owned()),
        })
    };
    let mut kernels: Vec<KernelInfo> = processes.iter().filter_map(kernel).collect();
    // A child that a kernel forked has its arguments until it execs.
    kernels.sort_by(|a, b| (&a.id, a.pid).cmp(&(&b.id, b.pid)));
    kernels.dedup_by(|a, b| a.id == b.id);
    kernels.sort_by_key(|kernel| kernel.pid);
    kernels
}

/// The files that stopped servers and kernels left in the runtime directory: not those of a JupyterLab
/// that somebody started there by hand (`pipulate run -- jupyter lab`).
pub(crate) fn left_files(runtime: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(runtime).into_iter().flatten().flatten();
    let mut left: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|file| is_left(file)).collect();
    if left.iter().any(|file| is_connection_file(file)) {
        for pid in table::all_pids() {
            let in_use = connection_file(&table::arguments(pid));
            left.retain(|file| in_use.as_ref() != Some(file));
        }
    }
    left
}

fn is_left(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if name == COOKIE_SECRET {
        return true;
    }
    let server = name.strip_prefix("jpserver-").and_then(|rest| {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        Pid::new(rest[..digits].parse().ok()?)
    });
    match server {
        Some(pid) => !table::entry(pid).is_some_and(|entry| entry.lives()),
        None => is_connection_file(file),
    }
}

fn is_connection_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("kernel-") && name.ends_with(".json")
}

/// Those of some processes that are neither kernels nor below one.
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

fn connection_file(arguments: &[impl AsRef<OsStr>]) -> Option<PathBuf> {
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
