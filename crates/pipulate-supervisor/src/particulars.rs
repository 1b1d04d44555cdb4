//! Particulars: what is particular about a kind of service, beside its specification.
//!
//! They come from outside. A supervisor knows no JupyterLab and no web app: it says when something is to be
//! done, and records what came of it.

use std::fmt::Debug;
use std::net::SocketAddr;

use pipulate_core::identity::Pid;
use pipulate_core::layout::Layout;
use pipulate_core::reason::{Key, Reason};
use pipulate_core::service::ServiceName;
use pipulate_store::error::StoreError;

/// What is done around a service.
pub trait Particulars: Debug {
    /// Makes the keys and files that an instance is started with, where they are missing.
    ///
    /// # Errors
    /// What the service can't be started without could not be made.
    fn prepare(&self, layout: &Layout) -> Result<Vec<Finding>, StoreError>;

    /// Replaces keys that another user may know, and returns which.
    ///
    /// # Errors
    /// A key can't be replaced.
    fn renew_keys(&self, layout: &Layout) -> Result<Vec<Key>, StoreError>;

    /// Returns what the service says about itself once it answers at `address`. `pids` finds its processes.
    fn describe(
        &self,
        layout: &Layout,
        address: SocketAddr,
        pids: &dyn Fn() -> Vec<Pid>,
    ) -> Option<Description>;

    /// Removes what means nothing after a stop that left no process.
    fn clean_up(&self, layout: &Layout);

    /// Returns whether it leaves processes behind on purpose when it ends, such as kernels: then it never
    /// counts as a service in the background.
    fn leaves_processes(&self) -> bool;
}

/// Says reasons of a service, for supervisor.log: a supervisor has no words of its own.
pub type Words = fn(&[Reason], &ServiceName) -> Option<String>;

/// What a person should know about this start, or need not know any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    IsSo(Reason),
    IsNotSo(Reason),
}

/// What a service says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Where its page is, relative to its address.
    pub page: String,
    /// Where it can be asked whether it answers.
    pub api: String,
    pub findings: Vec<Finding>,
}
