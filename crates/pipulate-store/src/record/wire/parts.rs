//! The parts of reasons in a record.

use std::net::SocketAddr;
use std::path::PathBuf;

use pipulate_core::identity::Pid;
use pipulate_core::reason::{
    Attempt, Ending, Key, Obstacle, PortHolder, ProbeProblem, Process, Processes, WatchProblem,
};
use pipulate_core::service::ServiceName;
use serde::{Deserialize, Serialize};

use super::adapters::{maybe_name, maybe_path, path, pid, with, wrapper};

#[derive(Serialize, Deserialize)]
#[serde(remote = "Ending", tag = "how", rename_all = "kebab-case")]
pub(super) enum EndingV2 {
    Code { code: i32 },
    Signal { number: i32, name: String },
    TimedOut,
    Unseen,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Processes")]
pub(super) struct ProcessesV2 {
    #[serde(with = "process_list")]
    named: Vec<Process>,
    more: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Process")]
pub(super) struct ProcessV2 {
    #[serde(with = "pid")]
    pid: Pid,
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PortHolder", tag = "kind", rename_all = "kebab-case")]
pub(super) enum PortHolderV2 {
    Process {
        #[serde(with = "pid")]
        pid: Pid,
        command: String,
        #[serde(with = "maybe_name")]
        service: Option<ServiceName>,
        #[serde(with = "maybe_path")]
        project: Option<PathBuf>,
    },
    Hidden,
    LeftBehind {
        #[serde(with = "pid")]
        pid: Pid,
        command: String,
    },
    Own {
        #[serde(with = "ProcessesV2")]
        processes: Processes,
    },
    Unseen,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Obstacle", tag = "obstacle", rename_all = "kebab-case")]
pub(super) enum ObstacleV2 {
    NoListener,
    PortHeld {
        port: u16,
        #[serde(with = "PortHolderV2")]
        holder: PortHolder,
    },
    OtherPort {
        port: u16,
        wanted: u16,
    },
    OutOfReach {
        address: SocketAddr,
    },
    Probe {
        #[serde(with = "ProbeProblemV2")]
        problem: ProbeProblem,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ProbeProblem", tag = "problem", rename_all = "kebab-case")]
pub(super) enum ProbeProblemV2 {
    Refused { address: SocketAddr },
    Silent { address: SocketAddr },
    Closed { address: SocketAddr },
    Status { code: u16, path: String },
    NotHttp { address: SocketAddr },
    NotTls { address: SocketAddr },
    TlsRefused { address: SocketAddr, error: String },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Attempt", rename_all = "kebab-case")]
pub(super) enum AttemptV2 {
    OpenOutput,
    WatchProcess,
    GetRandomNumbers,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "WatchProblem", tag = "problem", rename_all = "kebab-case")]
pub(super) enum WatchProblemV2 {
    NoWatchesLeft {
        #[serde(with = "path")]
        folder: PathBuf,
    },
    TooManyFolders {
        most: u32,
    },
    FolderGone {
        #[serde(with = "path")]
        folder: PathBuf,
    },
    Links {
        #[serde(with = "path")]
        first: PathBuf,
        more: u32,
    },
    System {
        #[serde(with = "path")]
        folder: PathBuf,
        error: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Key", rename_all = "kebab-case")]
pub(super) enum KeyV2 {
    JupyterToken,
    JupyterSignIns,
    App,
}

wrapper!(OneProcess, "ProcessV2", Process);
wrapper!(OneKey, "KeyV2", Key);
wrapper!(OneObstacle, "ObstacleV2", Obstacle);

with!(
    process_list: Vec<Process> as Vec<OneProcess>,
    |list| list.iter().cloned().map(OneProcess).collect(),
    |list| Some(list.into_iter().map(|one| one.0).collect())
);
with!(
    keys: Vec<Key> as Vec<OneKey>,
    |list| list.iter().copied().map(OneKey).collect(),
    |list| Some(list.into_iter().map(|one| one.0).collect())
);
with!(
    maybe_obstacle: Option<Obstacle> as Option<OneObstacle>,
    |obstacle| obstacle.clone().map(OneObstacle),
    |obstacle| Some(obstacle.map(|one| one.0))
);
