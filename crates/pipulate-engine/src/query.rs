//! The current state of a project: records, checked against the process table. Nothing is changed.

mod derive_state;
mod health;
mod last_error;
mod side_by_side;

use std::collections::HashSet;
use std::net::SocketAddr;

use jiff::Timestamp;
use pipulate_core::identity::{Host, Pid};
use pipulate_core::layout::Layout;
use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_core::status::{
    Doubt, KernelInfo, LiveService, ProcessInfo, ProjectStatus, Role, ServiceStatus,
};
use pipulate_process::identity;
use pipulate_process::ports::Listeners;
use pipulate_process::table::{self, Entry};
use pipulate_store::error::StoreError;
use pipulate_store::record::{self, Record};

use self::derive_state::state;
use self::health::{Calls, call, find_degraded, find_missing_modules};
pub use self::last_error::last_error;
use pipulate_supervisor::kernels;
use pipulate_supervisor::ownership::{Ownership, ownership_among};
use pipulate_supervisor::process_tree::{self, Attached, Claims, Service};

/// Returns the status of the given services and of those that only have a record.
pub fn status(layout: &Layout, name: &str, services: &[ServiceName]) -> ProjectStatus {
    let (mut status, calls) = look(layout, name, services);
    find_degraded(layout, &mut status.services, calls);
    find_missing_modules(layout, &mut status.services);
    status
}

/// Returns the status without probing: services that were ready count as ready.
pub fn glance(layout: &Layout, name: &str, services: &[ServiceName]) -> ProjectStatus {
    look(layout, name, services).0
}

fn look(layout: &Layout, name: &str, services: &[ServiceName]) -> (ProjectStatus, Calls) {
    let host = identity::host();
    let mut unknown = Vec::new();
    let mut names = services.to_vec();
    let mut lost = Vec::new();
    match recorded_or_lost(layout) {
        Ok(Known::Recorded(recorded)) => names.extend(recorded),
        Ok(Known::Lost(found)) => {
            names.extend(found.iter().map(|(name, _)| name.clone()));
            lost = found;
        }
        Err(error) => unknown.push(Doubt::Unreadable { problem: error.into() }),
    }
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    let asked: HashSet<&ServiceName> = services.iter().collect();
    let claims = Claims::default();
    let look_at = |service: &ServiceName| {
        let (record, mut doubt) = match record::read(layout, service) {
            Ok(record) => (record, None),
            Err(error) => (None, Some(Doubt::Unreadable { problem: error.into() })),
        };
        let ownership = ownership_among(&claims, layout, service, record.as_ref(), &host);
        if let (Ownership::Unknown(why), None) = (&ownership, &doubt) {
            doubt = Some(Doubt::Service { service: service.clone(), why: why.clone() });
        }
        let is_lost = lost.iter().any(|(name, _)| name == service);
        // Its supervisor was killed: the record still names it.
        let was_killed = record.as_ref().is_some_and(|record| {
            record.supervisor.as_ref().is_some_and(|supervisor| supervisor.host == host)
        });
        let is_over = ownership == Ownership::Gone && !was_killed && !is_lost;
        if !asked.contains(service) && is_over && doubt.is_none() {
            return None;
        }
        let mut status = service_status(&claims, layout, service, record.as_ref(), &ownership, &host);
        if let Some((_, supervisor)) = lost.iter().find(|(name, _)| name == service) {
            status.supervisor_pid = Some(*supervisor);
            doubt = Some(Doubt::Service { service: service.clone(), why: Reason::RecordsDeleted });
        }
        if doubt.is_some() {
            (status.state, status.wanted) = (ServiceState::Unknown, Wanted::Run);
        }
        let call = record.as_ref().and_then(|record| call(status.state, record));
        Some((status, call, doubt))
    };
    let mut statuses = Vec::new();
    let mut calls = Vec::new();
    for (status, call, doubt) in side_by_side::map(&names, look_at).into_iter().flatten() {
        unknown.extend(doubt);
        calls.extend(call.map(|call| (statuses.len(), call)));
        statuses.push(status);
    }
    let (name, root) = (name.to_owned(), layout.root().clone());
    (ProjectStatus { name, root, services: statuses, unknown }, calls)
}

/// The known services of a folder without a configuration.
enum Known {
    Recorded(Vec<ServiceName>),
    /// Without any record: these run although `.pipulate` was deleted, or the whole folder.
    Lost(Vec<(ServiceName, Pid)>),
}

fn recorded_or_lost(layout: &Layout) -> Result<Known, StoreError> {
    let recorded = record::services(layout)?;
    Ok(match recorded.is_empty() {
        true => Known::Lost(process_tree::lost_supervisors(layout)),
        false => Known::Recorded(recorded),
    })
}

/// Returns the services that left a record here, or still run without one.
///
/// # Errors
/// The folder of the records can't be read.
pub fn services(layout: &Layout) -> Result<Vec<ServiceName>, StoreError> {
    Ok(match recorded_or_lost(layout)? {
        Known::Recorded(names) => names,
        Known::Lost(found) => found.into_iter().map(|(name, _)| name).collect(),
    })
}

fn service_status(
    claims: &Claims,
    layout: &Layout,
    name: &ServiceName,
    record: Option<&Record>,
    ownership: &Ownership,
    host: &Host,
) -> ServiceStatus {
    let (state, wanted, mut reasons) = state(record, ownership, host);
    let supervisor_pid = match ownership {
        Ownership::Supervised(pid) => Some(*pid),
        Ownership::Unsupervised | Ownership::Gone | Ownership::Unknown(_) => None,
    };
    let live = record.and_then(|record| live(claims, layout, record, ownership));
    // It died a moment ago, and its supervisor has not recorded that yet.
    let state = match (live.is_none() && record.is_some_and(|record| record.main.is_some()), state) {
        (
            true,
            ServiceState::Ready | ServiceState::Running | ServiceState::Degraded | ServiceState::Unstable,
        ) => ServiceState::Backoff,
        (true | false, state) => state,
    };
    let is_live = live.is_some();
    let listens = live.is_some() || supervisor_pid.is_some();
    let port = record.filter(|_| listens).and_then(|record| record.port);
    if reasons.is_empty() && listens {
        reasons.extend(moved(layout));
    }
    ServiceStatus {
        name: name.clone(),
        state,
        wanted,
        notes: record.filter(|_| live.is_some()).map_or(Vec::new(), |record| record.notes.clone()),
        live,
        supervisor_pid,
        restarts: record.map_or(0, |record| record.restarts),
        last_exit: record.and_then(|record| record.last_exit),
        port,
        url: record
            .filter(|_| is_live)
            .and_then(|record| Some(url(record, record.address?, record.page.as_deref()?))),
        log: layout.log(name),
        log_dropped: record.map_or(0, |record| record.log_dropped),
        log_trouble: record.filter(|_| listens).and_then(|record| record.log_trouble.clone()),
        reasons,
    }
}

/// Services that were started before the folder was moved have its old path.
fn moved(layout: &Layout) -> Option<Reason> {
    let born = layout.born();
    (born != layout.root()).then(|| Reason::FolderMoved { from: born.to_path_buf() })
}

/// True if a service is supervised, alive, and healthy.
pub fn is_up(layout: &Layout, service: &ServiceName) -> bool {
    let status = status(layout, "", std::slice::from_ref(service));
    let found = status.services.iter().find(|one| one.name == *service);
    found.is_some_and(|one| one.supervisor_pid.is_some() && one.state.is_well() && one.live.is_some())
}

/// Returns why a service that is recorded as ready is not; `None` if it is.
pub(crate) fn why_not_ready(layout: &Layout, record: &Record, ownership: &Ownership) -> Option<Vec<Reason>> {
    health::why_not_ready(layout, record, live(&Claims::default(), layout, record, ownership).as_ref())
}

/// Returns the recorded address of a service, if one of its own processes listens there now. After a crash or
/// a reboot another user may listen there, who must not get a token.
pub fn address(layout: &Layout, record: &Record) -> Option<SocketAddr> {
    listening(layout, record).map(|(address, _)| address)
}

/// Returns the address and the service's processes.
pub(crate) fn listening(layout: &Layout, record: &Record) -> Option<(SocketAddr, Vec<Pid>)> {
    let address = record.address?;
    let claims = Claims::default();
    let ownership = ownership_among(&claims, layout, &record.service, Some(record), &identity::host());
    let live = live(&claims, layout, record, &ownership)?;
    let pids: Vec<Pid> = live.processes.iter().map(|process| process.pid).collect();
    Listeners::of(pids.iter().copied()).ok()?.receive(address).then_some((address, pids))
}

/// `http://127.0.0.1:8888/lab`, for a service's record.
pub fn url(record: &Record, address: SocketAddr, page: &str) -> String {
    format!("{}://{address}{page}", record.scheme.as_str())
}

fn live(claims: &Claims, layout: &Layout, record: &Record, ownership: &Ownership) -> Option<LiveService> {
    let below = match ownership {
        Ownership::Supervised(supervisor) if !record.adopted => Some(below(layout, record, *supervisor)),
        Ownership::Supervised(_) | Ownership::Unsupervised | Ownership::Gone | Ownership::Unknown(_) => None,
    };
    // One scan for both, its processes and the main one among them.
    let seen = below.iter().flatten().find(|entry| is_recorded_main(record, entry)).cloned();
    let main = seen.or_else(|| main_entry(claims, layout, record, ownership));
    if main.is_none() && !record.is_in_background() {
        return None;
    }
    let main_pid = main.as_ref().map(|main| main.pid);
    let mut ours = match below {
        Some(ours) => ours,
        None => processes_among(claims, layout, record, ownership, main_pid)?,
    };
    // Without a main process the oldest one represents the service.
    let eldest = || kernels::without_kernels(ours.clone()).into_iter().min_by_key(|one| (one.start, one.pid));
    let entry = main.or_else(eldest)?;
    let pid = entry.pid;
    let started_at = record.main.as_ref().map_or_else(|| born(&entry), |main| main.started_at);
    if ours.iter().all(|other| other.pid != pid) {
        ours.push(entry.clone());
    }
    ours.sort_by_key(|other| (other.pid != pid, other.pid));
    // Not from `started_at`: the clock may have been set since.
    let uptime = table::age(&entry).as_secs_f64();
    let cpu: f64 = ours.iter().map(|entry| entry.cpu_seconds).sum();
    // The main process, which is the first one, is never counted as a kernel.
    let kernels = kernels::kernels(&ours[usize::from(main_pid.is_some())..]);
    let processes = ours.iter().map(|other| process_info(other, main_pid, &ours, &kernels)).collect();
    Some(LiveService {
        pid,
        pgid: Pid::new(entry.group)?,
        started_at,
        uptime_seconds: (uptime * 10.0).round() / 10.0,
        cpu_percent: if uptime > 0.0 { (cpu / uptime * 1000.0).round() / 10.0 } else { 0.0 },
        cpu_seconds: cpu,
        memory_bytes: ours.iter().map(|entry| entry.memory_bytes).sum(),
        processes,
        kernels,
    })
}

/// Returns when a process began, by the current clock.
fn born(entry: &Entry) -> Timestamp {
    let now = Timestamp::now();
    now.checked_sub(table::age(entry)).unwrap_or(now)
}

/// Returns the processes of a service: those below its supervisor, or anywhere if another supervisor's death
/// orphaned the tree. `None` if none is alive, or if unknown.
pub(crate) fn processes(
    layout: &Layout,
    record: &Record,
    ownership: &Ownership,
    main: Option<Pid>,
) -> Option<Vec<Entry>> {
    processes_among(&Claims::default(), layout, record, ownership, main)
}

fn processes_among(
    claims: &Claims,
    layout: &Layout,
    record: &Record,
    ownership: &Ownership,
    main: Option<Pid>,
) -> Option<Vec<Entry>> {
    let service = Service::of(layout, &record.service);
    let family = match ownership {
        Ownership::Supervised(supervisor) if !record.adopted => {
            return Some(below(layout, record, *supervisor));
        }
        Ownership::Supervised(supervisor) => {
            service.among(claims, &[&[*supervisor], main.as_slice()].concat(), layout)
        }
        Ownership::Unsupervised => service.among(claims, main.as_slice(), layout),
        Ownership::Gone | Ownership::Unknown(_) => return None,
    };
    Some(family.ours)
}

fn below(layout: &Layout, record: &Record, supervisor: Pid) -> Vec<Entry> {
    let main = record.main.as_ref().map(|main| &main.identity);
    Service::of(layout, &record.service).below_with(main, &[supervisor], layout, &Attached::new()).ours
}

/// True if the main process that the record names is alive.
pub(crate) fn main_lives(record: &Record) -> bool {
    recorded_main(record).is_some()
}

fn recorded_main(record: &Record) -> Option<Entry> {
    let main = &record.main.as_ref()?.identity;
    table::entry(main.pid).filter(|entry| is_recorded_main(record, entry))
}

fn is_recorded_main(record: &Record, entry: &Entry) -> bool {
    let main = record.main.as_ref().map(|main| &main.identity);
    main.is_some_and(|main| entry.pid == main.pid && entry.start == main.start) && entry.lives()
}

/// Returns the living main process; without a supervisor, also an unrecorded one.
fn main_entry(claims: &Claims, layout: &Layout, record: &Record, ownership: &Ownership) -> Option<Entry> {
    let recorded = recorded_main(record);
    let run = record.next_run.as_ref().filter(|_| *ownership == Ownership::Unsupervised);
    recorded.or_else(|| Service::of(layout, &record.service).unrecorded_main_among(claims, run?))
}

fn process_info(entry: &Entry, main: Option<Pid>, ours: &[Entry], kernels: &[KernelInfo]) -> ProcessInfo {
    let has_parent = ours.iter().any(|other| other.pid.get() == entry.parent);
    let is_kernel = kernels.iter().any(|kernel| kernel.pid == entry.pid);
    let role = match (Some(entry.pid) == main, is_kernel) {
        (true, _) => Role::Main,
        (false, true) if has_parent => Role::Kernel,
        (false, true) => Role::Orphaned,
        (false, false) if entry.has_terminal => Role::Terminal,
        (false, false) => Role::Child,
    };
    ProcessInfo { pid: entry.pid, ppid: entry.parent, role, name: entry.name.clone() }
}
