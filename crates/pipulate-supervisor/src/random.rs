//! Random numbers for runs, generations, and the jitter of delays.

use crate::error::SuperviseError;

/// Returns a random number.
///
/// # Errors
/// The system provides none.
pub fn random() -> Result<u64, SuperviseError> {
    getrandom::u64().map_err(|error| SuperviseError::System {
        activity: "get random numbers",
        source: std::io::Error::other(error.to_string()),
    })
}
