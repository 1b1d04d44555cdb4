//! The app from outside: through its router, and through real sockets where bytes matter.
//!
//! Tests named `attack_NN_…` are the attacks that a page in the same browser, another user of the machine or
//! a hostile file can try on a program that listens on loopback.

mod apps;
mod assets;
mod attacks;
mod bodies;
mod chat;
mod chat_versions;
pub(crate) mod fake;
mod fake_notebooks;
mod leaving;
mod logs;
mod long_answers;
pub(crate) mod news;
mod noise;
mod notebooks;
mod ollama;
mod pages;
mod proxied;
mod secrets;
mod services;
mod sessions;
mod sockets;
mod streams;
mod values;
