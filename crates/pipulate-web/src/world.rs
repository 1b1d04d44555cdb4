//! The app's queries and actions, as traits that the program implements.
//!
//! Every method may block (the app calls them off its event loop) and may be called from several threads at
//! once. No returned message may contain a secret: messages are shown.

mod apps;
mod chat;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pipulate_core::answer::{Alert, Line};
use pipulate_core::env_error::EnvError;
use pipulate_core::resources::Resources;
use pipulate_core::secret::EnvKey;
use pipulate_core::service::ServiceName;
use pipulate_core::status::{KernelActivity, ProjectStatus};
use pipulate_core::work::Loss;
use pipulate_store::dotenv::{EnvFile, SecretValue, SetOnce, Unset, Written};
use pipulate_store::error::StoreError;
use pipulate_store::log::mask::Masker;
use pipulate_store::log::merge::{Merged, Stretch};
use pipulate_store::notebooks::{Listing, New, NotRead};
use pipulate_store::own_log::ServiceEvent;

pub use apps::{AppNote, AppPlace, AppPlan, Apps, NoApp};
pub use chat::{Chat, NoOllama, Ollama};

/// Everything that is injected.
#[derive(Clone)]
pub struct World {
    pub status: Arc<dyn StatusSource>,
    pub control: Arc<dyn Control>,
    pub secrets: Arc<dyn Secrets>,
    pub logs: Arc<dyn Logs>,
    pub chat: Arc<dyn Chat>,
    pub notebooks: Arc<dyn Notebooks>,
    pub apps: Arc<dyn Apps>,
    pub folder: Arc<Folder>,
}

/// The project's folder, which every page names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// The project's name.
    pub name: String,
    /// The folder's path.
    pub path: String,
}

/// A query panicked. Its message stays in the log: it may contain anything.
#[derive(Debug)]
pub(crate) struct Panicked;

impl World {
    /// Runs a query off the event loop: it may need files, probes and processes.
    pub(crate) async fn ask<T, F>(&self, question: F) -> Result<T, Panicked>
    where
        T: Send + 'static,
        F: FnOnce(&Self) -> T + Send + 'static,
    {
        let world = self.clone();
        tokio::task::spawn_blocking(move || question(&world)).await.map_err(|_| Panicked)
    }
}

/// The current state. Queries change nothing.
pub trait StatusSource: Send + Sync + 'static {
    /// The project and its services.
    fn status(&self, probes: Probes) -> ProjectStatus;

    /// Returns true if there is a service with that name.
    fn knows(&self, service: &ServiceName) -> bool {
        self.status(Probes::Skip).service(service.as_str()).is_some()
    }

    /// JupyterLab's information about its kernels; empty if it does not answer.
    fn kernels(&self) -> Vec<KernelActivity>;

    /// The machine's memory, load and disk space.
    fn resources(&self) -> Resources;

    /// What is wrong beside the services.
    fn alerts(&self) -> Vec<Alert>;

    /// Starts watching; later events end the next wait.
    fn watch(&self) -> Box<dyn Watching>;
}

/// Whether to probe services in addition to reading records and processes. A service may log a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probes {
    Skip,
    Run,
}

/// A source of change events.
pub trait Watching: Send {
    /// Waits until there may be news (true), or for `patience`.
    fn wait(&mut self, patience: Duration) -> bool;
}

/// Carries out requests from the page.
pub trait Control: Send + Sync + 'static {
    /// Carries out an action, and reports the result.
    ///
    /// The app calls this only for services that [`StatusSource::status`] lists, and never twice at once for
    /// the same action. Another process must end the service that serves the page: ask for it and return, or
    /// the answer is lost.
    ///
    /// # Errors
    /// The reason why it was not done, and the remedy.
    fn act(&self, target: &Target, verb: Verb, consent: Consent) -> Result<Reply, ControlError>;

    /// Takes the results of requests that were finished by another process, or after the page
    /// had stopped waiting.
    fn news(&self) -> Option<News> {
        None
    }

    /// The address of a service's page, signed in; `None` if it has none now.
    ///
    /// # Errors
    /// Its key exists and can't be used.
    fn signed_address(&self, service: &ServiceName) -> Result<Option<String>, ControlError>;

    /// Signs in at a service whose address would otherwise contain its key, which a browser's history keeps.
    /// Only for a browser that uses 127.0.0.1 as this host. `None` if that isn't possible.
    fn sign_in(&self, _service: &ServiceName) -> Option<SignedIn> {
        None
    }
}

/// Access to a service's page without its key in the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    pub address: String,
    /// The value of `Set-Cookie`.
    pub cookie: String,
}

/// The subject of an action.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    All,
    One(ServiceName),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all services"),
            Self::One(service) => service.fmt(f),
        }
    }
}

/// The possible actions. Closed: no request can name anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    Start,
    Stop,
    Restart,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 3] = [Self::Start, Self::Stop, Self::Restart];

    /// The word in an address.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }

    /// The word on a button.
    pub fn label(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Stop => "Stop",
            Self::Restart => "Restart",
        }
    }

    /// Parses [`Verb::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.word() == word)
    }
}

/// Whether the user knows which work is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Not asked yet: services with work in progress are skipped.
    NotAsked,
    /// "Do it anyway."
    Given,
}

/// The result of an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// It was done.
    Done(Vec<Line>),
    /// It continues in the background; `is_slow`: after a timeout.
    Asked { is_slow: bool },
}

/// The result of a request that another process finished, or that came late.
pub type News = Result<Vec<Line>, ControlError>;

/// The reason why an action was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// It would end or interrupt this; with [`Consent::Given`] it is done.
    #[error("this would end: {}", ended(.0))]
    NeedsConsent(Vec<Loss>),
    /// It is possible, but should not be done.
    #[error("{0}")]
    Refused(String),
    /// It was tried.
    #[error("{0}")]
    Failed(String),
}

fn ended(losses: &[Loss]) -> String {
    losses.iter().map(pipulate_words::loss).collect::<Vec<_>>().join("; ")
}

/// The services' logs.
pub trait Logs: Send + Sync + 'static {
    /// The services that have printed output or may soon, in the order in which they are shown.
    ///
    /// # Errors
    /// The folder of the logs can't be listed.
    fn services(&self) -> Result<Vec<ServiceName>, StoreError>;

    /// Opens parts of logs.
    ///
    /// # Errors
    /// One can't be opened or read.
    fn open(&self, stretches: &[Stretch]) -> Result<Merged, StoreError>;

    /// The masker of the project's current secrets.
    fn masker(&self) -> Masker;

    /// The path below the folder of a file that a program names; `None` if it is no file of the folder.
    fn file(&self, named: &str) -> Option<String>;

    /// The services' events since then, oldest first.
    fn events(&self, since: Timestamp) -> Vec<ServiceEvent>;

    /// Starts watching; later output ends the next wait.
    fn watch(&self) -> Box<dyn Watching>;
}

/// The notebooks of the project's folder.
pub trait Notebooks: Send + Sync + 'static {
    /// Lists them, the one that was changed last first.
    fn list(&self) -> Listing;

    /// Returns true if there is one at this path below the folder.
    fn has(&self, path: &str) -> bool;

    /// Reads one, with the time of its last change.
    ///
    /// # Errors
    /// There is none, it is too large, or it can't be read.
    fn read(&self, path: &str) -> Result<(Vec<u8>, Timestamp), NotRead>;

    /// Creates one without overwriting, and returns its path below the folder.
    ///
    /// # Errors
    /// The folder can't be written to.
    fn create(&self, new: New) -> std::io::Result<String>;
}

/// The project's `.env`.
pub trait Secrets: Send + Sync + 'static {
    /// The names that the project requires.
    fn required(&self) -> Vec<String>;

    /// The names in the file, in order.
    ///
    /// # Errors
    /// The file can't be read or parsed.
    fn names(&self) -> Result<Vec<String>, EnvError>;

    /// The names that have a value that is not empty, read again each time.
    ///
    /// # Errors
    /// The file can't be read or parsed.
    fn filled(&self) -> Result<BTreeSet<String>, EnvError>;

    /// Returns true if `key` is one of them.
    ///
    /// # Errors
    /// As [`Secrets::filled`].
    fn has(&self, key: &str) -> Result<bool, EnvError> {
        Ok(self.filled()?.contains(key))
    }

    /// Saves `value` unless `key` has a value that is not empty. Of two calls at once, one saves.
    ///
    /// # Errors
    /// The file can't contain the value, or can't be written. The message never shows it.
    fn save_once(&self, key: &EnvKey, value: &SecretValue) -> Result<SetOnce, EnvError>;

    /// Saves `value`, replacing an existing one.
    ///
    /// # Errors
    /// As [`Secrets::save_once`].
    fn save(&self, key: &EnvKey, value: &SecretValue) -> Result<Written, EnvError>;

    /// Removes a name and its value.
    ///
    /// # Errors
    /// The file can't be read or written.
    fn forget(&self, key: &str) -> Result<Unset, EnvError>;
}

/// A file alone requires nothing.
impl Secrets for EnvFile {
    fn required(&self) -> Vec<String> {
        Vec::new()
    }

    fn names(&self) -> Result<Vec<String>, EnvError> {
        self.keys()
    }

    fn filled(&self) -> Result<BTreeSet<String>, EnvError> {
        let values = self.known_values()?.0.into_iter();
        Ok(values.filter(|(_, value)| !value.expose().is_empty()).map(|(key, _)| key).collect())
    }

    fn save_once(&self, key: &EnvKey, value: &SecretValue) -> Result<SetOnce, EnvError> {
        self.set_once(key, value)
    }

    fn save(&self, key: &EnvKey, value: &SecretValue) -> Result<Written, EnvError> {
        self.set(key, value)
    }

    fn forget(&self, key: &str) -> Result<Unset, EnvError> {
        self.unset(key)
    }
}
