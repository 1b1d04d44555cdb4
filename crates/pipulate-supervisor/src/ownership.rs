//! Ownership of a service: by a supervisor, by none although it runs, or not running.
//!
//! The kernel's lock says who supervises; a record is a claim that is verified. Nothing is changed here.

use std::time::Duration;

use pipulate_core::identity::{Elsewhere, Host, Liveness, Pid, ProcessIdentity};
use pipulate_core::layout::Layout;
use pipulate_core::reason::Reason;
use pipulate_core::receipt::Named;
use pipulate_core::service::ServiceName;
use pipulate_core::text::printable;
use pipulate_process::identity::{self, Verified};
use pipulate_process::poll::{self, Interest};
use pipulate_process::table;
use pipulate_store::capture;
use pipulate_store::known;
use pipulate_store::lock::{self, Holder};
use pipulate_store::record::{self, Record};

use crate::process_tree::{Claims, Service};

/// The ownership of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// Supervised by the holder of the lock, or by its holder when it was deleted.
    Supervised(Pid),
    /// Its supervisor is gone, and its main process or others of it are alive.
    Unsupervised,
    /// None of its processes is alive.
    Gone,
    /// It may be running where it is not visible, for this reason.
    Unknown(Reason),
}

/// Returns the record of a service, and its ownership. An unreadable record counts as none here: the lock
/// names a supervisor anyway.
pub fn look_up(layout: &Layout, service: &ServiceName, host: &Host) -> (Option<Record>, Ownership) {
    let record = record::read(layout, service).unwrap_or(None);
    let ownership = ownership_of(layout, service, record.as_ref(), host);
    (record, ownership)
}

/// Returns the ownership of a record's service.
pub fn ownership_of(
    layout: &Layout,
    service: &ServiceName,
    record: Option<&Record>,
    host: &Host,
) -> Ownership {
    ownership_among(&Claims::default(), layout, service, record, host)
}

/// Returns the ownership of one of many records' services.
pub fn ownership_among(
    claims: &Claims,
    layout: &Layout,
    service: &ServiceName,
    record: Option<&Record>,
    host: &Host,
) -> Ownership {
    match lock::holder(&layout.lock(service)) {
        Ok(Holder::Process(pid)) => {
            // From outside of a container, the kernel's pid differs from the record's.
            let elsewhere = |record: &Record| {
                let supervisor = record.supervisor.as_ref().map(|supervisor| &supervisor.host);
                supervisor
                    .is_some_and(|there| there.boot == host.boot && there.pid_namespace != host.pid_namespace)
            };
            return match record.is_some_and(elsewhere) {
                true => Ownership::Unknown(Reason::InAnotherContainer),
                false => Ownership::Supervised(pid),
            };
        }
        Ok(Holder::Invisible) => return Ownership::Unknown(Reason::InAnotherContainer),
        Ok(Holder::Nobody) => {}
        Err(error) => return Ownership::Unknown(Reason::FileProblem { problem: error.into() }),
    }
    record.map_or(Ownership::Gone, |record| ownership_unheld(claims, layout, service, record, host))
}

/// Returns the ownership if the service's lock is free, or held by this process, which must not look at it
/// then.
pub fn ownership_unheld(
    claims: &Claims,
    layout: &Layout,
    service: &ServiceName,
    record: &Record,
    host: &Host,
) -> Ownership {
    if let Some(supervisor) = &record.supervisor
        && identity::liveness(supervisor, host) == Liveness::Alive
        && has_lost_its_lock(layout, service, supervisor)
    {
        return Ownership::Supervised(supervisor.pid);
    }
    let own = Service::of(layout, service);
    if let Some(ownership) = ownership_of_main(claims, layout, &own, record, host) {
        return ownership;
    }
    // A supervisor that ended in order leaves no processes: only after a crash are they searched for.
    let torn = record.supervisor.as_ref().is_some_and(|supervisor| supervisor.host == *host);
    if survivors(record).any(|survivor| own.is_believed(survivor.pid, layout)) {
        return Ownership::Unsupervised;
    }
    if torn && !own.among(claims, &[], layout).ours.is_empty() {
        return Ownership::Unsupervised;
    }
    Ownership::Gone
}

/// Returns the ownership that follows from the main process in a record; `None` if it has ended.
fn ownership_of_main(
    claims: &Claims,
    layout: &Layout,
    own: &Service,
    record: &Record,
    host: &Host,
) -> Option<Ownership> {
    let main = &record.main.as_ref()?.identity;
    match identity::liveness(main, host) {
        Liveness::Alive => match membership_within(claims.patience(ENDS), layout, own, main, host) {
            Membership::Proved => Some(Ownership::Unsupervised),
            Membership::Doubtful(why) => Some(Ownership::Unknown(why)),
            Membership::Ended => None,
        },
        Liveness::Elsewhere(_) | Liveness::Unverifiable { .. } if !known::is_home(layout) => None,
        // An ended container took its processes along: then no process has the FIFO open.
        Liveness::Elsewhere(Elsewhere::Container) if !capture::is_held(layout, &own.name) => None,
        Liveness::Elsewhere(place) => Some(Ownership::Unknown(elsewhere(place, main))),
        Liveness::Unverifiable { error } => {
            Some(Ownership::Unknown(Reason::ProcessHidden { pid: main.pid, error }))
        }
        Liveness::Gone => None,
    }
}

/// Returns the reason that a process is in another place.
pub(crate) fn elsewhere(place: Elsewhere, process: &ProcessIdentity) -> Reason {
    let machine = match place {
        Elsewhere::Machine => Some(process.host.machine.clone()),
        Elsewhere::Container => None,
    };
    Reason::RunsElsewhere { machine }
}

/// Whether a living process that a record names as the main one is the service's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// It carries the service's marker, or writes to its FIFO.
    Proved,
    /// It has neither sign: its environment is empty or hidden from us (`env -i`, ssh-agent, setuid
    /// programs), or the record is forged. It is neither signaled nor replaced.
    Doubtful(Reason),
    /// It has ended, or only a record that was not written here names it.
    Ended,
}

/// How long a main process that has given up its memory may take to end; much memory takes a while.
const ENDS: Duration = Duration::from_secs(1);

/// Returns whether `main`, which a record names and which was alive a moment ago, is the service's.
pub fn membership(layout: &Layout, service: &Service, main: &ProcessIdentity, host: &Host) -> Membership {
    membership_within(ENDS, layout, service, main, host)
}

fn membership_within(
    patience: Duration,
    layout: &Layout,
    service: &Service,
    main: &ProcessIdentity,
    host: &Host,
) -> Membership {
    if service.is_member(main.pid, layout) {
        return Membership::Proved;
    }
    if table::is_ending(main.pid)
        && let Ok(Some(ending)) = Verified::pin(main, host)
        && let Some(end) = ending.descriptor()
    {
        let _ended_or_not = poll::wait(&[(end, Interest::Read)], Some(patience));
    }
    // A record that came with the folder may name any process.
    if identity::liveness(main, host) != Liveness::Alive || !known::is_home(layout) {
        return Membership::Ended;
    }
    let name = table::entry(main.pid).map(|entry| printable(&entry.name)).unwrap_or_default();
    let record = layout.record(&service.name).to_path_buf();
    Membership::Doubtful(Reason::ProcessUnproved { pid: main.pid, name, record })
}

/// Returns why nothing may be started beside or in place of the main process in a record.
pub fn doubt(layout: &Layout, record: &Record, host: &Host) -> Option<Reason> {
    let main = &record.main.as_ref()?.identity;
    if identity::liveness(main, host) != Liveness::Alive {
        return None;
    }
    match membership(layout, &Service::of(layout, &record.service), main, host) {
        Membership::Doubtful(why) => Some(why),
        Membership::Proved | Membership::Ended => None,
    }
}

/// Pins the supervisor of a service, which [`ownership_of`] returned as `pid` a moment ago. `None` if it has
/// ended or released the lock since, or is not a supervisor: the pid was reused.
pub fn pin_supervisor(layout: &Layout, service: &ServiceName, pid: Pid, host: &Host) -> Option<Verified> {
    let pinned = Verified::pin_as_found(pid, host)?;
    let found = pinned.identity();
    let (is_at_work, is_supervisor) = match lock::holder(&layout.lock(service)).ok()? {
        Holder::Process(holder) => (holder == pid, is_supervisor(layout, service, found)),
        Holder::Nobody => (true, has_lost_its_lock(layout, service, found)),
        Holder::Invisible => (false, false),
    };
    (is_at_work && is_supervisor).then_some(pinned)
}

/// Returns true if a process is a supervisor of this service by its marker, or by the record: while it
/// executes a newer program it has no marker.
pub fn is_supervisor(layout: &Layout, service: &ServiceName, process: &ProcessIdentity) -> bool {
    let is_recorded = || {
        let record = record::read(layout, service).ok().flatten();
        record.is_some_and(|record| record.supervisor.as_ref() == Some(process))
    };
    Service::of(layout, service).is_supervisor(process.pid) || is_recorded()
}

/// True for a supervisor whose lock was deleted while held; it makes a new one when it wakes up.
pub fn has_lost_its_lock(layout: &Layout, service: &ServiceName, supervisor: &ProcessIdentity) -> bool {
    table::holds_deleted(supervisor.pid, &layout.lock(service)) && is_supervisor(layout, service, supervisor)
}

/// Returns the processes that survived the last stop and still run.
pub fn survivors(record: &Record) -> impl Iterator<Item = &Named> {
    let receipts = record.receipt.iter();
    receipts.flat_map(|receipt| &receipt.survivors).filter(|survivor| is_still(survivor))
}

/// True if a process that survived a stop still runs.
pub fn is_still(survivor: &Named) -> bool {
    table::entry(survivor.pid).is_some_and(|entry| entry.lives() && entry.start == survivor.start)
}
