//! Requests of a user interface: the desired state of services.

use std::collections::BTreeMap;
use std::time::Duration;

use pipulate_core::marker::RunId;
use pipulate_core::service::ServiceName;
use serde::{Deserialize, Serialize};

/// A request, as a value that another process can carry out, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub desired: Desired,
    /// Empty: all services that the desired state applies to.
    pub services: Vec<ServiceName>,
    /// The user consented to cutting off work in progress.
    pub consent: bool,
    pub wait: Wait,
    pub stop: StopOptions,
    /// The generations of services at the time of the request: a later one is not stopped, and need not be
    /// restarted.
    #[serde(with = "generations")]
    pub decided_on: BTreeMap<ServiceName, RunId>,
}

/// The state that services should be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Desired {
    Running,
    Stopped,
    /// Running in a new process, with the current configuration.
    Restarted,
}

/// How long to wait for started services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wait {
    /// Until each service has begun.
    No,
    AtMost(Duration),
}

/// How services are stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StopOptions {
    /// After this, remaining processes are killed. `None`: as configured for each service.
    pub timeout: Option<Duration>,
    /// Kill at once.
    pub force: bool,
}

impl Request {
    /// Returns a request for these services, or for all, without options.
    pub fn new(desired: Desired, services: Vec<ServiceName>, wait: Wait) -> Self {
        let (stop, decided_on) = (StopOptions::default(), BTreeMap::new());
        Self { desired, services, consent: false, wait, stop, decided_on }
    }
}

/// Generations as text.
mod generations {
    use serde::de::Error as _;
    use serde::{Deserializer, Serializer};

    use super::*;

    pub(super) fn serialize<S: Serializer>(
        generations: &BTreeMap<ServiceName, RunId>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(generations.iter().map(|(service, run)| (service, run.to_string())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<ServiceName, RunId>, D::Error> {
        let texts = BTreeMap::<ServiceName, String>::deserialize(deserializer)?;
        let run = |(service, text): (ServiceName, String)| {
            RunId::parse(&text).map(|run| (service, run)).ok_or_else(|| D::Error::custom("not a generation"))
        };
        texts.into_iter().map(run).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let server = ServiceName::parse("server").unwrap();
        let wait = Wait::AtMost(Duration::from_secs(90));
        let mut request = Request::new(Desired::Restarted, vec![server.clone()], wait);
        request.decided_on.insert(server, RunId::from_random(7));
        request.stop.timeout = Some(Duration::from_millis(1500));
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
    }
}
