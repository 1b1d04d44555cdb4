//! The record of a service: what is wanted, and what its supervisor last saw.
//!
//! Only the holder of the service's lock writes it. A record is a claim, not a fact: whoever acts on
//! it verifies the identities in it first. The disk format is `wire`, apart from these types.

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

/// Everything that outlives a supervisor.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The folder that it was written for: a copied folder's records mean nothing.
    pub root: AbsPath,
    pub service: ServiceName,
    pub wanted: Wanted,
    pub supervisor: Option<ProcessIdentity>,
    /// The path that the supervisor's program was started by.
    pub program: Option<PathBuf>,
    pub state: ServiceState,
    /// Why, where the state does not say it; the first one explains the state.
    pub reasons: Vec<Reason>,
    /// The main process, while there is one.
    pub main: Option<MainProcess>,
    /// The run of the start that comes next: what carries it was started when nobody could write
    /// it down any more.
    pub next_run: Option<RunId>,
    /// Changes when the service begins with its configuration read anew because somebody asked for
    /// that; stays the same over crashes, saves and upgrades. `None`: written by a Pipulate that knew no
    /// requests.
    pub generation: Option<RunId>,
    pub restarts: u32,
    /// How often it ended unexpectedly since it was last up for a minute.
    pub unexpected_ends: u32,
    pub last_exit: Option<LastExit>,
    /// The port that it has, or had and would like to have again.
    pub port: Option<u16>,
    /// Another user's process had that port, and may know keys of this home. They are renewed by the next start.
    pub exposed: bool,
    /// Where it was found listening.
    pub address: Option<SocketAddr>,
    /// How it was found answering there.
    pub scheme: Scheme,
    /// Where its page is, relative to its address.
    pub page: Option<String>,
    pub readiness: Readiness,
    /// What the configuration said of the service when it began.
    pub configured: ConfigFingerprint,
    /// Its supervisor did not start it: its processes are not all below it.
    pub adopted: bool,
    /// What a person should know about this start.
    pub notes: Vec<Reason>,
    /// The position in the log at which the last start began, in bytes of the current file.
    pub log_start: u64,
    /// Lines of its output that were dropped since this start, because there was no room for them.
    pub log_dropped: u64,
    /// Why its log can't be written at present.
    pub log_trouble: Option<String>,
    /// Files that were saved since the running instance was started, and that it does not know yet.
    pub saved: Vec<PathBuf>,
    /// What the last stop did.
    pub receipt: Option<Receipt>,
}

impl Record {
    /// Returns the record of a service that is wanted, and of which nothing is known yet.
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

    /// The state to show: a service that runs may be unstable.
    pub fn shown_state(&self) -> ServiceState {
        if self.is_in_background() { self.state } else { self.state.after_ends(self.unexpected_ends) }
    }

    /// Whether its main process ended well and left others of the service running.
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

/// Reads the record of a service; `Ok(None)` when it has none, or one of another folder.
///
/// # Errors
/// It can't be read or understood. It is left as it is.
pub fn read(layout: &Layout, service: &ServiceName) -> Result<Option<Record>, StoreError> {
    // Compared as it is written: JSON holds no path that is not UTF-8.
    let is_ours = |record: &Record| record.root.to_string_lossy() == layout.born().to_string_lossy();
    Ok(read_of_any_folder(layout, service)?.filter(is_ours))
}

/// Returns a record as it is written down.
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

/// Returns a reason as it is written down.
pub fn reason_to_json(reason: &Reason) -> String {
    wire::reason::encode_all(std::slice::from_ref(reason)).to_string()
}

/// Reads what [`reason_to_json`] returned; `None` for anything else.
pub fn reason_from_json(text: &str) -> Option<Reason> {
    wire::reason::decode_all(serde_json::from_str(text).ok()?)?.pop()
}

/// Reads the record that lies here, whichever folder it speaks of.
pub(crate) fn read_of_any_folder(
    layout: &Layout,
    service: &ServiceName,
) -> Result<Option<Record>, StoreError> {
    let path = layout.record(service);
    let Some(bytes) = files::read_private(&path)? else { return Ok(None) };
    let record = wire::decode(&bytes).or_else(|why| {
        // Opened before another one took its place, and read after it was used as a spare.
        let again = files::read_private(&path).ok().flatten();
        again.map_or(Err(why), |bytes| wire::decode(&bytes))
    });
    let record = record.map_err(|why| StoreError::refused(&path, why))?;
    if record.service != *service {
        return Err(StoreError::refused(&path, FileRefusal::OfAnotherService { service: record.service }));
    }
    Ok(Some(record))
}

/// Writes the record, on a full disk into the room that was set aside for it. Only for the holder
/// of the service's lock.
///
/// # Errors
/// The folder is not writable, or there is no room at all; the old record is then untouched.
pub fn write(layout: &Layout, record: &Record) -> Result<(), StoreError> {
    files::write_fleeting_or_spare(&layout.record(&record.service), &wire::encode(record))
}

/// The same for a service that is to be started: not on a full disk.
///
/// # Errors
/// The folder is not writable or the disk is full; the old record is then untouched.
pub fn write_first(layout: &Layout, record: &Record) -> Result<(), StoreError> {
    files::write_fleeting(&layout.record(&record.service), &wire::encode(record))
}

/// The same for the last record of a supervisor.
///
/// # Errors
/// The folder is not writable, or there is no room at all; the old record is then untouched.
pub fn write_last(layout: &Layout, record: &Record) -> Result<(), StoreError> {
    files::write_last(&layout.record(&record.service), &wire::encode(record))
}

/// Sees whether a service that is ended now could be started again: see [`write_first`].
///
/// # Errors
/// The folder is not writable or the disk is full.
pub fn try_out(layout: &Layout, service: &ServiceName) -> Result<(), StoreError> {
    files::try_out(&layout.record(service))
}

/// Sets room aside for a record, so that what happens on a full disk can be told.
///
/// # Errors
/// The folder is not writable, or the disk is full by now.
pub fn set_room_aside(layout: &Layout, service: &ServiceName) -> Result<(), StoreError> {
    files::keep_spare(&layout.record(service))
}

/// The services that have a record here, also those that no configuration names any more.
///
/// # Errors
/// The folder is there and can't be read.
pub fn services(layout: &Layout) -> Result<Vec<ServiceName>, StoreError> {
    let mut names: Vec<_> = services_as_listed(layout)?.collect();
    names.sort();
    Ok(names)
}

/// The same one by one and in no order.
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
