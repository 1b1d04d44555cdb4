//! Whether services that say that they are ready answer: asked now, by whoever wants to know.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use pipulate_core::service::Readiness;
use pipulate_core::state::ServiceState;
use pipulate_core::status::ServiceStatus;
use pipulate_process::ports;
use pipulate_store::record::Record;

use crate::probe::{self, Question};

/// How long a service may take to prove that it answers.
const PATIENCE: Duration = Duration::from_millis(250);

/// What to ask a service that says that it is ready; the second part is its processes' listeners.
pub(super) fn question(status: &ServiceStatus, record: Option<&Record>) -> Option<(SocketAddr, Question)> {
    if status.state != ServiceState::Ready {
        return None;
    }
    let record = record?;
    let question = match &record.readiness {
        Readiness::Exec | Readiness::Log { .. } => return None,
        Readiness::Tcp { .. } => Question::Tcp,
        Readiness::Http { path, any_status, .. } => {
            Question::Http { path: path.clone(), any_status: *any_status }
        }
    };
    Some((record.address?, question))
}

/// A service's place in a status, and what to ask it.
pub(super) type Questions = Vec<(usize, (SocketAddr, Question))>;

/// Alive and not answering, or no longer the one who answers: `degraded`.
pub(super) fn find_degraded(statuses: &mut [ServiceStatus], questions: Questions) {
    let (indices, questions): (Vec<usize>, Vec<_>) = questions.into_iter().unzip();
    let addresses: HashMap<usize, SocketAddr> =
        indices.iter().copied().zip(questions.iter().map(|(address, _)| *address)).collect();
    let answers = probe::ask_all(questions, PATIENCE);
    for (index, answered) in indices.into_iter().zip(answers) {
        let status = &mut statuses[index];
        let pids = status.live.iter().flat_map(|live| live.processes.iter().map(|process| process.pid));
        let own = ports::listeners_of(pids).is_ok_and(|listeners| {
            listeners.iter().any(|listener| listener.loopback() == Some(addresses[&index]))
        });
        let why = match (answered, own) {
            (true, true) => continue,
            (false, true) => "it lives and does not answer",
            (_, false) => "it lives and no longer listens on its port",
        };
        status.state = ServiceState::Degraded;
        status.reason = Some(why.to_owned());
    }
}
