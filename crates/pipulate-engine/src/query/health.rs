//! Probing services that are recorded as ready.

use std::net::SocketAddr;
use std::time::Duration;

use pipulate_core::layout::Layout;
use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_core::status::{LiveService, ServiceStatus};
use pipulate_process::ports::Listeners;
use pipulate_store::record::Record;

use super::last_error::{error_at_end, last_error};
use pipulate_supervisor::probe::{self, Call, Question, Seen};

/// The timeout of a probe.
const PATIENCE: Duration = Duration::from_millis(250);

/// The timeout if the user asked for the service to be up, and would wait for a start, too.
const LONG_PATIENCE: Duration = Duration::from_secs(2);

/// Returns the probe for a service that is recorded as ready.
pub(super) fn call(state: ServiceState, record: &Record) -> Option<Call> {
    let address = record.address.filter(|_| state == ServiceState::Ready)?;
    Some((address, Question::of(&record.readiness)?, record.scheme))
}

/// The index of a service in a status, and its probe.
pub(super) type Calls = Vec<(usize, Call)>;

/// Marks services that don't answer, or whose port another process has, as `degraded`.
pub(super) fn find_degraded(layout: &Layout, statuses: &mut [ServiceStatus], calls: Calls) {
    let (indices, calls): (Vec<usize>, Vec<Call>) = calls.into_iter().unzip();
    let answers = probe::ask_all(calls.clone(), PATIENCE);
    for ((index, call), answer) in indices.into_iter().zip(calls).zip(answers) {
        let status = &mut statuses[index];
        let is_own = listens(status.live.as_ref(), call.0);
        let Some(why) = why_degraded(layout, &status.name, &call, is_own, answer) else { continue };
        (status.state, status.reasons) = (ServiceState::Degraded, why);
        // The process that listens there now is foreign: don't link to it.
        status.url = status.url.take().filter(|_| is_own);
    }
}

/// Adds the missing Python module to the reasons of services that ended, or did not become ready, because of
/// it.
pub(super) fn find_missing_modules(layout: &Layout, statuses: &mut [ServiceStatus]) {
    let has_failed = |status: &&mut ServiceStatus| {
        matches!(
            status.state,
            ServiceState::Crashed | ServiceState::Backoff | ServiceState::Unstable | ServiceState::Degraded
        )
    };
    for status in statuses.iter_mut().filter(has_failed) {
        let missing = last_error(layout, status);
        status.reasons.extend(missing.filter(|error| matches!(error, Reason::MissingModule { .. })));
    }
}

/// Returns why a service that is recorded as ready is not; `None` if it is.
pub(super) fn why_not_ready(
    layout: &Layout,
    record: &Record,
    live: Option<&LiveService>,
) -> Option<Vec<Reason>> {
    let call = call(record.state, record)?;
    let answer = probe::ask_all(vec![call.clone()], LONG_PATIENCE).pop()?;
    why_degraded(layout, &record.service, &call, listens(live, call.0), answer)
}

fn listens(live: Option<&LiveService>, address: SocketAddr) -> bool {
    let pids = live.into_iter().flat_map(|live| live.processes.iter().map(|process| process.pid));
    Listeners::of(pids).is_ok_and(|listeners| listeners.receive(address))
}

fn why_degraded(
    layout: &Layout,
    service: &ServiceName,
    (address, question, _): &Call,
    is_own: bool,
    answer: Result<(), Seen>,
) -> Option<Vec<Reason>> {
    let why = match answer {
        _ if !is_own => Reason::NotListening,
        Ok(()) => return None,
        Err(Seen::Silent) => Reason::NotResponding,
        Err(seen) => Reason::BadAnswer { problem: seen.problem(question, *address) },
    };
    Some(std::iter::once(why).chain(error_at_end(layout, service)).collect())
}
