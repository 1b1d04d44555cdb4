//! The results of a start or restart, sorted for the messages.

use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;
use pipulate_engine::report::{Outcome, Outcomes};
use pipulate_store::record::Record;

use super::started;
use crate::error::{Failure, FailureKind};

/// The results of a start or restart.
#[derive(Default)]
pub(crate) struct Launched {
    /// Services that are up, or begun if the caller did not wait.
    pub(crate) up: Vec<ServiceName>,
    /// Those of them that were not up before.
    pub(crate) fresh: Vec<ServiceName>,
    /// Notes about services that are up.
    pub(crate) notes: Vec<(ServiceName, Reason)>,
    /// Services that are not up, with the outcome.
    pub(crate) failed: Vec<(ServiceName, Outcome)>,
    pub(crate) unmet: Vec<Unmet>,
}

/// A service that was not tried, because one that it needs is not up.
pub(crate) struct Unmet {
    pub(crate) service: ServiceName,
    pub(crate) needed: ServiceName,
}

impl Launched {
    pub(crate) fn of(outcomes: Outcomes) -> Self {
        let mut launched = Self::default();
        for (service, outcome) in outcomes {
            match outcome {
                Outcome::Up { record, fresh } => {
                    launched.notes.extend(noted(&service, &record, fresh));
                    launched.fresh.extend(fresh.then(|| service.clone()));
                    launched.up.push(service);
                }
                Outcome::Begun => launched.up.push(service),
                Outcome::Unmet { needed } => launched.unmet.push(Unmet { service, needed }),
                Outcome::Failed { ref record } => {
                    launched.notes.extend(noted(&service, record, true));
                    launched.failed.push((service, outcome));
                }
                Outcome::TimedOut
                | Outcome::Refused(_)
                | Outcome::AlreadyStopped
                | Outcome::StartWithdrawn
                | Outcome::Stopped { .. }
                | Outcome::Unrecorded(_) => launched.failed.push((service, outcome)),
            }
        }
        launched
    }

    /// A true headline about services that are not up, some of which may run.
    fn headline(&self) -> String {
        let mut groups: Vec<(&str, Vec<ServiceName>)> = Vec::new();
        for (service, outcome) in &self.failed {
            let what = started::in_short(outcome);
            match groups.iter_mut().find(|(other, _)| *other == what) {
                Some((_, services)) => services.push(service.clone()),
                None => groups.push((what, vec![service.clone()])),
            }
        }
        let said = groups.iter().map(|(what, services)| format!("{what}: {}", names(services)));
        said.collect::<Vec<_>>().join("; ")
    }

    /// The first failed service that may have printed why.
    pub(crate) fn with_a_log(&self) -> Option<&ServiceName> {
        let has_run = |outcome: &Outcome| matches!(outcome, Outcome::Failed { .. });
        self.failed.iter().find(|(_, outcome)| has_run(outcome)).map(|(service, _)| service)
    }

    /// The failure for services that are not up; `None` if all are. `talkative` printed something;
    /// `missing_modules` are the install hints for missing modules.
    pub(crate) fn failure(
        &self,
        talkative: Option<&ServiceName>,
        missing_modules: &[String],
    ) -> Option<Failure> {
        if self.failed.is_empty() {
            return None;
        }
        let services: Vec<ServiceName> = self.failed.iter().map(|(service, _)| service.clone()).collect();
        let timed_out = self.failed.iter().all(|(_, outcome)| *outcome == Outcome::TimedOut);
        let mut failure = match timed_out {
            true => Failure::new(FailureKind::TimedOut, format!("still starting: {}", names(&services)))
                .hint("check on it with: pipulate status"),
            false => Failure::failed(self.headline()),
        };
        for (service, outcome) in &self.failed {
            if let Some(why) = started::reason(service, outcome) {
                failure = failure.cause(why);
            }
        }
        for Unmet { service, needed } in &self.unmet {
            failure =
                failure.cause(format!("{service} was not started: it needs {needed}, which is not running"));
        }
        for missing in missing_modules {
            failure = failure.hint(missing);
        }
        if let Some(service) = talkative {
            failure = failure.hint(format!("all that it printed: pipulate logs {service}"));
        }
        Some(if timed_out { failure } else { failure.hint("what else may be wrong: pipulate doctor") })
    }
}

/// The failures of services that did not come back after a restart. `missing_modules` are the install hints
/// for missing modules.
pub(crate) fn not_back(restarted: &Launched, missing_modules: &[String]) -> Vec<Failure> {
    let failed = restarted.failed.iter().map(|(service, outcome)| match outcome {
        Outcome::TimedOut => Failure::new(FailureKind::TimedOut, format!("{service} is not ready yet"))
            .hint("check on it with: pipulate status"),
        outcome => {
            let failure = Failure::failed(format!("{service} did not start again"));
            match started::reason(service, outcome) {
                Some(why) => failure.cause(why),
                None => failure,
            }
        }
    });
    let unmet = restarted.unmet.iter().map(|Unmet { service, needed }| {
        Failure::failed(format!("{service} was not restarted: it needs {needed}, which is not running"))
    });
    let mut failures: Vec<Failure> = failed.chain(unmet).collect();
    if let Some(last) = failures.pop() {
        failures.push(missing_modules.iter().fold(last, |failure, missing| failure.hint(missing)));
    }
    failures
}

fn noted(service: &ServiceName, record: &Record, fresh: bool) -> impl Iterator<Item = (ServiceName, Reason)> {
    started::reasons_to_note(record, fresh).map(|note| (service.clone(), note.clone()))
}

fn names(services: &[ServiceName]) -> String {
    services.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(", ")
}
