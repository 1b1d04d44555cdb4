//! The reasons for a missing response.

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    Refused,
    /// It accepted the connection, and did not answer in time.
    Silent,
    Closed,
    /// The answer is not HTTP/1.x, or longer than the limit.
    NotHttp,
    /// It was addressed in TLS, and does not speak it.
    NotTls,
    /// It speaks TLS, and ended the connection with this reason.
    TlsRefused(String),
}
