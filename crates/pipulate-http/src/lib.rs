//! HTTP/1.1 on loopback without an async runtime: one GET as a client, one request as a server.
//!
//! Nothing here trusts the other side: every length has a bound and every wait a deadline.
//! Reading order: [`exchange`], [`failure`], `response`, [`request`], `tls`.

pub mod exchange;
pub mod failure;
pub mod request;

mod response;
mod tls;

/// Header lines that are read; browsers send about 20.
const HEADERS: usize = 64;

/// The longest head that is read, in bytes.
const LONGEST_HEAD: usize = 16 << 10;
