//! Faults at random moments: supervisors, services and upgrades are killed while everything is at work.
//!
//! Each claim runs a few rounds among the other tests, always the same ones, and as many as there is
//! time for with `cargo xtask torture`. What a round does follows from one number, its seed; when it
//! fails, that number is told. [`rounds`] gives the rounds, [`tally`] keeps what came of them.

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
