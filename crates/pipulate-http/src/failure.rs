//! Why there is no response.

use std::io;

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    Refused,
    /// It accepted the connection, and time ran out.
    Silent,
    Closed,
    /// The answer is not HTTP/1.x, or longer than it may be.
    NotHttp,
    /// It was asked in TLS, and does not speak it.
    NotTls,
    /// It speaks TLS, and ended the connection with this reason.
    TlsRefused(String),
}

/// Whether nothing can be read or written yet.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected | io::ErrorKind::Interrupted
    )
}
