//! Supervising services: the pure machine, the driver around it, and the questions and requests
//! of whoever stands outside.
//!
//! Every service has a supervisor of its own: one process, one thread, asleep while nothing
//! happens. There is no daemon above them and no socket between them: what is true stands in the
//! record, what is wanted comes as a signal to a process whose identity was verified.
//!
//! Reading order: inside, `machine`, [`driver`] and `family`; outside, [`query`], [`launch`], [`halt`],
//! [`restart`] and [`renewal`].

pub mod begun;
pub mod driver;
pub mod halt;
pub mod jupyter;
pub mod launch;
pub mod orders;
pub mod owner;
pub mod plan;
pub mod program;
pub mod projects;
pub mod query;
pub mod renewal;
pub mod restart;
pub mod scope;
pub mod startable;
pub mod takeover;
pub mod work;

mod family;
mod machine;
mod probe;
mod standing;
