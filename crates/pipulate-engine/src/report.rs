//! The result of a request, service by service: values, which renderers turn into sentences.

use pipulate_core::reason::Reason;
use pipulate_core::receipt::Receipt;
use pipulate_core::service::ServiceName;
use pipulate_store::record::{self, Record};
use serde::{Deserialize, Serialize};

use crate::written;

/// The result of a request for one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is up. `fresh`: it was not before.
    Up {
        #[serde(with = "as_written")]
        record: Box<Record>,
        fresh: bool,
    },
    /// It was started, without waiting for it.
    Begun,
    /// It ended, or does not answer; the record has the reason.
    Failed {
        #[serde(with = "as_written")]
        record: Box<Record>,
    },
    /// The timeout has passed, and it is still starting.
    TimedOut,
    /// It was not tried, because a service that it needs is not up.
    Unmet {
        needed: ServiceName,
    },
    AlreadyStopped,
    /// A start had announced it, and does not begin it: a stop came after that, or an interrupt.
    StartWithdrawn,
    /// The record has the receipt.
    Stopped {
        #[serde(with = "as_written")]
        record: Box<Record>,
    },
    /// None of its processes is alive any more, and no record has the cause.
    Unrecorded(#[serde(with = "written::reason")] Box<Reason>),
    /// Nothing was done for it, or not everything that was requested.
    Refused(#[serde(with = "written::reason")] Box<Reason>),
}

impl Outcome {
    /// Returns the receipt of a stop.
    pub fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::Stopped { record } => record.receipt.as_ref(),
            Self::Up { .. }
            | Self::Begun
            | Self::Failed { .. }
            | Self::TimedOut
            | Self::Unmet { .. }
            | Self::AlreadyStopped
            | Self::StartWithdrawn
            | Self::Unrecorded(_)
            | Self::Refused(_) => None,
        }
    }
}

/// A record in its disk format.
mod as_written {
    use serde::de::Error as _;
    use serde::{Deserializer, Serializer};

    use super::*;

    pub(super) fn serialize<S: Serializer>(record: &Record, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(&record::to_json(record)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<Record>, D::Error> {
        let text = String::deserialize(deserializer)?;
        record::from_json(text.as_bytes()).map(Box::new).map_err(D::Error::custom)
    }
}

/// The outcomes of a request, group by group.
pub type Outcomes = Vec<(ServiceName, Outcome)>;
