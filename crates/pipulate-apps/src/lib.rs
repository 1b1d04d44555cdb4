//! From a notebook to a web app: the files to write, as values.
//!
//! [`Description`] is the contents of a notebook, [`plan::plan`] decides which files make it an app, and
//! [`note::Note`] is for its owner. The templates of the programs are in `python/`.
//!
//! Invariant: no I/O. Facts about the folder are passed in.

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
