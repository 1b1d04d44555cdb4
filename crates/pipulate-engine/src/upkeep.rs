//! Maintenance during a start for services that run already.

use std::time::{Duration, Instant};

use pipulate_core::answer::Note;
use pipulate_core::service::ServiceName;
use pipulate_process::{identity, table};
use pipulate_store::{capture, program};
use pipulate_supervisor::ownership::{Ownership, look_up};
use pipulate_supervisor::program::Program;

use crate::denial::Denial;
use crate::execute::Withdrawal;
use crate::plan;
use crate::project::Project;
use crate::reconcile::{Aim, Goal};
use crate::report::Outcome;

/// Timeout for a supervisor to hand over to another program.
const MAKES_WAY: Duration = Duration::from_secs(2);

impl Project {
    /// Trims old logs, and has supervisors that run another program than the home's ([`program::recall`])
    /// execute that one. No service is touched.
    ///
    /// # Errors
    /// The configuration can't be used, or the system lacks resources.
    pub fn look_after(&self, services: &[ServiceName], on_note: &mut dyn FnMut(Note)) -> Result<(), Denial> {
        // Nothing else removes logs of services that are no longer configured.
        if let Err(error) = capture::trim_unsupervised(&self.layout, self.config()?.logs) {
            on_note(Note::LogsUnread { error: error.into() });
        }
        let Some(path) = program::recall(&self.layout) else { return Ok(()) };
        let goal = |service: &ServiceName| {
            let mut goal = Goal::new(Aim::Upgrade);
            goal.deadline = Instant::now().checked_add(MAKES_WAY);
            (service.clone(), goal)
        };
        let (program, specs) = (Program::new(path), |_: &[ServiceName]| Vec::new());
        let executor = self.executor(&program, &specs, Withdrawal::default());
        let outcomes = executor.run(services.iter().map(goal).collect(), &mut |_| ())?;
        for (service, outcome) in outcomes {
            if matches!(outcome, Outcome::Up { fresh: true, .. }) {
                on_note(Note::Upgraded { service });
            }
        }
        Ok(())
    }

    /// Returns those of these services that are the embedded web app of another program than this one.
    pub fn other_apps(&self, services: &[ServiceName]) -> Vec<ServiceName> {
        let host = identity::host();
        let is_other_app = |service: &&ServiceName| {
            let (record, ownership) = look_up(&self.layout, service, &host);
            let is_supervised = matches!(ownership, Ownership::Supervised(_));
            let main = record.filter(|_| is_supervised).and_then(|record| record.main);
            main.is_some_and(|main| {
                let pid = main.identity.pid;
                plan::is_app(&table::arguments(pid)) && table::runs_another(pid, &self.exe)
            })
        };
        services.iter().filter(is_other_app).cloned().collect()
    }
}
