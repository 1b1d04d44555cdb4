//! The chat's queries to the world.

use pipulate_core::service::ServiceName;
use pipulate_ollama::host::Host;
use pipulate_ollama::why::Incident;
use pipulate_store::chat::Chats;

/// The LLM's address, the saved chats, and a service's details.
pub trait Chat: Send + Sync + 'static {
    /// Ollama's address and settings, read again each time.
    ///
    /// # Errors
    /// The configured value is no address, or may not be contacted.
    fn ollama(&self) -> Result<Ollama, NoOllama>;

    /// Remembers that the user allows this host, a base URL, for this project.
    ///
    /// # Errors
    /// The project names another one by now, or it can't be remembered; as a fragment.
    fn allow(&self, host: &str) -> Result<(), String>;

    /// The project's chats.
    fn chats(&self) -> Chats;

    /// The facts about a service for the LLM's explanation of its state.
    ///
    /// # Errors
    /// Its log can't be read.
    fn incident(&self, service: &ServiceName) -> Result<Incident, String>;
}

/// The reason why Ollama isn't contacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoOllama {
    /// The configured value is no address; as a fragment with advice.
    Unusable(String),
    /// The folder's files name this one, which is on another machine, and the user hasn't allowed it.
    Unasked(Host),
}

/// Ollama's address and settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ollama {
    pub host: Host,
    /// The project's model; chosen automatically if `None`.
    pub model: Option<String>,
    /// The command that starts it if it doesn't answer.
    pub start: Option<String>,
    /// Other advice for that case, as a fragment.
    pub advice: Option<String>,
}
