//! Acting on a project from outside: one engine below both user interfaces.
//!
//! A [`request`] says which state services should be in; [`reconcile`] decides, purely, what to do next for
//! each; [`execute`] does it and waits; a [`report`] says how it came out, in values.

pub mod act;
pub mod answer;
pub mod conduct;
pub mod denial;
pub mod execute;
pub mod jupyter;
mod jupyter_settings;
pub mod kept;
mod observe;
pub mod particulars;
pub mod plan;
pub mod preflight;
pub mod project;
pub mod projects;
pub mod query;
pub mod reconcile;
pub mod report;
pub mod request;
pub mod schedule;
pub mod specs;
pub mod takeover;
mod upkeep;
pub mod work;
mod written;
