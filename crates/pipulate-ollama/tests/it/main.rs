//! The client through its public interface, against a fake Ollama.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod client;
mod fake;
mod fit;
mod greeting;
mod https;
#[path = "../../../../tests/it/support/ledger.rs"]
mod ledger;
#[path = "../../../../tests/it/support/model.rs"]
mod model;
mod real;
