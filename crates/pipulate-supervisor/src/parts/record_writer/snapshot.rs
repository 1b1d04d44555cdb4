//! The inputs of a record at the end of a round.

use std::net::SocketAddr;
use std::path::PathBuf;

use pipulate_core::reason::Reason;
use pipulate_core::receipt::Receipt;
use pipulate_core::service::Scheme;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_store::record::MainProcess;

/// The state of the machine and the parts at the end of a round.
#[derive(Debug)]
pub(crate) struct Snapshot<'a> {
    pub(crate) state: ServiceState,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) wanted: Wanted,
    pub(crate) restarts: u32,
    pub(crate) unexpected_ends: u32,
    /// The address of its answer, and how it answered.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) scheme: Scheme,
    pub(crate) is_adopted: bool,
    /// The main process, running or not yet forgotten.
    pub(crate) main: Option<&'a MainProcess>,
    /// Another user may have seen keys of this home.
    pub(crate) is_exposed: bool,
    /// Saved files that the running instance has not loaded.
    pub(crate) saved: Vec<PathBuf>,
    pub(crate) receipt: Option<Receipt>,
    /// The supervisor ends after this.
    pub(crate) is_over: bool,
}
