//! The record of a service: its wanted state, and its supervisor's last observations.
//!
//! Only the holder of the service's lock writes it. A record is a claim, not a fact: verify the identities in
//! it before acting on it. The disk format is `wire`, separate from these types.

mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use pipulate_core::fault::FileRefusal;
use pipulate_core::fingerprint::ConfigFingerprint;
use pipulate_core::identity::ProcessIdentity;
use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::project::AbsPath;
use pipulate_core::reason::Reason;
use pipulate_core::receipt::Receipt;
use pipulate_core::service::{Readiness, Scheme, ServiceName};
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_core::status::LastExit;

use crate::error::StoreError;
use crate::files;

/// The state of a service that outlives its supervisor.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The folder that it was written for: records in a copied folder are invalid.
    pub root: AbsPath,
    pub service: ServiceName,
    pub wanted: Wanted,
    pub supervisor: Option<ProcessIdentity>,
    /// The path of the supervisor's program.
    pub program: Option<PathBuf>,
    pub state: ServiceState,
    /// Reasons beyond the state itself; the first one explains the state.
    pub reasons: Vec<Reason>,
    /// The main process, while there is one.
    pub main: Option<MainProcess>,
    /// The run of the next start: processes with this run id were started when the record could not be
    /// written any more.
    pub next_run: Option<RunId>,
    /// Changes when the service starts with a newly read configuration on request; kept over crashes, saves
    /// and upgrades. `None`: written by a Pipulate before requests existed.
    pub generation: Option<RunId>,
    pub restarts: u32,
    /// Unexpected ends since it was last up for a minute.
    pub unexpected_ends: u32,
    pub last_exit: Option<LastExit>,
    /// Its port, or the last one, which it will prefer again.
    pub port: Option<u16>,
    /// Another user's process had that port, and may have seen keys of this home. The next start renews them.
    pub exposed: bool,
    /// The address where it was found listening.
    pub address: Option<SocketAddr>,
    /// The scheme with which it answered there.
    pub scheme: Scheme,
    /// The path of its page, relative to its address.
    pub page: Option<String>,
    pub readiness: Readiness,
    /// The service's configuration when it began.
    pub configured: ConfigFingerprint,
    /// Adopted from another supervisor: not all of its processes are descendants of this one.
    pub adopted: bool,
    /// Notes for the user about this start.
    pub notes: Vec<Reason>,
    /// The position in the log at which the last start began, in bytes of the current file.
    pub log_start: u64,
    /// Lines of its output that were dropped since this start for lack of room.
    pub log_dropped: u64,
    /// Why its log can't be written at present.
    pub log_trouble: Option<String>,
    /// Files that were saved since the running instance was started and that it has not loaded.
    pub saved: Vec<PathBuf>,
    /// The result of the last stop.
    pub receipt: Option<Receipt>,
}

impl Record {
    /// Returns the record of a service that is wanted, without observations yet.
    pub fn new(root: AbsPath, service: ServiceName) -> Self {
        Self {
            root,
            service,
            wanted: Wanted::Run,
            supervisor: None,
            program: None,
            state: ServiceState::Starting,
            reasons: Vec::new(),
            main: None,
            next_run: None,
            generation: None,
            restarts: 0,
            unexpected_ends: 0,
            last_exit: None,
            port: None,
            exposed: false,
            address: None,
            scheme: Scheme::Http,
            page: None,
            readiness: Readiness::Exec,
            configured: ConfigFingerprint::default(),
            adopted: false,
            notes: Vec::new(),
            log_start: 0,
            log_dropped: 0,
            log_trouble: None,
            saved: Vec::new(),
            receipt: None,
        }
    }

    /// Returns the state to show: a running service may be unstable.
    pub fn shown_state(&self) -> ServiceState {
        if self.is_in_background() { self.state } else { self.state.after_ends(self.unexpected_ends) }
    }

    /// True if its main process exited successfully and left other processes of the service running.
    pub fn is_in_background(&self) -> bool {
        self.state == ServiceState::Degraded && self.main.is_none()
    }
}

/// The main process of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct MainProcess {
    pub identity: ProcessIdentity,
    pub run: RunId,
    pub started_at: Timestamp,
}

/// Reads the record of a service; `Ok(None)` if it has none, or one of another folder.
///
/// # Errors
/// It can't be read or understood. It is left as it is.
pub fn read(layout: &Layout, service: &ServiceName) -> Result<Option<Record>, StoreError> {
    // Compared in its written form: JSON holds only UTF-8 paths.
    let is_ours = |record: &Record| record.root.to_string_lossy() == layout.born().to_string_lossy();
    Ok(read_of_any_folder(layout, service)?.filter(is_ours))
}

/// Returns a record in its disk format.
pub fn to_json(record: &Record) -> Vec<u8> {
    wire::encode(record)
}

/// Reads what [`to_json`] returned.
///
/// # Errors
/// It is no record.
pub fn from_json(bytes: &[u8]) -> Result<Record, FileRefusal> {
    wire::decode(bytes)
}

/// Returns a reason in its disk format.
pub fn reason_to_json(reason: &Reason) -> String {
    wire::reason::encode_all(std::slice::from_ref(reason)).to_string()
}

/// Reads what [`reason_to_json`] returned; `None` for anything else.
pub fn reason_from_json(text: &str) -> Option<Reason> {
    wire::reason::decode_all(serde_json::from_str(text).ok()?)?.pop()
}

/// Reads the record at this path, whichever folder it was written for.
pub(crate) fn read_of_any_folder(
    layout: &Layout,
    service: &ServiceName,
) -> Result<Option<Record>, StoreError> {
    let path = layout.record(service);
    let Some(bytes) = files::read_private(&path)? else { return Ok(None) };
    let record = wire::decode(&bytes).or_else(|why| {
        // Opened before it was replaced, and read after it became the disk-full reserve.
        let again = files::read_private(&path).ok().flatten();
        again.map_or(Err(why), |bytes| wire::decode(&bytes))
    });
    let record = record.map_err(|why| StoreError::refused(&path, why))?;
    if record.service != *service {
        return Err(StoreError::refused(&path, FileRefusal::OfAnotherService { service: record.service }));
    }
    Ok(Some(record))
}

/// Writes the record; on a full disk, into its reserve. Only for the holder of the service's lock.
///
/// # Errors
/// The folder is not writable, or there is no room at all; the old record is then untouched.
pub fn write(layout: &Layout, record: &Record) -> Result<(), StoreError> {
    files::write_fleeting_or_reserve(&layout.record(&record.service), &wire::encode(record))
}

/// Writes the record of a service that is to be started; does not use the reserve.
///
/// # Errors
/// The folder is not writable or the disk is full; the old record is then untouched.
pub fn write_first(layout: &Layout, record: &Record) -> Result<(), StoreError> {
    files::write_fleeting(&layout.record(&record.service), &wire::encode(record))
}

/// Writes the last record of a supervisor.
///
/// # Errors
/// The folder is not writable, or there is no room at all; the old record is then untouched.
pub fn write_last(layout: &Layout, record: &Record) -> Result<(), StoreError> {
    files::write_last(&layout.record(&record.service), &wire::encode(record))
}

/// Checks that a service that is ended now could be started again: see [`write_first`].
///
/// # Errors
/// The folder is not writable or the disk is full.
pub fn try_out(layout: &Layout, service: &ServiceName) -> Result<(), StoreError> {
    files::try_out(&layout.record(service))
}

/// Reserves space for a record, so that changes on a full disk can be recorded.
///
/// # Errors
/// The folder is not writable, or the disk is full by now.
pub fn set_room_aside(layout: &Layout, service: &ServiceName) -> Result<(), StoreError> {
    files::keep_reserve(&layout.record(service))
}

/// Returns the services that have a record here, including those without configuration.
///
/// # Errors
/// The folder is there and can't be read.
pub fn services(layout: &Layout) -> Result<Vec<ServiceName>, StoreError> {
    let mut names: Vec<_> = services_as_listed(layout)?.collect();
    names.sort();
    Ok(names)
}

/// Iterates over the services that have a record here, in no order.
///
/// # Errors
/// As [`services`].
pub(crate) fn services_as_listed(layout: &Layout) -> Result<impl Iterator<Item = ServiceName>, StoreError> {
    let entries = match std::fs::read_dir(layout.run()) {
        Ok(entries) => Some(entries),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(StoreError::io("read", layout.run())(error)),
    };
    let name = |entry: std::fs::DirEntry| {
        ServiceName::parse(entry.file_name().to_str()?.strip_suffix(".json")?).ok()
    };
    Ok(entries.into_iter().flatten().flatten().filter_map(name))
}

#[cfg(test)]
mod tests;
