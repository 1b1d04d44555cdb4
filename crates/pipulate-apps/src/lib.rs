//! From a notebook to a web app: what to write, as values.
//!
//! [`Description`] is what is in a notebook, [`plan::plan`] decides which files make it an app, and
//! [`note::Note`] says what its owner should know. The programs that are written are in `python/`.
//!
//! Invariant: no I/O. A fact about the folder is handed in.

mod config_text;
mod description;
mod kernel;
mod name;
pub mod note;
pub mod plan;
mod program;
mod runner;

pub use config_text::ConfigTextError;
pub use description::{Description, Field, Unusable};
pub use program::notebook_of;
pub use runner::{RUNNER, RUNNER_FILE};
