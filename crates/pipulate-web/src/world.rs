//! What the app asks of the world, as traits that the program implements.
//!
//! Every method may block (the app calls them off its event loop) and may be called from several
//! threads at once. No message that comes back may hold a secret: messages are shown.

use std::sync::Arc;

use pipulate_core::service::ServiceName;
use pipulate_core::status::ProjectStatus;
use pipulate_store::dotenv::{EnvError, EnvFile, EnvKey, SecretValue, SetOnce};

/// Everything that is injected.
#[derive(Clone)]
pub struct World {
    pub status: Arc<dyn StatusSource>,
    pub control: Arc<dyn Control>,
    pub secrets: Arc<dyn Secrets>,
}

/// Tells what is true right now. Asking changes nothing.
pub trait StatusSource: Send + Sync + 'static {
    /// The project and its services.
    fn status(&self) -> ProjectStatus;
}

/// Carries out what a person asked for on the page.
pub trait Control: Send + Sync + 'static {
    /// Does it, and says what was done in a sentence or two.
    ///
    /// The app calls this only for services that [`StatusSource::status`] lists, and never twice
    /// at once for the same one. Ending the service that serves the page is somebody else's work:
    /// ask for it and return, or the answer is lost.
    ///
    /// # Errors
    /// Why it was not done, and what to do next.
    fn act(&self, service: &ServiceName, verb: Verb) -> Result<String, ControlError>;
}

/// What can be asked for. Closed: no request can name anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    /// Reads [`Verb::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.word() == word)
    }
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// It could be done and should not be, such as stopping a busy kernel.
    #[error("{0}")]
    Refused(String),
    /// It was tried.
    #[error("{0}")]
    Failed(String),
}

/// The project's `.env`.
pub trait Secrets: Send + Sync + 'static {
    /// Whether `key` has a value that is not empty, read afresh.
    ///
    /// # Errors
    /// When the file can't be read or understood.
    fn has(&self, key: &EnvKey) -> Result<bool, SecretsError>;

    /// Saves `value` unless `key` has a value that is not empty. Of two calls at once, one saves.
    ///
    /// # Errors
    /// When the file can't hold the value, or can't be written. The message never shows it.
    fn save_once(&self, key: &EnvKey, value: &SecretValue) -> Result<SetOnce, SecretsError>;
}

/// Why a secret was not saved, or not looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// The person can mend it by giving another value.
    #[error("{0}")]
    Unstorable(String),
    /// The file or the disk is at fault.
    #[error("{0}")]
    Failed(String),
}

impl Secrets for EnvFile {
    fn has(&self, key: &EnvKey) -> Result<bool, SecretsError> {
        Ok(self.get(key.as_str())?.is_some_and(|value| !value.expose().is_empty()))
    }

    fn save_once(&self, key: &EnvKey, value: &SecretValue) -> Result<SetOnce, SecretsError> {
        Ok(self.set_once(key, value)?)
    }
}

impl From<EnvError> for SecretsError {
    fn from(error: EnvError) -> Self {
        match error {
            EnvError::Unwritable { .. } => Self::Unstorable(error.to_string()),
            EnvError::Io { .. }
            | EnvError::Symlink { .. }
            | EnvError::NotAFile { .. }
            | EnvError::OtherOwner { .. }
            | EnvError::NotText { .. }
            | EnvError::OpenQuote { .. } => Self::Failed(error.to_string()),
        }
    }
}
