//! Reasons in a record of format 2: `{"code": "port-held", "port": 8888, …}`.
//!
//! In format 1 a reason is a sentence. An unknown code or shape from a newer version is kept and written
//! unchanged. Fields may be added to a code; none may change its meaning.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use pipulate_core::env_error::EnvError;
use pipulate_core::fault::Fault;
use pipulate_core::identity::Pid;
use pipulate_core::reason::{
    Attempt, Ending, Key, NeedState, Obstacle, PortHolder, ProbeProblem, Processes, Reason, Remnant,
    WatchProblem,
};
use pipulate_core::service::ServiceName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::adapters::{maybe_path, maybe_pid, name, path, paths, pid, seconds, with};
use super::coded::{Coded, coded, raw, to_value};
use super::env_error::env_error;
use super::fate::remnants;
use super::fault::{fault, maybe_fault};
use super::parts::{
    AttemptV2, EndingV2, PortHolderV2, ProbeProblemV2, ProcessesV2, WatchProblemV2, keys, maybe_obstacle,
};

/// The reasons in a field: absent, one, or a list. `None` if it is neither text nor data.
pub(in crate::record) fn decode_all(value: Value) -> Option<Vec<Reason>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(list) => list.into_iter().map(decode).collect(),
        one => Some(vec![decode(one)?]),
    }
}

pub(in crate::record) fn encode_all(reasons: &[Reason]) -> Value {
    Value::Array(reasons.iter().map(encode).collect())
}

fn decode(value: Value) -> Option<Reason> {
    match coded(value)? {
        Coded::Text(text) => Some(Reason::Told { text }),
        Coded::Data { code, value } => Some(match ReasonV2::deserialize(&value) {
            Ok(reason) => reason,
            Err(_) => Reason::Foreign { code, data: value.to_string() },
        }),
    }
}

fn encode(reason: &Reason) -> Value {
    match reason {
        Reason::Foreign { data, .. } => raw(data),
        reason => to_value(ReasonV2::serialize(reason, serde_json::value::Serializer)),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Reason", tag = "code", rename_all = "kebab-case")]
enum ReasonV2 {
    EndedBeforeReady {
        #[serde(with = "EndingV2")]
        end: Ending,
    },
    Ended {
        #[serde(with = "EndingV2")]
        end: Ending,
    },
    EndedTooOften {
        times: u32,
        #[serde(with = "seconds")]
        within: Duration,
        #[serde(with = "EndingV2")]
        last: Ending,
    },
    EndsRepeatedly {
        times: u32,
        #[serde(with = "EndingV2")]
        last: Ending,
    },
    GroupRemains {
        #[serde(with = "EndingV2")]
        end: Ending,
    },
    PreviousRemains {
        #[serde(with = "remnants")]
        processes: Vec<Remnant>,
    },
    InBackground {
        #[serde(with = "EndingV2")]
        end: Ending,
        #[serde(with = "ProcessesV2")]
        left: Processes,
    },
    WaitingFor {
        #[serde(with = "name")]
        service: ServiceName,
    },
    NeedFailed {
        #[serde(with = "name")]
        service: ServiceName,
        #[serde(with = "NeedStateV2")]
        state: NeedState,
    },
    TriedAgain,
    NoReadyLine {
        pattern: String,
        #[serde(with = "seconds")]
        within: Duration,
    },
    NotReadyInTime {
        #[serde(with = "seconds")]
        within: Duration,
        #[serde(with = "maybe_obstacle")]
        obstacle: Option<Obstacle>,
    },
    NotListening,
    NotResponding,
    BadAnswer {
        #[serde(with = "ProbeProblemV2")]
        problem: ProbeProblem,
    },
    LastError {
        kind: String,
        file: String,
        line: String,
    },
    MissingModule {
        module: String,
        distribution: String,
    },
    SettingsChanged {
        keys: Vec<String>,
    },
    NothingToStart,
    FileProblem {
        #[serde(with = "fault", alias = "error")]
        problem: Fault,
    },
    SystemError {
        #[serde(with = "AttemptV2")]
        attempt: Attempt,
        error: String,
    },
    ProgramNotFound {
        #[serde(with = "path")]
        program: PathBuf,
        is_installed_by_setup: bool,
    },
    InterpreterNotFound {
        #[serde(with = "path")]
        program: PathBuf,
    },
    CommandTooLong {
        #[serde(with = "path")]
        program: PathBuf,
    },
    ProgramNotPermitted {
        #[serde(with = "path")]
        program: PathBuf,
        error: String,
    },
    NotAProgram {
        #[serde(with = "path")]
        program: PathBuf,
    },
    ProgramFailed {
        #[serde(with = "path")]
        program: PathBuf,
        error: String,
    },
    ReloadFailed {
        // It was a sentence named `error`.
        #[serde(default, alias = "error", with = "maybe_fault", skip_serializing_if = "Option::is_none")]
        problem: Option<Fault>,
    },
    SupervisorNotRunnable {
        #[serde(with = "path")]
        program: PathBuf,
        error: String,
    },
    PortHeld {
        port: u16,
        #[serde(with = "PortHolderV2")]
        holder: PortHolder,
    },
    NoFreePort {
        from: u16,
    },
    PortLost {
        port: u16,
    },
    MistakeInFile {
        file: String,
        line: Option<u32>,
        message: String,
    },
    AwaitsFix {
        is_running: bool,
    },
    AwaitsSave,
    WatchIncomplete {
        #[serde(with = "WatchProblemV2")]
        problem: WatchProblem,
    },
    SavesItself {
        #[serde(with = "paths")]
        files: Vec<PathBuf>,
        more: u32,
    },
    ReloadsItself {
        times: u32,
        #[serde(with = "seconds")]
        within: Duration,
        reloader: String,
    },
    SupervisorGone,
    StopIncomplete {
        #[serde(with = "remnants")]
        processes: Vec<Remnant>,
    },
    MachineRestarted,
    EndedFromOutside,
    FolderMoved {
        #[serde(with = "path")]
        from: PathBuf,
    },
    FilesElsewhere {
        #[serde(with = "path")]
        folder: PathBuf,
    },
    InAnotherContainer,
    RunsElsewhere {
        machine: Option<String>,
    },
    ProcessUnproved {
        #[serde(with = "pid")]
        pid: Pid,
        name: String,
        #[serde(with = "path")]
        record: PathBuf,
    },
    ProcessHidden {
        #[serde(with = "pid")]
        pid: Pid,
        error: Option<String>,
    },
    RecordUnreadable {
        #[serde(with = "fault", alias = "error")]
        problem: Fault,
        #[serde(default, with = "maybe_pid", skip_serializing_if = "Option::is_none")]
        pid: Option<Pid>,
    },
    RecordsDeleted,
    RunsUnrecorded {
        #[serde(with = "pid")]
        supervisor: Pid,
    },
    Doubtful {
        #[serde(with = "reasons")]
        why: Vec<Reason>,
    },
    LockHeld {
        #[serde(with = "pid")]
        pid: Pid,
    },
    StartedSince,
    SupervisorNotSignaled {
        #[serde(with = "pid")]
        pid: Pid,
        error: Option<String>,
    },
    SupervisorNotStarted {
        #[serde(with = "fault")]
        problem: Fault,
    },
    SupervisorFailed,
    SupervisorsKilled,
    SupervisorRestless,
    ConfigUnusable {
        #[serde(with = "path")]
        file: PathBuf,
        error: String,
    },
    NotConfigured,
    EnvFileMissing {
        #[serde(with = "path")]
        path: PathBuf,
    },
    EnvFileUnusable {
        #[serde(with = "env_error")]
        error: EnvError,
    },
    ListensPublicly {
        port: u16,
        address: IpAddr,
        #[serde(default, with = "maybe_path", skip_serializing_if = "Option::is_none")]
        file: Option<PathBuf>,
    },
    PortMoved {
        wanted: u16,
        #[serde(with = "PortHolderV2")]
        holder: PortHolder,
        using: u16,
    },
    KeysExposed {
        port: u16,
    },
    KeysRenewed {
        port: u16,
        #[serde(with = "keys")]
        keys: Vec<Key>,
    },
    NoToken,
    NoSocketFolder,
    #[serde(rename = "other")]
    Told {
        text: String,
    },
    /// Never written: the value that was read is.
    #[serde(skip)]
    Foreign {
        code: String,
        data: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "NeedState", tag = "state", rename_all = "kebab-case")]
enum NeedStateV2 {
    NotRunning,
    NotRunningAnyMore,
    Stopped,
    Crashed {
        #[serde(with = "reasons")]
        why: Vec<Reason>,
    },
    NotReady {
        #[serde(with = "reasons")]
        why: Vec<Reason>,
    },
    Unknown {
        #[serde(with = "reasons")]
        why: Vec<Reason>,
    },
}

with!(reasons: Vec<Reason> as Value, |list| encode_all(list), decode_all);

#[cfg(test)]
mod tests {
    use pipulate_core::reason::examples;

    use super::super::fate::{decode_fate, encode_fate};
    use super::*;

    #[test]
    fn every_reason_and_fate_reads_back_with_its_code() {
        for reason in examples::all() {
            let value = encode(&reason);
            assert_eq!(value["code"], reason.code());
            assert_eq!(decode(value), Some(reason));
        }
        for fate in examples::fates() {
            assert_eq!(decode_fate(encode_fate(&fate)), Some(fate));
        }
    }

    #[test]
    fn a_newer_code_or_shape_is_kept_and_written_again() {
        for json in [
            r#"{"code":"eaten","by":{"pid":12},"more":[1,null]}"#,
            r#"{"code":"port-held","port":"a door"}"#,
            r#"{"code":"need-failed","service":"db","state":{"state":"asleep"}}"#,
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            let reason = decode(value.clone()).unwrap();
            assert!(matches!(reason, Reason::Foreign { .. }), "{reason:?}");
            assert_eq!(value["code"], reason.code());
            assert_eq!(encode(&reason), value);
        }
        let inside =
            r#"{"code":"need-failed","service":"db","state":{"state":"crashed","why":[{"code":"new"}]}}"#;
        let value: Value = serde_json::from_str(inside).unwrap();
        assert_eq!(encode(&decode(value.clone()).unwrap()), value);
        // An unknown field of a newer version in a known code is ignored.
        let added = r#"{"code":"port-lost","port":5001,"since":7}"#;
        assert_eq!(decode(serde_json::from_str(added).unwrap()), Some(Reason::PortLost { port: 5001 }));
    }

    #[test]
    fn what_is_no_reason_is_refused() {
        for json in ["7", "true", "{}", "[]", r#"{"code":7}"#] {
            assert_eq!(decode(serde_json::from_str(json).unwrap()), None, "{json}");
        }
    }
}
