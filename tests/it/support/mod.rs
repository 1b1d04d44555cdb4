//! The end-to-end tests' tools, imported by `use crate::support::*`.

pub(crate) mod assistant;
pub(crate) mod browser;
pub(crate) mod held;
pub(crate) mod http;
pub(crate) mod index;
pub(crate) mod jupyter;
pub(crate) mod ledger;
pub(crate) mod model;
pub(crate) mod mounts;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod project;
pub(crate) mod redact;
pub(crate) mod run;
pub(crate) mod screen;
pub(crate) mod session;
pub(crate) mod skip;
pub(crate) mod terminal;
pub(crate) mod wait;

pub(crate) use browser::Browser;
pub(crate) use held::Held;
pub(crate) use jupyter::Jupyter;
pub(crate) use process::Process;
pub(crate) use project::TestProject;
pub(crate) use screen::Screen;
pub(crate) use session::Session;
pub(crate) use terminal::Terminal;
pub(crate) use wait::{holds, wait_for};
