//! What the app holds while it runs.
//!
//! Invariant: nothing here is needed by the next run. Sessions are signed, not stored; the counter
//! is an example and begins at 0.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use pipulate_core::service::ServiceName;

use crate::problem::Problem;
use crate::sign::{Door, Token};
use crate::world::World;

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    service: ServiceName,
    port: u16,
    door: Door,
    world: World,
    counter: AtomicU64,
    busy: Mutex<BTreeSet<ServiceName>>,
    notice: Mutex<Option<Notice>>,
}

/// What was last done from the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) at: Timestamp,
}

impl AppState {
    /// An app that is known as `service`, answers on `port` of the loopback addresses, and lets in
    /// who holds `token`.
    pub fn new(service: ServiceName, port: u16, token: Token, world: World) -> Self {
        let door = Door::new(token, port, Timestamp::now());
        let (counter, busy, notice) = (AtomicU64::new(0), Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { service, port, door, world, counter, busy, notice }))
    }

    /// The service that this app runs as: the one to name in commands.
    pub(crate) fn service(&self) -> &ServiceName {
        &self.0.service
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    pub(crate) fn door(&self) -> &Door {
        &self.0.door
    }

    /// Asks the world, off the event loop: it may read files, wait for probes and for processes.
    pub(crate) async fn ask<T, F>(&self, question: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&World) -> T + Send + 'static,
    {
        let world = self.0.world.clone();
        // What it panicked with stays in the log: it may hold anything.
        let broken_off = || Problem::Failed("this was broken off by a bug in Pipulate".to_owned());
        tokio::task::spawn_blocking(move || question(&world)).await.map_err(|_| broken_off())
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.counter.load(Ordering::Relaxed)
    }

    pub(crate) fn increment(&self) -> u64 {
        self.0.counter.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Marks a service as being worked on, until the claim is dropped; `None` if it is already.
    pub(crate) fn claim(&self, service: &ServiceName) -> Option<Claim> {
        lock(&self.0.busy)
            .insert(service.clone())
            .then(|| Claim { state: self.clone(), service: service.clone() })
    }

    pub(crate) fn notice(&self) -> Option<Notice> {
        lock(&self.0.notice).clone()
    }

    pub(crate) fn set_notice(&self, text: String) {
        *lock(&self.0.notice) = Some(Notice { text, at: Timestamp::now() });
    }
}

/// One action at a time for each service.
pub(crate) struct Claim {
    state: AppState,
    service: ServiceName,
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.state.0.busy).remove(&self.service);
    }
}

/// No invariant spans two statements under these locks, so a poisoned one is as good as new.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
