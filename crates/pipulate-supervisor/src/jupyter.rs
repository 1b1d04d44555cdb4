//! What is particular about JupyterLab: its kernels, and what they are doing.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use pipulate_core::status::KernelInfo;
use pipulate_core::text::printable;
use pipulate_process::table::{self, Entry};
use pipulate_store::{files, record, token};

use crate::query;

/// How long JupyterLab may take to say what its kernels do, before something is cut off.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
const LARGEST_ANSWER: u64 = 8 << 20;

/// A kernel, by JupyterLab's own word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notebook {
    /// JupyterLab's own id for it.
    pub id: String,
    /// The notebook, or the kernel's name where there is none.
    pub name: String,
    pub is_busy: bool,
    /// When JupyterLab last heard of it: if it is busy, it has been so since then, if not for longer.
    pub last_word: Option<Timestamp>,
}

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

fn connection_file(arguments: &[impl AsRef<OsStr>]) -> Option<PathBuf> {
    let is_one = |path: &&Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("kernel-") && name.ends_with(".json")
    };
    arguments.iter().map(|word| Path::new(word.as_ref())).find(is_one).map(Path::to_path_buf)
}

fn kernel_name(connection_file: &Path) -> Option<String> {
    let bytes = files::read_private(connection_file).ok()??;
    let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let name = value["kernel_name"].as_str()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// What JupyterLab's kernels are doing, by its own word; `None` when it does not answer.
pub fn notebooks(layout: &Layout, patience: Duration) -> Option<Vec<Notebook>> {
    let name = ServiceName::parse(ServiceName::JUPYTER).ok()?;
    let address = query::address(layout, &record::read(layout, &name).ok()??)?;
    let token = token::existing(&layout.jupyter_token()).ok()??;
    let kernels = get(address, "/api/kernels", &token, patience)?;
    let sessions = get(address, "/api/sessions", &token, patience).unwrap_or_default();
    let path = |id: &str| {
        let session =
            sessions.as_array()?.iter().find(|session| session["kernel"]["id"].as_str() == Some(id))?;
        session["path"].as_str().map(str::to_owned)
    };
    let notebook = |kernel: &serde_json::Value| {
        let id = kernel["id"].as_str()?;
        let name = || format!("a {} kernel", kernel["name"].as_str().unwrap_or("notebook"));
        Some(Notebook {
            id: id.to_owned(),
            name: printable(&path(id).unwrap_or_else(name)),
            is_busy: kernel["execution_state"].as_str() == Some("busy"),
            last_word: kernel["last_activity"].as_str().and_then(|time| time.parse().ok()),
        })
    };
    Some(kernels.as_array()?.iter().filter_map(notebook).collect())
}

/// One GET of a JSON value. JupyterLab answers in HTTP/1.1 with a length and closes when asked to.
fn get(address: SocketAddr, path: &str, token: &str, patience: Duration) -> Option<serde_json::Value> {
    let mut stream = TcpStream::connect_timeout(&address, patience).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.set_write_timeout(Some(patience)).ok()?;
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: token {token}\r\nAccept: application/json\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut reply = Vec::new();
    stream.take(LARGEST_ANSWER).read_to_end(&mut reply).ok()?;
    let head = reply.windows(4).position(|window| window == b"\r\n\r\n")?;
    reply.starts_with(b"HTTP/1.").then_some(())?;
    (reply.get(9..12)? == b"200").then_some(())?;
    serde_json::from_slice(&reply[head + 4..]).ok()
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
