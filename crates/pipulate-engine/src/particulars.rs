//! The particulars of JupyterLab and the web app, for their supervisors.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use pipulate_core::identity::Pid;
use pipulate_core::layout::Layout;
use pipulate_core::project::AbsPath;
use pipulate_core::reason::{Key, Reason};
use pipulate_core::service::{ServiceName, ServiceSpec};
use pipulate_process::table;
use pipulate_store::error::StoreError;
use pipulate_store::{files, sockets, token};
use pipulate_supervisor::kernels::{connection_file, is_connection_file};
use pipulate_supervisor::particulars::{Description, Finding, Particulars};

use crate::jupyter::Server;
use crate::jupyter_settings as settings;

/// The file in the runtime directory with the key that signs JupyterLab's cookies.
const COOKIE_SECRET: &str = "jupyter_cookie_secret";

/// Returns the particulars of a service.
pub fn of(spec: &ServiceSpec) -> Box<dyn Particulars> {
    let common = Common { service: spec.name.clone(), token: spec.token.clone() };
    match &spec.jupyter_runtime {
        None => Box::new(common),
        Some(runtime) => Box::new(JupyterLab { common, runtime: runtime.clone() }),
    }
}

/// A service that may have a key.
#[derive(Debug)]
struct Common {
    service: ServiceName,
    token: Option<AbsPath>,
}

/// JupyterLab: its kernels outlive it, and only this user may connect to them.
#[derive(Debug)]
struct JupyterLab {
    common: Common,
    /// Its private runtime directory.
    runtime: AbsPath,
}

impl Particulars for Common {
    fn prepare(&self, layout: &Layout) -> Result<Vec<Finding>, StoreError> {
        if let Some(path) = &self.token {
            token::ensure(layout, path)?;
        }
        Ok(Vec::new())
    }

    /// Browsers send a cookie to every port of 127.0.0.1: a lost port of any service exposes the app's key,
    /// and the key that signs JupyterLab's cookies.
    fn renew_keys(&self, layout: &Layout) -> Result<Vec<Key>, StoreError> {
        remove_cookie_secret(layout)?;
        Ok(token::renew(layout, &layout.token())?.then_some(Key::App).into_iter().collect())
    }

    fn describe(&self, _: &Layout, _: SocketAddr, _: &dyn Fn() -> Vec<Pid>) -> Option<Description> {
        None
    }

    fn clean_up(&self, _: &Layout) {
        self.remove(self.token.iter().map(|token| token.to_path_buf()));
    }

    fn leaves_processes(&self) -> bool {
        false
    }
}

impl Common {
    fn remove(&self, files: impl IntoIterator<Item = PathBuf>) {
        for error in files.into_iter().filter_map(|file| files::remove(&file).err()) {
            tracing::warn!(service = %self.service, "{error}");
        }
    }
}

impl Particulars for JupyterLab {
    /// Without a folder for its kernels' sockets it is started anyway.
    fn prepare(&self, layout: &Layout) -> Result<Vec<Finding>, StoreError> {
        let mut findings = self.common.prepare(layout)?;
        token::ensure(layout, &layout.jupyter_cookie_secret())?;
        sockets::clean(layout);
        let folder = sockets::ensure(layout);
        if let Err(error) = settings::write(layout, folder.as_deref()) {
            tracing::warn!(service = %self.common.service, "{error}");
        }
        findings.push(match folder {
            Some(_) => Finding::IsNotSo(Reason::NoSocketFolder),
            None => Finding::IsSo(Reason::NoSocketFolder),
        });
        Ok(findings)
    }

    fn renew_keys(&self, layout: &Layout) -> Result<Vec<Key>, StoreError> {
        let token = token::renew(layout, &layout.jupyter_token())?.then_some(Key::JupyterToken);
        let sign_ins = remove_cookie_secret(layout)?.then_some(Key::JupyterSignIns);
        let others = self.common.renew_keys(layout)?;
        Ok(token.into_iter().chain(sign_ins).chain(others).collect())
    }

    fn describe(
        &self,
        layout: &Layout,
        address: SocketAddr,
        pids: &dyn Fn() -> Vec<Pid>,
    ) -> Option<Description> {
        let server = Server::described(layout, address, pids())?;
        let finding = match server.is_open() {
            true => Finding::IsSo(Reason::NoToken),
            false => Finding::IsNotSo(Reason::NoToken),
        };
        Some(Description { page: server.path("lab"), api: server.path("api"), findings: vec![finding] })
    }

    fn clean_up(&self, layout: &Layout) {
        self.common.clean_up(layout);
        self.common.remove(left_files(&self.runtime));
        sockets::clean(layout);
    }

    fn leaves_processes(&self) -> bool {
        true
    }
}

/// Removes the key that signs JupyterLab's cookies, and returns true if there was one. JupyterLab makes a new
/// one when it starts.
fn remove_cookie_secret(layout: &Layout) -> Result<bool, StoreError> {
    let file = layout.jupyter_runtime().at(COOKIE_SECRET);
    let is_there = file.exists();
    if is_there {
        files::remove(&file)?;
    }
    Ok(is_there)
}

/// Returns the files that stopped servers and kernels left in the runtime directory: not those of a
/// JupyterLab that the user started by hand (`pipulate run -- jupyter lab`).
fn left_files(runtime: &Path) -> Vec<PathBuf> {
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

#[cfg(test)]
mod tests {
    use pipulate_store::home;

    use pipulate_core::layout::UserDirs;

    use super::*;

    fn home() -> (tempfile::TempDir, Layout, JupyterLab) {
        let folder = tempfile::tempdir().unwrap();
        let root = AbsPath::new(folder.path().canonicalize().unwrap()).unwrap();
        let user = UserDirs { state: root.at("state"), runtime: None };
        let layout = home::ensure(&Layout::new(root).of_user(Some(user))).unwrap();
        let runtime = layout.jupyter_runtime();
        fs::create_dir_all(&runtime).unwrap();
        let service = ServiceName::parse(ServiceName::JUPYTER).unwrap();
        let common = Common { service, token: Some(layout.jupyter_token()) };
        (folder, layout, JupyterLab { common, runtime })
    }

    #[test]
    fn keys_are_made_once_and_renewed_only_where_there_are_some() {
        let (_folder, layout, jupyter) = home();
        assert_eq!(jupyter.renew_keys(&layout).unwrap(), [], "there are none");
        jupyter.prepare(&layout).unwrap();
        let read = || fs::read(layout.jupyter_token()).unwrap();
        let first = read();
        jupyter.prepare(&layout).unwrap();
        assert_eq!(read(), first);
        assert_eq!(jupyter.renew_keys(&layout).unwrap(), [Key::JupyterToken, Key::JupyterSignIns]);
        assert_ne!(read(), first);
        token::ensure(&layout, &layout.token()).unwrap();
        assert_eq!(jupyter.common.renew_keys(&layout).unwrap(), [Key::App]);
    }

    #[test]
    fn a_stop_removes_the_key_and_what_jupyter_left() {
        let (_folder, layout, jupyter) = home();
        jupyter.prepare(&layout).unwrap();
        for file in ["jpserver-999999999.json", "kernel-1.json", COOKIE_SECRET, "notes.txt"] {
            fs::write(jupyter.runtime.at(file), b"{}").unwrap();
        }
        jupyter.clean_up(&layout);
        let files = fs::read_dir(&jupyter.runtime).unwrap();
        let left: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
        assert!(!layout.jupyter_token().exists());
    }

    #[test]
    fn only_jupyterlab_leaves_processes_on_purpose() {
        let (_folder, _, jupyter) = home();
        assert!(jupyter.leaves_processes() && !jupyter.common.leaves_processes());
    }
}
