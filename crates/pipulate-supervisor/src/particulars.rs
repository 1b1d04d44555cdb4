//! Particulars: the specifics of a kind of service, beyond its specification.
//!
//! They are implemented elsewhere. A supervisor has no code for JupyterLab or the web app: it calls them at
//! certain moments, and records the results.

use std::fmt::Debug;
use std::net::SocketAddr;

use pipulate_core::identity::Pid;
use pipulate_core::layout::Layout;
use pipulate_core::reason::{Key, Reason};
use pipulate_core::service::ServiceName;
use pipulate_store::error::StoreError;

/// Hooks around a service's life.
pub trait Particulars: Debug {
    /// Makes missing keys and files that an instance needs at its start.
    ///
    /// # Errors
    /// A file without which the service can't be started could not be made.
    fn prepare(&self, layout: &Layout) -> Result<Vec<Finding>, StoreError>;

    /// Replaces keys that another user may have seen, and returns which.
    ///
    /// # Errors
    /// A key can't be replaced.
    fn renew_keys(&self, layout: &Layout) -> Result<Vec<Key>, StoreError>;

    /// Returns the service's description of itself once it answers at `address`. `pids` finds its processes.
    fn describe(
        &self,
        layout: &Layout,
        address: SocketAddr,
        pids: &dyn Fn() -> Vec<Pid>,
    ) -> Option<Description>;

    /// Removes files that are obsolete after a stop that left no process.
    fn clean_up(&self, layout: &Layout);

    /// Returns true if it leaves processes behind on purpose when it ends, such as kernels: then it never
    /// counts as a service in the background.
    fn leaves_processes(&self) -> bool;
}

/// Turns reasons of a service into text for supervisor.log: a supervisor has no words of its own.
pub type Words = fn(&[Reason], &ServiceName) -> Option<String>;

/// A note for the user about this start, or its withdrawal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    IsSo(Reason),
    IsNotSo(Reason),
}

/// A service's description of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The path of its page, relative to its address.
    pub page: String,
    /// The path of its API, for checking whether it answers.
    pub api: String,
    pub findings: Vec<Finding>,
}
