//! The disk format of the record. Fields may be added; none may change its meaning.
//!
//! Version 2 holds reasons as codes with data, where version 1 has sentences; both are read.

mod adapters;
mod coded;
mod env_error;
mod fate;
mod fault;
mod parts;
pub(super) mod reason;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use pipulate_core::fault::FileRefusal;
use pipulate_core::fingerprint::ConfigFingerprint;
use pipulate_core::identity::{Host, Pid, ProcessIdentity};
use pipulate_core::marker::RunId;
use pipulate_core::project::AbsPath;
use pipulate_core::receipt::{Named, Receipt};
use pipulate_core::service::{Readiness, Scheme, ServiceName};
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_core::status::LastExit;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{MainProcess, Record};

const VERSION: u32 = 2;

#[derive(Deserialize)]
#[serde(expecting = "a record with its version")]
struct VersionOnly {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct RecordWire {
    version: u32,
    root: String,
    service: String,
    /// `"run"` or `"stopped"`.
    wanted: String,
    supervisor: Option<IdentityWire>,
    #[serde(default)]
    program: Option<String>,
    state: String,
    /// Version 1: a sentence, or null.
    #[serde(default)]
    reason: Value,
    main: Option<MainWire>,
    #[serde(default)]
    next_run: Option<String>,
    #[serde(default)]
    generation: Option<String>,
    restarts: u32,
    #[serde(default)]
    unexpected_ends: u32,
    last_exit: Option<ExitWire>,
    port: Option<u16>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    exposed: bool,
    address: Option<SocketAddr>,
    /// `"https"`; absent for http.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scheme: Option<String>,
    page: Option<String>,
    readiness: ReadinessWire,
    #[serde(default, skip_serializing_if = "ConfigFingerprint::is_unknown")]
    configured: ConfigFingerprint,
    #[serde(default)]
    adopted: bool,
    /// Version 1: sentences.
    notes: Value,
    log_start: u64,
    #[serde(default)]
    log_dropped: u64,
    #[serde(default)]
    log_trouble: Option<String>,
    #[serde(default)]
    saved: Vec<String>,
    receipt: Option<ReceiptWire>,
}

#[derive(Serialize, Deserialize)]
struct IdentityWire {
    pid: i32,
    start: u64,
    boot: String,
    pid_namespace: u64,
    machine: String,
}

#[derive(Serialize, Deserialize)]
struct MainWire {
    identity: IdentityWire,
    run: String,
    started_at: String,
}

#[derive(Serialize, Deserialize)]
struct ExitWire {
    code: Option<i32>,
    signal: Option<i32>,
    at: String,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum ReadinessWire {
    Exec,
    Tcp { timeout_ms: u64 },
    Http { path: String, any_status: bool, timeout_ms: u64 },
    Log { pattern: String, timeout_ms: u64 },
}

#[derive(Serialize, Deserialize)]
struct ReceiptWire {
    stopped: u32,
    seconds: f64,
    forced: Vec<NamedWire>,
    left: Vec<NamedWire>,
    survivors: Vec<NamedWire>,
}

#[derive(Serialize, Deserialize)]
struct NamedWire {
    pid: i32,
    #[serde(default)]
    start: u64,
    name: String,
    /// Version 1: a sentence.
    why: Value,
}

/// Encodes a record.
pub(super) fn encode(record: &Record) -> Vec<u8> {
    let wire = RecordWire {
        version: VERSION,
        root: record.root.to_string_lossy().into_owned(),
        service: record.service.to_string(),
        wanted: match record.wanted {
            Wanted::Run => "run".to_owned(),
            Wanted::Stopped => "stopped".to_owned(),
        },
        supervisor: record.supervisor.as_ref().map(encode_identity),
        program: record.program.as_ref().map(|path| path.to_string_lossy().into_owned()),
        state: record.state.word().to_owned(),
        reason: reason::encode_all(&record.reasons),
        main: record.main.as_ref().map(|main| MainWire {
            identity: encode_identity(&main.identity),
            run: main.run.to_string(),
            started_at: main.started_at.to_string(),
        }),
        next_run: record.next_run.as_ref().map(RunId::to_string),
        generation: record.generation.as_ref().map(RunId::to_string),
        restarts: record.restarts,
        unexpected_ends: record.unexpected_ends,
        last_exit: record.last_exit.map(|exit| ExitWire {
            code: exit.code,
            signal: exit.signal,
            at: exit.at.to_string(),
        }),
        port: record.port,
        exposed: record.exposed,
        address: record.address,
        scheme: (record.scheme != Scheme::Http).then(|| record.scheme.as_str().to_owned()),
        page: record.page.clone(),
        readiness: encode_readiness(&record.readiness),
        configured: record.configured.clone(),
        adopted: record.adopted,
        notes: reason::encode_all(&record.notes),
        log_start: record.log_start,
        log_dropped: record.log_dropped,
        log_trouble: record.log_trouble.clone(),
        // JSON holds only UTF-8 paths: other files are not checked, and count as saved.
        saved: record.saved.iter().map(|file| file.to_string_lossy().into_owned()).collect(),
        receipt: record.receipt.as_ref().map(encode_receipt),
    };
    // The types above hold only valid JSON values.
    serde_json::to_vec_pretty(&wire).unwrap_or_default()
}

/// Decodes a record, or says why it can't.
pub(super) fn decode(bytes: &[u8]) -> Result<Record, FileRefusal> {
    if bytes.is_empty() {
        return Err(FileRefusal::Empty);
    }
    let wire: RecordWire = match serde_json::from_slice(bytes) {
        Ok(wire @ RecordWire { version: ..=VERSION, .. }) => wire,
        read => return Err(why_unreadable(bytes, read.err())),
    };
    wire.into_record().ok_or(FileRefusal::StrangeValue)
}

/// Says why these bytes are not a record of a known version; `error` if they are of no version.
fn why_unreadable(bytes: &[u8], error: Option<serde_json::Error>) -> FileRefusal {
    let not_understood = |error: serde_json::Error| FileRefusal::NotUnderstood { error: error.to_string() };
    match serde_json::from_slice(bytes) {
        Ok(VersionOnly { version: ..=VERSION }) => error.map_or(FileRefusal::StrangeValue, not_understood),
        Ok(VersionOnly { version }) => FileRefusal::NewerFormat { format: version, known: VERSION },
        Err(error) => not_understood(error),
    }
}

impl RecordWire {
    fn into_record(self) -> Option<Record> {
        Some(Record {
            root: AbsPath::new(self.root)?,
            service: ServiceName::parse(&self.service).ok()?,
            wanted: match self.wanted.as_str() {
                "run" => Wanted::Run,
                "stopped" => Wanted::Stopped,
                _ => return None,
            },
            supervisor: optional(self.supervisor, decode_identity)?,
            program: self.program.map(PathBuf::from),
            // `unknown` is never written.
            state: ServiceState::from_word(&self.state).filter(|&state| state != ServiceState::Unknown)?,
            reasons: reason::decode_all(self.reason)?,
            main: optional(self.main, |main| {
                Some(MainProcess {
                    identity: decode_identity(main.identity)?,
                    run: RunId::parse(&main.run)?,
                    started_at: main.started_at.parse().ok()?,
                })
            })?,
            next_run: optional(self.next_run, |run| RunId::parse(&run))?,
            generation: optional(self.generation, |run| RunId::parse(&run))?,
            restarts: self.restarts,
            unexpected_ends: self.unexpected_ends,
            last_exit: optional(self.last_exit, |exit| {
                Some(LastExit {
                    code: exit.code,
                    signal: exit.signal,
                    at: exit.at.parse::<Timestamp>().ok()?,
                })
            })?,
            port: self.port,
            exposed: self.exposed,
            address: self.address,
            scheme: match self.scheme.as_deref() {
                None | Some("http") => Scheme::Http,
                Some("https") => Scheme::Https,
                Some(_) => return None,
            },
            page: self.page,
            readiness: decode_readiness(self.readiness),
            configured: self.configured,
            adopted: self.adopted,
            notes: reason::decode_all(self.notes)?,
            log_start: self.log_start,
            log_dropped: self.log_dropped,
            log_trouble: self.log_trouble,
            saved: self.saved.into_iter().map(PathBuf::from).collect(),
            receipt: optional(self.receipt, decode_receipt)?,
        })
    }
}

/// `Some(None)` for an absent value, `None` for an invalid one.
fn optional<A, B>(value: Option<A>, decode: impl FnOnce(A) -> Option<B>) -> Option<Option<B>> {
    match value {
        None => Some(None),
        Some(value) => decode(value).map(Some),
    }
}

fn encode_identity(identity: &ProcessIdentity) -> IdentityWire {
    IdentityWire {
        pid: identity.pid.get(),
        start: identity.start,
        boot: identity.host.boot.clone(),
        pid_namespace: identity.host.pid_namespace,
        machine: identity.host.machine.clone(),
    }
}

fn decode_identity(wire: IdentityWire) -> Option<ProcessIdentity> {
    let host = Host { boot: wire.boot, pid_namespace: wire.pid_namespace, machine: wire.machine };
    Some(ProcessIdentity { pid: Pid::new(wire.pid)?, start: wire.start, host })
}

fn encode_readiness(readiness: &Readiness) -> ReadinessWire {
    let millis = |timeout: &Duration| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    match readiness {
        Readiness::Exec => ReadinessWire::Exec,
        Readiness::Tcp { timeout } => ReadinessWire::Tcp { timeout_ms: millis(timeout) },
        Readiness::Http { path, any_status, timeout } => {
            ReadinessWire::Http { path: path.clone(), any_status: *any_status, timeout_ms: millis(timeout) }
        }
        Readiness::Log { pattern, timeout } => {
            ReadinessWire::Log { pattern: pattern.clone(), timeout_ms: millis(timeout) }
        }
    }
}

fn decode_readiness(wire: ReadinessWire) -> Readiness {
    let duration = Duration::from_millis;
    match wire {
        ReadinessWire::Exec => Readiness::Exec,
        ReadinessWire::Tcp { timeout_ms } => Readiness::Tcp { timeout: duration(timeout_ms) },
        ReadinessWire::Http { path, any_status, timeout_ms } => {
            Readiness::Http { path, any_status, timeout: duration(timeout_ms) }
        }
        ReadinessWire::Log { pattern, timeout_ms } => {
            Readiness::Log { pattern, timeout: duration(timeout_ms) }
        }
    }
}

fn encode_receipt(receipt: &Receipt) -> ReceiptWire {
    let named = |list: &[Named]| {
        list.iter()
            .map(|named| NamedWire {
                pid: named.pid.get(),
                start: named.start,
                name: named.name.clone(),
                why: fate::encode_fate(&named.why),
            })
            .collect()
    };
    ReceiptWire {
        stopped: receipt.stopped,
        seconds: receipt.seconds,
        forced: named(&receipt.forced),
        left: named(&receipt.left),
        survivors: named(&receipt.survivors),
    }
}

fn decode_receipt(wire: ReceiptWire) -> Option<Receipt> {
    let named = |list: Vec<NamedWire>| {
        list.into_iter()
            .map(|named| {
                Some(Named {
                    pid: Pid::new(named.pid)?,
                    start: named.start,
                    name: named.name,
                    why: fate::decode_fate(named.why)?,
                })
            })
            .collect::<Option<Vec<_>>>()
    };
    Some(Receipt {
        stopped: wire.stopped,
        seconds: wire.seconds,
        forced: named(wire.forced)?,
        left: named(wire.left)?,
        survivors: named(wire.survivors)?,
    })
}
