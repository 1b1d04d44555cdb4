//! The vocabulary of Pipulate: projects, services, states, findings, configuration and paths.
//!
//! Everything here is a value. Nothing here reads a file or a clock, starts a process or prints; callers pass
//! the facts. Reading order: [`service`], [`state`], [`status`], [`config`], [`layout`].

pub mod answer;
pub mod chat;
pub mod config;
pub mod env_error;
pub mod fault;
pub mod finding;
pub mod fingerprint;
pub mod identity;
pub mod layout;
pub mod marker;
pub mod missing_module;
pub mod order;
pub mod pattern;
pub mod project;
pub mod reason;
pub mod receipt;
pub mod resources;
pub mod secret;
pub mod service;
pub mod state;
pub mod status;
pub mod text;
pub mod units;
pub mod watch;
pub mod web_host;
pub mod web_program;
pub mod work;
