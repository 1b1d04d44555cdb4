//! All paths of a home; no other code joins them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::marker::RunId;
use crate::project::{AbsPath, ProjectId};
use crate::service::ServiceName;

/// The places of a project's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    root: AbsPath,
    state: AbsPath,
    run: AbsPath,
    /// The folder's path when its services were started: it may have been moved since.
    born: AbsPath,
    user: Option<UserDirs>,
}

/// The user's own directories, for facts about projects that a project's folder must not be able to forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDirs {
    pub state: AbsPath,
    /// Removed when the user logs out.
    pub runtime: Option<AbsPath>,
}

impl Layout {
    /// Returns the layout of the project at `root`, with everything inside the folder.
    pub fn new(root: AbsPath) -> Self {
        let state = root.at(".pipulate");
        Self::with_state(root, state)
    }

    /// Returns a layout with all our files elsewhere, for folders in which another user has a `.pipulate`.
    pub fn with_state(root: AbsPath, state: AbsPath) -> Self {
        let run = state.at("run");
        Self::with_places(root, state, run)
    }

    /// Returns the layout of a project with known places.
    pub fn with_places(root: AbsPath, state: AbsPath, run: AbsPath) -> Self {
        Self { born: root.clone(), root, state, run, user: None }
    }

    /// True if all our files are in their default place: inside the folder.
    pub fn is_inside(&self) -> bool {
        self.state == self.root.at(".pipulate") && self.run == self.state.at("run")
    }

    /// Returns a layout with `run/` elsewhere, for folders that can't hold a FIFO or a lock.
    pub fn with_run(root: AbsPath, run: AbsPath) -> Self {
        Self { run, ..Self::new(root) }
    }

    /// Sets the folder's path at the start of its services. Their processes carry that identity for life.
    pub fn formerly(self, born: AbsPath) -> Self {
        Self { born, ..self }
    }

    /// Sets the user's directories. Without any, nothing about the project is remembered.
    pub fn of_user(self, user: Option<UserDirs>) -> Self {
        Self { user, ..self }
    }

    /// Returns the user's directories.
    pub fn user(&self) -> Option<&UserDirs> {
        self.user.as_ref()
    }

    /// Returns the folder's path at the start of its services; usually [`Layout::root`].
    pub fn born(&self) -> &AbsPath {
        &self.born
    }

    /// The project's folder.
    pub fn root(&self) -> &AbsPath {
        &self.root
    }

    /// Returns the project's identity.
    pub fn project_id(&self) -> ProjectId {
        ProjectId::of_root(&self.born)
    }

    /// The optional configuration.
    pub fn config(&self) -> AbsPath {
        self.root.at("pipulate.toml")
    }

    /// The user's web server.
    pub fn server_py(&self) -> AbsPath {
        self.root.at("server.py")
    }

    /// Secrets, in python-dotenv's format.
    pub fn dotenv(&self) -> AbsPath {
        self.root.at(".env")
    }

    /// Held while `.env` is being changed.
    pub fn dotenv_lock(&self) -> AbsPath {
        self.run.at(".env.lock")
    }

    /// The folder of all our files.
    pub fn state(&self) -> &AbsPath {
        &self.state
    }

    /// Keeps our state out of the project's repository.
    pub fn gitignore(&self) -> AbsPath {
        self.state.at(".gitignore")
    }

    /// Records, locks, FIFOs, tokens.
    pub fn run(&self) -> &AbsPath {
        &self.run
    }

    /// The record of a service.
    pub fn record(&self, service: &ServiceName) -> AbsPath {
        self.run.at(format!("{service}.json"))
    }

    /// The path of the program that supervises.
    pub fn program(&self) -> AbsPath {
        self.run.at("program")
    }

    /// Its main process's pid, for people and scripts.
    pub fn pid_file(&self, service: &ServiceName) -> AbsPath {
        self.run.at(format!("{service}.pid"))
    }

    /// Held by its supervisor for life.
    pub fn lock(&self, service: &ServiceName) -> AbsPath {
        self.run.at(format!("{service}.lock"))
    }

    /// A request to its supervisor: an empty file, whose name has all the data.
    pub fn request(&self, service: &ServiceName, words: &str) -> AbsPath {
        self.run.at(format!("{service}.{words}"))
    }

    /// The services that a start in progress announced, and those withdrawn from it.
    pub fn pending_start(&self, id: &RunId) -> AbsPath {
        self.run.at(format!("start.{id}"))
    }

    /// The FIFO that carries its output.
    pub fn fifo(&self, service: &ServiceName) -> AbsPath {
        self.run.at(format!("{service}.out"))
    }

    /// The FIFO of a silent input; it has this name for a moment only.
    pub fn input_fifo(&self, service: &ServiceName) -> AbsPath {
        self.run.at(format!("{service}.in"))
    }

    /// Returns the lock beside a FIFO of any home; `None` if the path is not a FIFO's by name.
    pub fn lock_beside(fifo: &Path) -> Option<PathBuf> {
        let is_fifo = fifo.extension().is_some_and(|extension| extension == "out");
        is_fifo.then(|| fifo.with_extension("lock"))
    }

    /// JupyterLab's private runtime directory.
    pub fn jupyter_runtime(&self) -> AbsPath {
        self.run.at("jupyter")
    }

    /// Our configuration for JupyterLab.
    pub fn jupyter_config(&self) -> AbsPath {
        self.run.at("jupyter-config")
    }

    /// The web app's key.
    pub fn token(&self) -> AbsPath {
        self.run.at("token")
    }

    /// The report of a request that ended the page's own service.
    pub fn page_report(&self) -> AbsPath {
        self.run.at("page-report")
    }

    /// JupyterLab's token.
    pub fn jupyter_token(&self) -> AbsPath {
        self.run.at("jupyter-token")
    }

    /// The key with which JupyterLab signs its cookies.
    pub fn jupyter_cookie_secret(&self) -> AbsPath {
        self.jupyter_runtime().at("jupyter_cookie_secret")
    }

    /// The startup file of shells under `pipulate shell`.
    pub fn shell(&self) -> AbsPath {
        self.run.at("shell")
    }

    /// The logs' folder.
    pub fn logs(&self) -> AbsPath {
        self.state.at("log")
    }

    /// A service's current log.
    pub fn log(&self, service: &ServiceName) -> AbsPath {
        self.logs().at(format!("{service}.log"))
    }

    /// An older log; `1` is the newest of them.
    pub fn old_log(&self, service: &ServiceName, number: u32) -> AbsPath {
        self.logs().at(format!("{service}.log.{number}"))
    }

    /// The time index of a service's log.
    pub fn log_index(&self, service: &ServiceName) -> AbsPath {
        self.logs().at(format!("{service}.log.idx"))
    }

    /// The messages of the supervisors.
    pub fn supervisor_log(&self) -> AbsPath {
        self.logs().at("supervisor.log")
    }

    /// Their older messages.
    pub fn old_supervisor_log(&self) -> AbsPath {
        self.logs().at("supervisor.log.1")
    }

    /// The input history of `chat`.
    pub fn chat_history(&self) -> AbsPath {
        self.state.at("chat-history")
    }

    /// The chats with the local LLM in the web app: one file each.
    pub fn chats(&self) -> AbsPath {
        self.state.at("chats")
    }

    /// The stamp of the last successful set-up.
    pub fn setup_stamp(&self) -> AbsPath {
        self.state.at("setup.json")
    }

    /// Held during a set-up.
    pub fn setup_lock(&self) -> AbsPath {
        self.state.at("setup.lock")
    }

    /// A path that the configuration gives, relative to the project.
    pub fn inside(&self, path: impl AsRef<Path>) -> AbsPath {
        self.root.at(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_where_our_state_is() {
        let [root, state] = ["/home/me/demo", "/home/me/.local/state/pipulate/homes/1"]
            .map(|path| AbsPath::new(path).unwrap());
        let service = ServiceName::parse("worker").unwrap();
        let layout = Layout::with_state(root, state.clone());
        for path in [
            layout.gitignore(),
            layout.record(&service),
            layout.log(&service),
            layout.token(),
            layout.chats(),
            layout.chat_history(),
            layout.setup_stamp(),
            layout.setup_lock(),
        ] {
            assert!(path.starts_with(&state), "{path}");
        }
    }
}
