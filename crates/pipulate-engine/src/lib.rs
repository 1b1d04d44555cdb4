//! Acting on a project from outside: the engine that both user interfaces share.
//!
//! A [`request`] names the desired state of services; [`reconcile`] decides, purely, the next step for each;
//! [`execute`] carries it out and waits; a [`report`] has the results as values.

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
