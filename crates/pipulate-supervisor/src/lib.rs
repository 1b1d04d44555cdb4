//! Supervising services: the pure machine, the loop around it, and the code shared with clients of a
//! supervisor: the ownership of a service, and its processes.
//!
//! Every service has a supervisor of its own: one process, one thread, asleep while nothing happens. There is
//! no daemon above them and no socket between them: the observed state is in the record, and requests come as
//! signals to a process whose identity was verified. Clients that act on services are in `pipulate-engine`.
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
