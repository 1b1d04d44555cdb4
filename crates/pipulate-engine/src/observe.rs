//! One look at a service, and the facts that cost more than that.

use std::cell::OnceCell;
use std::time::SystemTime;

use pipulate_core::identity::{Host, Pid};
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_process::identity::{self, Verified};
use pipulate_store::lock;
use pipulate_store::pending::PendingStart;
use pipulate_store::record::{self, Record};
use pipulate_supervisor::ownership::{self, Ownership, ownership_among};
use pipulate_supervisor::process_tree::{self, Claims, Service};

use crate::query;
use crate::reconcile::{Aim, Awaited, Holder, Observed};

/// Observes the services of a project.
pub(crate) struct Observer<'a> {
    pub layout: &'a Layout,
    pub host: Host,
    /// One scan of the process table, for one pass over all services.
    pub claims: Claims,
    /// Searched for once: for each service, it would be another scan of all processes.
    lost: OnceCell<Vec<(ServiceName, Pid)>>,
    /// True if this process may write a stopped record itself.
    writes: bool,
    /// The start of this request.
    pending: Option<&'a PendingStart>,
}

impl<'a> Observer<'a> {
    pub(crate) fn new(layout: &'a Layout, writes: bool, pending: Option<&'a PendingStart>) -> Self {
        let host = identity::host();
        Self { layout, host, claims: Claims::default(), lost: OnceCell::new(), writes, pending }
    }

    /// Observes one service with regard to `aim`.
    pub(crate) fn look(&self, service: &ServiceName, awaited: Awaited, aim: Aim) -> Observed {
        let (record, unreadable) = match record::read(self.layout, service) {
            Ok(record) => (record, None),
            // A supervisor is identified by its lock anyway, and rewrites the record.
            Err(error) => (None, Some(error.into())),
        };
        let owner = ownership_among(&self.claims, self.layout, service, record.as_ref(), &self.host);
        let knows_no_requests = record.as_ref().is_some_and(|record| record.generation.is_none());
        let has_survivors =
            record.as_ref().is_some_and(|record| ownership::survivors(record).next().is_some());
        Observed {
            main_lives: aim != Aim::Stop && record.as_ref().is_some_and(query::main_lives),
            written: knows_no_requests.then(|| written_at(self.layout, service)).flatten(),
            record,
            unreadable,
            owner,
            awaited,
            is_withdrawn: self.pending.is_some_and(|pending| pending.is_withdrawn(service)),
            lost: None,
            holder: None,
            answer: None,
            why_failed: None,
            is_outdated: None,
            is_plain: self.writes && is_plain(service) && !has_survivors,
        }
    }

    /// Returns the supervisor that runs a service although its records were deleted.
    pub(crate) fn lost(&self, service: &ServiceName) -> Option<Pid> {
        let lost = self.lost.get_or_init(|| process_tree::lost_supervisors(self.layout));
        lost.iter().find(|(name, _)| name == service).map(|(_, pid)| *pid)
    }

    /// Returns the holder of the service's lock.
    pub(crate) fn holder(&self, service: &ServiceName, pid: Pid) -> Holder {
        let holder = identity::identify(pid, &self.host);
        let is_other = holder.is_some_and(|holder| !ownership::is_supervisor(self.layout, service, &holder))
            && lock::holder(&self.layout.lock(service))
                .is_ok_and(|holder| holder == lock::Holder::Process(pid));
        if is_other { Holder::Other(pid) } else { Holder::Supervisor }
    }

    /// Probes a service that is recorded as ready; otherwise returns its state as `status` would show it.
    pub(crate) fn answer(&self, record: &Record, owner: &Ownership) -> Result<(), Box<Record>> {
        match query::why_not_ready(self.layout, record, owner) {
            None => Ok(()),
            Some(why) => {
                let mut record = record.clone();
                (record.state, record.reasons) = (ServiceState::Degraded, why);
                Err(Box::new(record))
            }
        }
    }

    /// Pins the supervisor of a service that was seen a moment ago.
    pub(crate) fn pin(&self, service: &ServiceName, pid: Pid) -> Option<Verified> {
        ownership::pin_supervisor(self.layout, service, pid, &self.host)
    }

    /// Pins a supervisor whose records were deleted.
    pub(crate) fn pin_lost(&self, service: &ServiceName, pid: Pid) -> Option<Verified> {
        let pinned = Verified::pin_as_found(pid, &self.host)?;
        Service::of(self.layout, service).is_supervisor(pid).then_some(pinned)
    }
}

/// Returns when a service's record was written; `None` if it has none.
pub(crate) fn written_at(layout: &Layout, service: &ServiceName) -> Option<SystemTime> {
    std::fs::metadata(layout.record(service)).ok()?.modified().ok()
}

/// True if a stopped service leaves no keys and no Jupyter runtime files to be removed.
fn is_plain(service: &ServiceName) -> bool {
    !matches!(service.as_str(), ServiceName::JUPYTER | ServiceName::SERVER | ServiceName::DASHBOARD)
}
