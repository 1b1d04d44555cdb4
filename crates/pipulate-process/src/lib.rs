//! Processes: start them, know them again, look at their trees, signal them.
//!
//! This crate knows no service and none of our files. No type of `nix`, `rustix` or `libc` crosses
//! its border. Nothing is signalled here without an identity that was verified the moment before.

pub mod command;
pub mod identity;
pub mod memory;
pub mod poll;
pub mod ports;
pub mod reaper;
pub mod signals;
pub mod spawn;
pub mod table;
pub mod watch;

mod image;
mod os;
