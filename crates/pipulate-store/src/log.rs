//! Logs: what the services printed, byte for byte, and the ways to look at it.
//!
//! Reading never writes, deletes or repairs. A line goes from [`read`] (bytes, in order, each
//! once) through [`sanitize`] (nothing that could steer a terminal) and [`mask`] (no secret, as
//! [`secrets`] finds them) to whoever shows it; [`time_index`] knows when it came, [`watch`] says when there
//! may be more, [`merge`] puts several logs in one order; [`excerpt`] is all of that for a log's end.

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
