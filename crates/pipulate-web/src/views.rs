//! Views: pure functions from a view model to markup, without access to state, clock or request.

pub(crate) mod answer;
pub(crate) mod apps;
pub(crate) mod chat;
mod clock;
pub(crate) mod consent;
pub(crate) mod controls;
mod graph;
mod json;
pub(crate) mod layout;
mod log_line;
pub(crate) mod logs;
pub(crate) mod notebook;
pub(crate) mod notebooks;
pub(crate) mod problem;
pub(crate) mod secrets;
pub(crate) mod services;
pub(crate) mod why;
