//! Processes: starting, identifying and signaling them, and inspecting their trees.
//!
//! This crate has no services and none of our files. Its interface has no type of `nix`, `rustix` or `libc`.
//! Every signal is sent to an identity that was verified immediately before.
//!
//! Reading order: [`identity`], [`table`], [`spawn`], [`command`], [`reaper`], [`signals`]. `os` has the
//! differences between systems.

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
pub mod users;
pub mod watch;

mod entry;
mod image;
mod os;
mod socket;
