//! The fate of a process in a stop: `{"code": "killed-after", "timeout": 10.0}`; a sentence in format 1.

use std::time::Duration;

use pipulate_core::identity::Pid;
use pipulate_core::reason::{Fate, Remnant};
use pipulate_core::service::ServiceName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::adapters::{name, pid, seconds, with, wrapper};
use super::coded::{Coded, coded, raw, to_value};

pub(super) fn decode_fate(value: Value) -> Option<Fate> {
    match coded(value)? {
        Coded::Text(text) => Some(Fate::Told { text }),
        Coded::Data { code, value } => Some(match FateV2::deserialize(&value) {
            Ok(fate) => fate,
            Err(_) => Fate::Foreign { code, data: value.to_string() },
        }),
    }
}

pub(super) fn encode_fate(fate: &Fate) -> Value {
    match fate {
        Fate::Foreign { data, .. } => raw(data),
        fate => to_value(FateV2::serialize(fate, serde_json::value::Serializer)),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Remnant")]
pub(super) struct RemnantV2 {
    #[serde(with = "pid")]
    pid: Pid,
    name: String,
    #[serde(with = "fate")]
    why: Fate,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Fate", tag = "code", rename_all = "kebab-case")]
pub(super) enum FateV2 {
    KilledAtOnce,
    KilledAfter {
        #[serde(with = "seconds")]
        timeout: Duration,
    },
    KilledUnheeding,
    OfAnotherUser,
    Uninterruptible,
    OutlivesKill,
    OfService {
        #[serde(with = "name")]
        service: ServiceName,
    },
    OfAnotherProject,
    Supervises {
        #[serde(with = "name")]
        service: ServiceName,
    },
    DetachedFromTerminal,
    WritesToAnotherLog,
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

wrapper!(OneRemnant, "RemnantV2", Remnant);

with!(
    remnants: Vec<Remnant> as Vec<OneRemnant>,
    |list| list.iter().cloned().map(OneRemnant).collect(),
    |list| Some(list.into_iter().map(|one| one.0).collect())
);
with!(fate: Fate as Value, encode_fate, decode_fate);
