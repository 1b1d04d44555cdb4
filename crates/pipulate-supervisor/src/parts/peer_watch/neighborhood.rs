//! The other supervisors of a project, according to the lock files, the records and the process table.

use std::fs::OpenOptions;

use pipulate_core::identity::Host;
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use pipulate_core::state::Wanted;
use pipulate_process::identity::{SignalError, Verified};
use pipulate_process::signals::Signal;
use pipulate_store::lock::{self, Holder};
use pipulate_store::record;

use super::{Peers, Supervisor};
use crate::ownership;
use crate::program::{Beginning, Program};

/// A project from the view of one of its supervisors.
pub(crate) struct Neighborhood<'a> {
    pub(crate) layout: &'a Layout,
    pub(crate) service: &'a ServiceName,
    pub(crate) host: &'a Host,
    /// The program of new supervisors.
    pub(crate) program: &'a Program,
}

impl Peers for Neighborhood<'_> {
    type Supervisor = Verified;

    fn names(&self) -> Vec<ServiceName> {
        record::services(self.layout).unwrap_or_default()
    }

    fn supervisor(&self, peer: &ServiceName) -> Option<Verified> {
        match lock::holder(&self.layout.lock(peer)) {
            Ok(Holder::Process(pid)) => ownership::pin_supervisor(self.layout, peer, pid, self.host),
            Ok(Holder::Nobody | Holder::Invisible) => None,
            Err(error) => {
                tracing::warn!(service = %self.service, "{error}");
                None
            }
        }
    }

    fn was_lost(&self, peer: &ServiceName) -> bool {
        // An invisible holder supervises it in another container.
        let is_free = matches!(lock::holder(&self.layout.lock(peer)), Ok(Holder::Nobody));
        let Some(record) = record::read(self.layout, peer).ok().flatten().filter(|_| is_free) else {
            return false;
        };
        let was_killed = record.supervisor.as_ref().is_some_and(|supervisor| {
            supervisor.host == *self.host && !ownership::has_lost_its_lock(self.layout, peer, supervisor)
        });
        if !was_killed || record.state.has_ended_by_itself() || record.wanted == Wanted::Stopped {
            return false;
        }
        match ownership::doubt(self.layout, &record, self.host) {
            Some(why) => {
                let why = why.code();
                tracing::warn!(service = %self.service, "{peer} lost its supervisor and gets no other: {why}; see `pipulate status`");
                false
            }
            None => true,
        }
    }

    fn rescue(&self, peer: &ServiceName) -> Result<Verified, String> {
        let nowhere = OpenOptions::new().write(true).open("/dev/null").map_err(|error| error.to_string())?;
        let started = self.program.start(self.layout, peer, Beginning::Rescue, None, None, nowhere);
        let newcomer = started.map_err(|error| error.to_string())?;
        let pid = newcomer.identity().pid;
        tracing::info!(service = %self.service, "{peer} lost its supervisor; {pid} takes over");
        Ok(newcomer)
    }
}

impl Supervisor for Verified {
    fn lives(&self) -> bool {
        Self::lives(self)
    }

    fn greet(&self) -> Result<(), SignalError> {
        self.signal(Signal::URG)
    }
}
