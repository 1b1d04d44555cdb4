//! The parts of a supervisor that the loop in `driver` calls in turn.
//!
//! A part owns its state, takes all other data as arguments, and returns values: observations, and events for
//! the machine. No part depends on the driver or another part's state.

pub(crate) mod background;
pub(crate) mod derive_state;
pub(crate) mod disk_reserve;
pub(crate) mod file_watch;
pub(crate) mod home;
pub(crate) mod log_pump;
pub(crate) mod main_process;
pub(crate) mod needs;
pub(crate) mod own_tree;
pub(crate) mod peer_watch;
pub(crate) mod port;
pub(crate) mod re_exec;
pub(crate) mod readiness;
pub(crate) mod record_writer;
pub(crate) mod reload_loop;
pub(crate) mod rest;
pub(crate) mod sockets;
pub(crate) mod spawner;
pub(crate) mod stop;
pub(crate) mod takeover;
pub(crate) mod trial;

#[cfg(test)]
mod samples;
