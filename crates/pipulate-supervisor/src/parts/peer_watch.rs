//! Peer watch: the supervisors of a project watch each other in a ring ordered by name.
//!
//! It costs one descriptor and no wake-up. When the watched supervisor is killed, its service gets a new one
//! at once, which adopts it; one that ends in order leaves a record that says so. A new supervisor announces
//! itself to its predecessor by SIGURG, which a process without a handler ignores. It does so when its
//! service's state is final: until then the command that started it watches it. Without such a command, or
//! when that ends early, it does so at once.

mod neighborhood;

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use pipulate_core::service::ServiceName;
use pipulate_process::identity::{SignalError, Verified};

pub(crate) use neighborhood::Neighborhood;

/// After this many rescues within [`RESCUE_WINDOW`], a peer is given up: a new supervisor does not help.
const RESCUE_LIMIT: usize = 5;
const RESCUE_WINDOW: Duration = Duration::from_secs(60);
/// First pause before a failed rescue (EAGAIN at fork) is retried; it doubles each time.
const RESCUE_PAUSE: Duration = Duration::from_secs(1);

/// Pause after the next one has ended in order. If many are being stopped, this one gets its own request by
/// then, and does not scan past all that have ended.
const CALM: Duration = Duration::from_millis(50);

/// A supervisor's place in the ring.
pub(crate) struct PeerWatch<S = Verified> {
    /// The next one was searched for.
    has_looked: bool,
    /// The predecessor was notified.
    is_known: bool,
    /// It only ends a service, and does not watch.
    is_aloof: bool,
    next: Option<Watched<S>>,
    /// The ring when the predecessor was notified. Later members announce themselves.
    ring: Option<Vec<ServiceName>>,
    rescues: Vec<Instant>,
    /// When to search again: a rescue failed, or the next one ended in order.
    retry_at: Option<Instant>,
    /// A new supervisor may have come between this one and the next.
    is_asked: bool,
}

/// A supervisor whose death is detected.
struct Watched<S> {
    service: ServiceName,
    supervisor: S,
}

/// The other services of a project and their supervisors.
pub(crate) trait Peers {
    type Supervisor: Supervisor;

    /// Returns the names of the services that have a record, without this one's.
    fn names(&self) -> Vec<ServiceName>;

    /// Returns the living supervisor of a service.
    fn supervisor(&self, peer: &ServiceName) -> Option<Self::Supervisor>;

    /// Returns true if a service lost its supervisor and should have a new one.
    fn was_lost(&self, peer: &ServiceName) -> bool;

    /// Starts a supervisor for a service that lost its own.
    ///
    /// # Errors
    /// It can't be started now; the sentence says why.
    fn rescue(&self, peer: &ServiceName) -> Result<Self::Supervisor, String>;
}

/// A handle of a supervisor, living or ended.
pub(crate) trait Supervisor {
    /// True if it is still alive.
    fn lives(&self) -> bool;
    /// Notifies it of a new supervisor next to it.
    ///
    /// # Errors
    /// It can't be signaled.
    fn greet(&self) -> Result<(), SignalError>;
}

impl<S: Supervisor> PeerWatch<S> {
    /// `is_aloof`: this supervisor only ends its service, and does not watch.
    pub(crate) fn new(is_aloof: bool) -> Self {
        Self {
            has_looked: false,
            is_known: false,
            is_aloof,
            next: None,
            ring: None,
            rescues: Vec::new(),
            retry_at: None,
            is_asked: false,
        }
    }

    /// Searches for the next supervisor again: during a restart of the service nothing was watched.
    pub(crate) fn look_again(&mut self) {
        (self.has_looked, self.is_known) = (false, false);
    }

    /// Notes that a new supervisor announced itself.
    pub(crate) fn ask_to_look_around(&mut self) {
        self.is_asked = true;
    }

    /// Returns when to search again.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Joins the ring as soon as `has_time`, and detects the death of the next supervisor. `is_stopping`:
    /// this supervisor may be about to end.
    pub(crate) fn look(
        &mut self,
        peers: &impl Peers<Supervisor = S>,
        service: &ServiceName,
        has_time: impl FnOnce() -> bool,
        is_stopping: bool,
        now: Instant,
    ) {
        if !self.has_looked && has_time() {
            self.has_looked = true;
            let ring = self.ring.take().unwrap_or_else(|| in_ring_order(peers.names(), service));
            self.look_around_in(ring, peers, service, is_stopping, now);
        }
        let is_due = std::mem::take(&mut self.is_asked) || self.retry_at.is_some_and(|at| at <= now);
        let ended = self.next.as_ref().filter(|next| !next.supervisor.lives()).map(|next| &next.service);
        match ended {
            Some(ended) if !is_due && !is_stopping && !peers.was_lost(ended) => {
                (self.next, self.retry_at) = (None, Some(now + CALM));
            }
            Some(_) => self.look_around(peers, service, is_stopping, now),
            None if is_due => self.look_around(peers, service, is_stopping, now),
            None => {}
        }
    }

    /// Announces this supervisor to its predecessor, once. `is_time`: the service's state is final, or no
    /// command waits for it any more.
    pub(crate) fn introduce(
        &mut self,
        peers: &impl Peers<Supervisor = S>,
        service: &ServiceName,
        is_time: bool,
    ) {
        if self.is_aloof || self.is_known || !is_time {
            return;
        }
        self.is_known = true;
        let ring = in_ring_order(peers.names(), service);
        if let Some(before) = ring.iter().rev().find_map(|peer| peers.supervisor(peer))
            && let Err(error) = before.greet()
        {
            tracing::warn!(%service, "{error}");
        }
        self.ring = Some(ring);
    }

    /// Finds the next living supervisor after this one's name.
    fn look_around(
        &mut self,
        peers: &impl Peers<Supervisor = S>,
        service: &ServiceName,
        is_stopping: bool,
        now: Instant,
    ) {
        self.ring = None;
        // A supervisor that does not watch lists no folder: of many that stop at once, each would list all
        // others.
        let takes_part = !self.is_aloof && !is_stopping;
        let ring = if takes_part { in_ring_order(peers.names(), service) } else { Vec::new() };
        self.look_around_in(ring, peers, service, is_stopping, now);
    }

    /// Supervisors in between that were killed are replaced; the first new one is watched until it has joined
    /// the ring.
    fn look_around_in(
        &mut self,
        ring: Vec<ServiceName>,
        peers: &impl Peers<Supervisor = S>,
        own: &ServiceName,
        is_stopping: bool,
        now: Instant,
    ) {
        let before = self.next.take();
        self.retry_at = None;
        if self.is_aloof || is_stopping {
            return;
        }
        let on_its_way = before.filter(|watched| watched.supervisor.lives());
        let mut newcomer = None;
        for service in ring {
            if let Some(supervisor) = peers.supervisor(&service) {
                self.next = newcomer.or(Some(Watched { service, supervisor }));
                return;
            }
            if on_its_way.as_ref().is_some_and(|watched| watched.service == service) {
                self.next = on_its_way;
                return;
            }
            let rescued = self.rescue(&service, peers, own, now);
            newcomer = newcomer.or(rescued.map(|supervisor| Watched { service, supervisor }));
        }
        self.next = newcomer;
    }

    fn rescue(
        &mut self,
        peer: &ServiceName,
        peers: &impl Peers<Supervisor = S>,
        service: &ServiceName,
        now: Instant,
    ) -> Option<S> {
        if !peers.was_lost(peer) {
            return None;
        }
        self.rescues.retain(|&earlier| now.duration_since(earlier) < RESCUE_WINDOW);
        if self.rescues.len() >= RESCUE_LIMIT {
            tracing::warn!(%service, "the supervisor of {peer} keeps crashing; it is not started again");
            return None;
        }
        let pause = RESCUE_PAUSE * 2_u32.pow(u32::try_from(self.rescues.len()).unwrap_or(0));
        self.rescues.push(now);
        match peers.rescue(peer) {
            Ok(newcomer) => Some(newcomer),
            Err(error) => {
                tracing::warn!(%service, "{peer} lost its supervisor: {error}; it will be tried again");
                self.retry_at = Some(now + pause);
                None
            }
        }
    }
}

impl PeerWatch {
    /// A descriptor that is readable once the watched supervisor has ended.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.next.as_ref().and_then(|next| next.supervisor.descriptor())
    }
}

/// Returns the other names in ring order, beginning after `own`.
fn in_ring_order(names: Vec<ServiceName>, own: &ServiceName) -> Vec<ServiceName> {
    let (mut before, mut after): (Vec<_>, Vec<_>) =
        names.into_iter().filter(|name| name != own).partition(|name| name < own);
    before.sort();
    after.sort();
    after.into_iter().chain(before).collect()
}

#[cfg(test)]
mod tests;
