//! Acting on a project from outside: one engine below both user interfaces.
//!
//! Reading order: [`start`], [`stop`], [`restart`], [`query`].

pub mod begun;
pub mod config_drift;
pub mod jupyter;
mod jupyter_settings;
pub mod particulars;
pub mod plan;
pub mod preflight;
pub mod projects;
pub mod query;
pub mod reload;
pub mod restart;
pub mod start;
pub mod stop;
pub mod takeover;
pub mod work;
