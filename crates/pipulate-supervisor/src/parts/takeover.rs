//! Takeover: the initial situation of a supervisor. Nothing, a service that another supervisor left, or the
//! state of the previous program in this very process.

use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use pipulate_core::identity::{Elsewhere, Liveness, ProcessIdentity};
use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::reason::Reason;
use pipulate_core::receipt::Named;
use pipulate_core::service::ServiceSpec;
use pipulate_core::state::ServiceState;
use pipulate_process::identity::Verified;
use pipulate_process::table;
use pipulate_store::capture;
use pipulate_store::record::{self, Record};

use super::main_process::{Handle, Main};
use crate::error::SuperviseError;
use crate::machine::{Machine, Past, Policy};
use crate::ownership::{self, Membership};
use crate::process_tree::Service;
use crate::program::Beginning;
use crate::random;

/// The initial situation.
#[derive(Debug)]
pub(crate) struct Found {
    /// The record of the service.
    pub(crate) earlier: Option<Record>,
    /// The main process that runs already.
    pub(crate) main: Option<Main>,
    /// A supervisor's death orphaned the service's processes.
    pub(crate) is_orphaned: bool,
    me: ProcessIdentity,
}

impl Found {
    /// Reads the record of a service and looks up its processes. While we don't have the FIFO open ourselves,
    /// other holders prove that the service runs.
    ///
    /// # Errors
    /// The service may run where it is not visible, or the processes in its record can't be verified.
    pub(crate) fn look(
        layout: &Layout,
        service: &Service,
        beginning: Beginning,
        me: &ProcessIdentity,
    ) -> Result<Self, SuperviseError> {
        let earlier = earlier_record(layout, service, beginning)?;
        let main = surviving_main(service, earlier.as_ref(), layout, me)?;
        let is_orphaned = beginning == Beginning::Stop || is_orphaned(earlier.as_ref(), main.as_ref(), me);
        Ok(Self { earlier, main, is_orphaned, me: me.clone() })
    }

    /// Returns the record, if its instance runs.
    fn same(&self) -> Option<&Record> {
        self.earlier.as_ref().filter(|_| self.main.is_some())
    }

    /// Returns the lines of the running instance that were dropped so far.
    pub(crate) fn lost_lines(&self) -> u64 {
        self.same().map_or(0, |record| record.log_dropped)
    }

    /// Returns the saves that the running instance has not loaded.
    pub(crate) fn unread_saves(&self) -> Vec<PathBuf> {
        self.same().map(|record| record.saved.clone()).unwrap_or_default()
    }

    /// Returns the processes that an earlier stop could not end.
    pub(crate) fn survivors(&self, service: &Service, layout: &Layout) -> Vec<Named> {
        let receipts = self.earlier.as_ref().and_then(|record| record.receipt.as_ref());
        let survivors = receipts.into_iter().flat_map(|receipt| receipt.survivors.clone());
        survivors.filter(|survivor| service.is_believed(survivor.pid, layout)).collect()
    }

    /// Returns the generation to continue, of a running service or of one that a rescue brings back; or a new
    /// one. A main process that ended during the exec, a zombie, does not continue.
    pub(crate) fn generation(&self, beginning: Beginning) -> Result<RunId, SuperviseError> {
        let runs = self.main.as_ref().is_some_and(|main| main.process.verified().lives());
        let goes_on = |earlier: &&Record| match beginning {
            Beginning::Start => runs,
            // This finishes a restart that another supervisor had begun.
            Beginning::Rescue => runs || earlier.state != ServiceState::Stopping,
            Beginning::Stop => true,
        };
        match self.earlier.as_ref().filter(goes_on).and_then(|record| record.generation.clone()) {
            Some(generation) => Ok(generation),
            None => random().map(RunId::from_random),
        }
    }

    /// Returns a machine that continues from this situation.
    pub(crate) fn machine(
        &self,
        spec: &ServiceSpec,
        beginning: Beginning,
        now: Instant,
    ) -> Result<Machine, SuperviseError> {
        let (policy, seed) = (policy(spec), random()?);
        Ok(match (&self.earlier, &self.main, beginning) {
            (Some(record), Some(_), _) => {
                Machine::adopted(policy, seed, record.state.is_well(), past_of(record), now)
            }
            (Some(record), None, Beginning::Rescue) if record.state == ServiceState::Backoff => {
                Machine::resumed(policy, seed, past_of(record), now)
            }
            (Some(record), None, Beginning::Start) if record.supervisor.as_ref() == Some(&self.me) => {
                Machine::renewed(policy, seed, now)
            }
            (None, Some(_), _) | (_, None, Beginning::Start | Beginning::Rescue) => {
                Machine::new(policy, seed, now)
            }
            (_, None, Beginning::Stop) => Machine::remains(policy, now),
        })
    }
}

/// True if another supervisor crashed: its processes may be anywhere.
fn was_abandoned(record: &Record, me: &ProcessIdentity) -> bool {
    let other = record.supervisor.as_ref().filter(|supervisor| *supervisor != me);
    other.is_some_and(|supervisor| supervisor.host == me.host)
}

/// True if the tree is orphaned now, or was when we took it over.
fn is_orphaned(earlier: Option<&Record>, main: Option<&Main>, me: &ProcessIdentity) -> bool {
    let Some(record) = earlier else { return false };
    match main.map(|main| &main.process) {
        Some(Handle::Child(_)) => record.adopted,
        // Another supervisor's child, whichever of our programs adopted it.
        Some(Handle::Adopted(_)) => true,
        None => was_abandoned(record, me) || (record.adopted && record.supervisor.as_ref() == Some(me)),
    }
}

/// Returns a record's facts about earlier instances.
pub(crate) fn past_of(record: &Record) -> Past {
    let is_late = record.state == ServiceState::Degraded && !record.is_in_background();
    Past { restarts: record.restarts, ends: record.unexpected_ends, is_late }
}

/// Returns the service's settings for the machine.
pub(crate) fn policy(spec: &ServiceSpec) -> Policy {
    Policy { restart: spec.restart, ready_timeout: spec.ready.timeout(), stop_timeout: spec.stop.timeout }
}

/// An unreadable record counts as none for its writer, which replaces it with the next write; but nothing is
/// started beside the processes that it may have named.
fn earlier_record(
    layout: &Layout,
    service: &Service,
    beginning: Beginning,
) -> Result<Option<Record>, SuperviseError> {
    let error = match record::read(layout, &service.name) {
        Ok(record) => return Ok(record),
        Err(error) => error,
    };
    let living = service.everywhere(&[], layout).ours;
    match (living.first(), beginning) {
        (Some(entry), Beginning::Start | Beginning::Rescue) => {
            Err(doubtful(service, Reason::RecordUnreadable { problem: error.into(), pid: Some(entry.pid) }))
        }
        (None, _) | (Some(_), Beginning::Stop) => {
            tracing::warn!(service = %service.name, "{error}; a new one is written");
            Ok(None)
        }
    }
}

/// Returns the main process that outlived its supervisor, if it is the one in the record: a child of ours
/// from before an exec, or one that a dead supervisor left.
fn surviving_main(
    service: &Service,
    earlier: Option<&Record>,
    layout: &Layout,
    me: &ProcessIdentity,
) -> Result<Option<Main>, SuperviseError> {
    let Some(earlier) = earlier else { return Ok(None) };
    let host = &me.host;
    if let Some(unrecorded) = unrecorded_main(service, earlier, me) {
        return Ok(Some(unrecorded));
    }
    let Some(record) = earlier.main.clone() else { return Ok(None) };
    let pid = record.identity.pid;
    let is_child = table::entry(pid)
        .is_some_and(|entry| entry.parent == me.pid.get() && entry.start == record.identity.start);
    if is_child {
        // A zombie too: it ended during the exec, and the machine gets the normal event.
        let pinned = Verified::pin_child(&record.identity)
            .map_err(|source| SuperviseError::System { activity: "watch the service", source })?;
        return Ok(pinned.map(|verified| Main { process: Handle::Child(verified), record }));
    }
    match Verified::pin(&record.identity, host) {
        Ok(Some(verified)) => {
            let adopted = Main { process: Handle::Adopted(verified), record };
            // Processes that this very process adopted before an exec were proved then, whatever they show by
            // now.
            if earlier.supervisor.as_ref() == Some(me) {
                return Ok(Some(adopted));
            }
            match ownership::membership(layout, service, &adopted.record.identity, host) {
                Membership::Proved => Ok(Some(adopted)),
                Membership::Ended => Ok(None),
                Membership::Doubtful(why) => Err(doubtful(service, why)),
            }
        }
        Ok(None) => Ok(None),
        // An ended container took its processes along.
        Err(Liveness::Elsewhere(Elsewhere::Container)) if !capture::is_held(layout, &service.name) => {
            Ok(None)
        }
        Err(Liveness::Elsewhere(place)) => {
            Err(doubtful(service, ownership::elsewhere(place, &record.identity)))
        }
        Err(Liveness::Unverifiable { error }) => Err(doubtful(service, Reason::ProcessHidden { pid, error })),
        Err(Liveness::Alive | Liveness::Gone) => Ok(None),
    }
}

fn doubtful(service: &Service, why: Reason) -> SuperviseError {
    SuperviseError::Doubtful { service: service.name.clone(), why: Box::new(why) }
}

/// Returns the main process that its supervisor had just started when it was killed.
fn unrecorded_main(service: &Service, earlier: &Record, me: &ProcessIdentity) -> Option<Main> {
    let host = &me.host;
    let run = earlier.next_run.clone().filter(|_| was_abandoned(earlier, me))?;
    let found = service.unrecorded_main(&run)?;
    let identity = ProcessIdentity { pid: found.pid, start: found.start, host: host.clone() };
    let verified = Verified::pin(&identity, host).ok().flatten()?;
    let record = record::MainProcess { identity, run, started_at: Timestamp::now() };
    Some(Main { process: Handle::Adopted(verified), record })
}

#[cfg(test)]
mod tests {
    use pipulate_process::identity;

    use super::*;
    use crate::machine::Phase;
    use crate::parts::samples;

    /// Returns the initial situation for this record.
    fn found(beginning: Beginning, change: impl FnOnce(&mut Record)) -> (Found, ServiceSpec) {
        let (_folder, layout) = samples::home();
        let spec = samples::spec(&layout);
        let me = identity::own(&identity::host()).unwrap();
        let mut record = samples::record(&layout, &spec, Some(me.clone()));
        change(&mut record);
        record::write(&layout, &record).unwrap();
        let service = Service::of(&layout, &spec.name);
        (Found::look(&layout, &service, beginning, &me).unwrap(), spec)
    }

    /// Another supervisor of this machine that has ended.
    fn killed(record: &mut Record) {
        let supervisor = record.supervisor.as_mut().unwrap();
        supervisor.start -= 1;
    }

    fn phase(found: &Found, spec: &ServiceSpec, beginning: Beginning) -> Phase {
        found.machine(spec, beginning, Instant::now()).unwrap().phase().clone()
    }

    #[test]
    fn a_killed_supervisor_orphans_the_tree_and_an_exec_does_not() {
        let is_orphaned = |change: fn(&mut Record)| found(Beginning::Start, change).0.is_orphaned;
        assert!(is_orphaned(killed));
        assert!(!is_orphaned(|_| ()), "the program before this one in the same process");
        assert!(is_orphaned(|record| record.adopted = true), "it was orphaned then");
        assert!(!is_orphaned(|record| record.supervisor = None), "it ended in order");
        assert!(found(Beginning::Stop, |record| record.supervisor = None).0.is_orphaned);
    }

    #[test]
    fn what_was_known_of_an_instance_that_ended_is_not_about_the_next_one() {
        let (found, _) = found(Beginning::Rescue, |record| {
            killed(record);
            (record.log_dropped, record.saved) = (3, vec!["a.py".into()]);
        });
        assert!(found.main.is_none());
        assert_eq!((found.lost_lines(), found.unread_saves()), (0, Vec::new()));
    }

    #[test]
    fn a_generation_goes_on_in_a_rescue_unless_a_restart_was_under_way() {
        let generation = |beginning, state| {
            let (found, _) = found(beginning, |record| record.state = state);
            let earlier = found.earlier.as_ref().unwrap().generation.clone().unwrap();
            found.generation(beginning).unwrap() == earlier
        };
        assert!(generation(Beginning::Rescue, ServiceState::Ready));
        assert!(!generation(Beginning::Rescue, ServiceState::Stopping));
        assert!(!generation(Beginning::Start, ServiceState::Ready), "nothing runs");
        assert!(generation(Beginning::Stop, ServiceState::Stopping));
    }

    #[test]
    fn back_off_goes_on_in_a_rescue_and_a_stop_starts_nothing() {
        let backoff = |record: &mut Record| {
            killed(record);
            (record.state, record.unexpected_ends) = (ServiceState::Backoff, 4);
        };
        let (rescued, spec) = found(Beginning::Rescue, backoff);
        let now = Instant::now();
        let Phase::Waiting { until } = phase(&rescued, &spec, Beginning::Rescue) else { panic!() };
        assert!(until > now, "it waits for its turn");
        let Phase::Waiting { until } = phase(&rescued, &spec, Beginning::Start) else { panic!() };
        assert!(until <= Instant::now(), "it was asked for");
        assert!(matches!(phase(&rescued, &spec, Beginning::Stop), Phase::Ended(_)));
    }
}
