//! Ollama's HTTP API as typed requests and streams.
//!
//! Knows no file, no process and no HTML, and prints nothing. What a server sends is never trusted:
//! every length is bounded, every field may be missing, and text from it is cleaned before it gets
//! into a message. Reading order: [`host`], [`client`], [`request`], [`answer`], [`model`], [`choose`], [`conversation`],
//! [`greeting`], [`why`].

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
