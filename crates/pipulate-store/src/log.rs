//! Logs: the services' output, byte for byte, and the ways to read it.
//!
//! Reading never writes, deletes or repairs. A line goes from [`read`] (bytes, in order, each once) through
//! [`sanitize`] (nothing that could control a terminal) and [`mask`] (no secret, as [`secrets`] finds them)
//! to a renderer; [`time_index`] has its capture time, [`watch`] waits for more, [`merge`] puts several logs
//! in one order; [`excerpt`] combines all of that for the end of a log.

pub mod excerpt;
pub mod mask;
pub mod merge;
pub mod read;
pub mod sanitize;
pub mod secrets;
pub mod time_index;
pub mod watch;
pub mod when;

mod block;
mod chain;
mod find;
mod line_break;
