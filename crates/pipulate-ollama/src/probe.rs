//! The facts about a server for `doctor`, with a timeout.

use std::time::Duration;

use crate::client::Client;
use crate::error::Error;
use crate::host::Host;
use crate::model::{Loaded, Model};
use crate::runtime::block_on;

/// A server's description of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    pub version: String,
    /// Installed, newest first.
    pub models: Vec<Model>,
    /// In memory.
    pub loaded: Vec<Loaded>,
}

/// Queries all facts. To be called from a thread without a tokio runtime.
///
/// # Errors
/// The server can't be reached, is no Ollama, or takes longer than `timeout` in total.
pub fn probe_blocking(host: &Host, timeout: Duration) -> Result<Probe, Error> {
    let task = async {
        let slow = |_| Error::Slow { host: host.to_string(), activity: "answer", limit: timeout };
        tokio::time::timeout(timeout, probe(host)).await.map_err(slow)?
    };
    let no_runtime =
        |error: std::io::Error| Error::Unreachable { host: host.to_string(), reason: error.to_string() };
    block_on(task).map_err(no_runtime)?
}

async fn probe(host: &Host) -> Result<Probe, Error> {
    let client = Client::new(host)?;
    let version = client.version().await?;
    let (models, loaded) = tokio::join!(client.models(), client.loaded());
    // A server too old to report loaded models is still an Ollama.
    Ok(Probe { version, models: models?, loaded: loaded.unwrap_or_default() })
}
