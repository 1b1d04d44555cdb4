//! The form of reasons in a kept report: as in records.

use pipulate_core::fault::Fault;
use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;
use pipulate_core::status::Doubt;
use pipulate_store::record;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One reason.
pub(crate) mod reason {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&record::reason_to_json(reason))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<Reason>, D::Error> {
        decode(&String::deserialize(deserializer)?).map(Box::new)
    }
}

/// A list of doubts.
pub(crate) mod doubts {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(doubts: &[Doubt], serializer: S) -> Result<S::Ok, S::Error> {
        let written = |doubt: &Doubt| match doubt {
            Doubt::Unreadable { problem } => Written::Unreadable { problem: problem.clone() },
            Doubt::Service { service, why } => {
                Written::Service { service: service.clone(), why: record::reason_to_json(why) }
            }
        };
        doubts.iter().map(written).collect::<Vec<_>>().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Doubt>, D::Error> {
        let read = |doubt| {
            Ok(match doubt {
                Written::Unreadable { problem } => Doubt::Unreadable { problem },
                Written::Service { service, why } => Doubt::Service { service, why: decode(&why)? },
            })
        };
        Vec::<Written>::deserialize(deserializer)?.into_iter().map(read).collect()
    }
}

#[derive(Serialize, Deserialize)]
enum Written {
    Unreadable { problem: Fault },
    Service { service: ServiceName, why: String },
}

fn decode<E: Error>(text: &str) -> Result<Reason, E> {
    record::reason_from_json(text).ok_or_else(|| E::custom("not a reason"))
}
