//! Processes: start them, know them again, look at their trees, signal them.
//!
//! This crate knows no service and none of our files. No type of `nix`, `rustix` or `libc` crosses
//! its border. Nothing is signaled here without an identity that was verified the moment before.
//!
//! Reading order: [`identity`], [`table`], [`spawn`], [`command`], [`reaper`], [`signals`]. What differs
//! between systems is in `os`.

pub mod command;
pub mod exit;
pub mod identity;
pub mod memory;
pub mod peers;
pub mod poll;
pub mod ports;
pub mod reaper;
pub mod signals;
pub mod spawn;
pub mod table;
pub mod watch;

mod entry;
mod image;
mod os;
mod socket;
