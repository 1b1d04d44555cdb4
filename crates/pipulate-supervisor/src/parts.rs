//! The parts of a supervisor that the loop in `driver` asks in turn.
//!
//! A part owns its state, takes what else it needs as arguments, and answers with values: what happened,
//! and what the machine should be told. No part knows the driver or another part's state.

pub(crate) mod disk_reserve;
pub(crate) mod file_watch;
pub(crate) mod log_pump;
pub(crate) mod peer_watch;
pub(crate) mod re_exec;
pub(crate) mod trial;

#[cfg(test)]
mod samples;
