//! What a chat with the local LLM needs of the world.

use pipulate_core::service::ServiceName;
use pipulate_ollama::host::Host;
use pipulate_ollama::why::Incident;
use pipulate_store::chat::Chats;

/// Where the LLM is, where chats are kept, and what can be asked about.
pub trait Chat: Send + Sync + 'static {
    /// How Ollama is reached, read anew.
    ///
    /// # Errors
    /// What is configured is no address, or may not be contacted.
    fn ollama(&self) -> Result<Ollama, NoOllama>;

    /// Remembers that the user allows this host, a base URL, for this project.
    ///
    /// # Errors
    /// The project names another one by now, or it can't be remembered; as a fragment.
    fn allow(&self, host: &str) -> Result<(), String>;

    /// The project's chats.
    fn chats(&self) -> Chats;

    /// What the LLM is told about a service when it is asked why it is in its state.
    ///
    /// # Errors
    /// Its log can't be read.
    fn incident(&self, service: &ServiceName) -> Result<Incident, String>;
}

/// Why Ollama isn't contacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoOllama {
    /// What is configured is no address; as a fragment that says what to do.
    Unusable(String),
    /// The folder's files name this one, which is on another machine, and the user hasn't allowed it.
    Unasked(Host),
}

/// How Ollama is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ollama {
    pub host: Host,
    /// The model that the project wants; without one it is chosen.
    pub model: Option<String>,
    /// What starts it if nobody answers there, to be typed in a terminal.
    pub start: Option<String>,
    /// What else to do then, as a fragment.
    pub advice: Option<String>,
}
