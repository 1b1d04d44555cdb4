//! Which services a start began itself: one that fails, or is given up, ends those and no others.
//!
//! A start's supervisors are its children. A service that was adopted ran before, and one that another
//! start's supervisor runs is that start's.

use std::time::{Duration, Instant};

use pipulate_core::identity::{Host, Pid};
use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::service::ServiceName;
use pipulate_process::identity::{self, Verified};
use pipulate_process::poll;
use pipulate_process::{reaper, table};

use crate::reconcile::run_of;
use pipulate_supervisor::ownership::{Ownership, look_up};
use pipulate_supervisor::process_tree::Service;

/// How long a new supervisor may take to take its service over.
const TAKES_OVER: Duration = Duration::from_secs(5);
/// Poll interval for that: a lock that is taken wakes nobody.
const GLANCE: Duration = Duration::from_millis(5);

/// The services of a start as they were before it.
#[derive(Debug, Clone)]
pub struct Before(Vec<Earlier>);

#[derive(Debug, Clone)]
struct Earlier {
    service: ServiceName,
    /// Whether anything of it lived, or may have lived.
    lived: bool,
    run: Option<RunId>,
}

impl Before {
    /// Looks at these services.
    pub fn look(layout: &Layout, services: &[ServiceName]) -> Self {
        let host = identity::host();
        let earlier = |service: &ServiceName| {
            let (record, ownership) = look_up(layout, service, &host);
            let run = record.as_ref().and_then(run_of);
            Earlier { service: service.clone(), lived: ownership != Ownership::Gone, run }
        };
        Self(services.iter().map(earlier).collect())
    }

    /// The services that were looked at.
    pub fn services(&self) -> impl Iterator<Item = &ServiceName> {
        self.0.iter().map(|earlier| &earlier.service)
    }

    /// The services that this process has begun since then.
    pub fn begun(&self, layout: &Layout) -> Vec<ServiceName> {
        let host = identity::host();
        let children = identity::own_pid().map(table::children).unwrap_or_default();
        let is_begun = |earlier: &&Earlier| {
            let own = Service::of(layout, &earlier.service);
            let mut supervisors = children.iter().copied().filter(|&child| own.is_supervisor(child));
            supervisors.any(|supervisor| earlier.is_begun_by(supervisor, layout, &host))
        };
        self.0.iter().filter(is_begun).map(|earlier| earlier.service.clone()).collect()
    }
}

impl Earlier {
    /// Whether this supervisor, a child of ours, runs the service and has begun to run it.
    fn is_begun_by(&self, supervisor: Pid, layout: &Layout, host: &Host) -> bool {
        let Some(pinned) = pin_child(supervisor, host) else { return false };
        let deadline = Instant::now() + TAKES_OVER;
        // A stop would find nothing to stop yet, and the service would come up after it.
        while reaper::peek(supervisor).is_none() {
            let (record, ownership) = look_up(layout, &self.service, host);
            match ownership {
                Ownership::Supervised(holder) if holder == supervisor => {
                    let run = record.as_ref().and_then(run_of);
                    return !self.lived || run.is_some_and(|run| self.run.as_ref() != Some(&run));
                }
                Ownership::Supervised(_)
                | Ownership::Unsupervised
                | Ownership::Gone
                | Ownership::Unknown(_) => {}
            }
            if Instant::now() >= deadline {
                return false;
            }
            let end = pinned.descriptor().map(|end| (end, poll::Interest::Read));
            if poll::wait(end.as_slice(), Some(GLANCE)).is_err() {
                return false;
            }
        }
        false
    }
}

fn pin_child(pid: Pid, host: &Host) -> Option<Verified> {
    Verified::pin_child(&identity::identify(pid, host)?).ok().flatten()
}
