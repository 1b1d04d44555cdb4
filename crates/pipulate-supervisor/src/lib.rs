//! Supervising services: the pure machine, the loop around it, and what both sides of a supervisor
//! have to know: who owns a service, and which processes are its.
//!
//! Every service has a supervisor of its own: one process, one thread, asleep while nothing
//! happens. There is no daemon above them and no socket between them: what is true stands in the
//! record, what is wanted comes as a signal to a process whose identity was verified. Acting on
//! services from outside is the work of `pipulate-engine`.
//!
//! Reading order: `machine`, [`driver`], `parts`, [`process_tree`], [`ownership`].

pub mod driver;
pub mod kernels;
pub mod launch_spec;
pub mod marker;
pub mod notice;
pub mod ownership;
pub mod particulars;
pub mod port_owner;
pub mod probe;
pub mod process_tree;
pub mod program;
pub mod scope;
pub mod startable;

mod error;
mod machine;
mod parts;
mod random;

pub use random::random;
