//! Distinguishes a stop of the app's service from a restart.

use std::time::{Duration, Instant};

use pipulate_core::service::ServiceName;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_core::status::ProjectStatus;

use crate::event_stream::Farewell;
use crate::world::{Probes, World};

/// Polls until the record says why this app, which is `own`, was asked to end; `None` if it is to come back,
/// or if it has no supervisor.
pub(crate) fn look(world: &World, own: &ServiceName, patience: Duration) -> Option<Farewell> {
    let (mut watching, begin) = (world.status.watch(), Instant::now());
    loop {
        match farewell(&world.status.status(Probes::Skip), own) {
            Verdict::Known(farewell) => return farewell,
            // The signal came before the record was written.
            Verdict::NotYet => {}
        }
        let rest = patience.checked_sub(begin.elapsed()).filter(|rest| !rest.is_zero())?;
        watching.wait(rest);
    }
}

/// The result of one look.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Known(Option<Farewell>),
    NotYet,
}

fn farewell(status: &ProjectStatus, own: &ServiceName) -> Verdict {
    let Some(service) = status.service(own.as_str()) else { return Verdict::Known(None) };
    match (service.state, service.wanted) {
        (ServiceState::Stopping, Wanted::Stopped) => {
            let is_all = status.services.iter().all(|service| service.wanted == Wanted::Stopped);
            Verdict::Known(Some(if is_all { Farewell::Home } else { Farewell::Page }))
        }
        (ServiceState::Stopping, Wanted::Run) => Verdict::Known(None),
        (
            ServiceState::Starting
            | ServiceState::Ready
            | ServiceState::Running
            | ServiceState::Degraded
            | ServiceState::Unstable,
            _,
        ) => Verdict::NotYet,
        (
            ServiceState::Stopped
            | ServiceState::Exited
            | ServiceState::Crashed
            | ServiceState::Backoff
            | ServiceState::Unsupervised
            | ServiceState::Unknown,
            _,
        ) => Verdict::Known(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fake;

    #[test]
    fn only_a_stop_is_a_farewell_and_says_what_ended() {
        let own = ServiceName::parse("server").unwrap();
        let seen = |state, wanted, other| {
            let mut services = ["server", "jupyter"].map(|name| fake::service(name, state));
            (services[0].wanted, services[1].wanted) = (wanted, other);
            let root = fake::path("/home/ann/demo");
            let status = ProjectStatus {
                name: "demo".to_owned(),
                root,
                services: services.into(),
                unknown: Vec::new(),
            };
            farewell(&status, &own)
        };
        use ServiceState::{Ready, Stopped, Stopping};
        for (state, wanted, other, expected) in [
            (Stopping, Wanted::Stopped, Wanted::Stopped, Verdict::Known(Some(Farewell::Home))),
            (Stopping, Wanted::Stopped, Wanted::Run, Verdict::Known(Some(Farewell::Page))),
            (Stopping, Wanted::Run, Wanted::Run, Verdict::Known(None)),
            (Ready, Wanted::Run, Wanted::Run, Verdict::NotYet),
            (Stopped, Wanted::Stopped, Wanted::Stopped, Verdict::Known(None)),
        ] {
            assert_eq!(seen(state, wanted, other), expected, "{state} {wanted:?} {other:?}");
        }
    }
}
