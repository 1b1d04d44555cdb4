//! Ollama's HTTP API as typed requests and streams.
//!
//! Has no files, processes or HTML, and prints nothing. A server's data is never trusted: every length is
//! bounded, every field may be missing, and its text is cleaned before it gets into a message. Reading order:
//! [`host`], [`client`], [`request`], [`answer`], [`model`], [`choose`], [`conversation`], [`greeting`],
//! [`why`].

pub mod answer;
pub mod choose;
pub mod client;
pub mod conversation;
pub mod error;
mod fit;
pub mod greeting;
pub mod host;
pub mod model;
pub mod probe;
pub mod request;
pub mod why;

mod lines;
mod proxy;
mod runtime;
