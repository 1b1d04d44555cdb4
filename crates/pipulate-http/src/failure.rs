//! Why there is no response.

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
