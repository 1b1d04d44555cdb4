//! Faults at random moments: supervisors, services and upgrades are killed while everything is at work.
//!
//! Each claim runs a few fixed rounds among the other tests, and as many as there is time for with `cargo
//! xtask torture`. A round follows from one number, its seed, which a failure prints. [`rounds`] creates the
//! rounds, [`tally`] counts their results.

mod dice;
mod interleavings;
mod killed_supervisors;
mod lines;
mod rounds;
mod strange_faults;
mod strange_home;
mod strange_services;
mod supervisors;
mod tally;
mod trees;
mod upgrades;
mod verbs;
