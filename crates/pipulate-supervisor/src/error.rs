//! Why a supervisor could not do its work.

use pipulate_store::error::StoreError;

/// Why a supervisor could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("could not {activity}: {source}")]
    System { activity: &'static str, source: std::io::Error },
    #[error("{service} lives {place}; stop it there")]
    Elsewhere { service: String, place: String },
    #[error("nothing was started: could not tell whether {service} is running: {reason}")]
    Unverifiable { service: String, reason: String },
}
