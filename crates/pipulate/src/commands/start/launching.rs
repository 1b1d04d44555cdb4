//! Starting services in waves, each after those that it needs, and what came of it.

use std::time::Instant;

use pipulate_core::config::Config;
use pipulate_core::service::ServiceName;
use pipulate_engine::plan;
use pipulate_engine::start::{Launch, Started};

use super::already_up;
use super::welcome::Welcome;
use crate::cli::Wait;
use crate::context::Context;
use crate::error::{Failure, FailureKind};
use crate::specs;
use crate::ui::progress::Progress;
use crate::ui::started;

/// What came of a start.
#[derive(Default)]
pub(crate) struct Launched {
    /// What is up, or begun where nobody waited.
    pub(crate) up: Vec<ServiceName>,
    /// What of it was not up before.
    pub(crate) fresh: Vec<ServiceName>,
    /// What a person should know about what is up.
    pub(crate) notes: Vec<String>,
    /// What is not up, and why; never [`Started::Up`].
    pub(crate) failed: Vec<(ServiceName, Started)>,
    pub(crate) unmet: Vec<Unmet>,
    /// What needs a service that is only late is begun all the same: its supervisor waits for that.
    hands_over: bool,
}

/// A service that was not tried, because one that it needs is not up.
pub(crate) struct Unmet {
    pub(crate) service: ServiceName,
    pub(crate) needed: ServiceName,
}

/// Starts the services wave by wave, each after those that it depends on; a failure keeps back only
/// those that need what failed.
pub(crate) fn launch_all(
    context: &Context,
    config: &Config,
    services: &[ServiceName],
    wait: Wait,
    mut welcome: Option<Welcome<'_>>,
) -> Result<Launched, Failure> {
    let deadline = match wait {
        Wait::No => None,
        Wait::AtMost(patience) => Instant::now().checked_add(patience),
    };
    let mut launched = Launched { hands_over: true, ..Launched::default() };
    let program = context.lasting_program();
    for wave in plan::waves(Some(config), services) {
        let wave = launched.without_unmet(config, wave);
        let specs = specs::for_start(context, config, &wave);
        let launch = Launch::begin(&context.layout, &program, &wave, &specs)?;
        // While the services start, there is time to look at numpy and to ask Ollama.
        let greeting = welcome.take().map(|welcome| welcome.say());
        if wait == Wait::No {
            drop(greeting);
            // What comes in a later wave waits for these by itself, and finds them begun.
            launched.take_begun(launch.wait_for_beginning()?);
            continue;
        }
        // Whoever waited long enough for one wave does not wait for the next, which waits by itself.
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            launched.take(launch.wait_for_beginning()?);
            continue;
        }
        // Ollama's words come in between: two can't move one line.
        let progress = greeting.is_none().then(|| Progress::new(&context.printer));
        if let Some(progress) = &progress {
            progress.now(format!("waiting for {}", names(&wave)));
        }
        let settled = launch.wait(deadline, |service, outcome| {
            let line = started::line(service, outcome, context.printer.stderr_style());
            match &progress {
                Some(progress) => progress.note(line),
                None => context.printer.note(line),
            }
        })?;
        drop(progress);
        if let Some(greeting) = greeting {
            greeting.finish();
        }
        launched.take(settled);
    }
    // What runs already goes on without what it was started after.
    let kept_back: Vec<ServiceName> = launched.unmet.iter().map(|unmet| unmet.service.clone()).collect();
    if !kept_back.is_empty() {
        let running = already_up(context, &kept_back);
        launched.unmet.retain(|unmet| !running.contains(&unmet.service));
        launched.up.extend(running);
    }
    Ok(launched)
}

impl Launched {
    pub(crate) fn take(&mut self, settled: Vec<(ServiceName, Started)>) {
        for (service, outcome) in settled {
            match outcome {
                Started::Up { record, fresh } => {
                    self.notes.extend(started::notes(&record));
                    self.fresh.extend(fresh.then(|| service.clone()));
                    self.up.push(service);
                }
                Started::Failed { .. } | Started::NotSupervised { .. } | Started::TimedOut => {
                    self.failed.push((service, outcome));
                }
            }
        }
    }

    /// The same where nobody waits: what is on its way counts as up.
    fn take_begun(&mut self, begun: Vec<(ServiceName, Started)>) {
        let (under_way, settled): (Vec<_>, Vec<_>) = begun
            .into_iter()
            .partition(|(_, outcome)| matches!(outcome, Started::TimedOut | Started::Up { .. }));
        self.up.extend(under_way.into_iter().map(|(service, _)| service));
        self.take(settled);
    }

    /// The services of a wave that have what they need.
    pub(crate) fn without_unmet(&mut self, config: &Config, wave: Vec<ServiceName>) -> Vec<ServiceName> {
        let mut ready = Vec::new();
        for service in wave {
            let needs = config.service(service.as_str()).map(|service| service.depends_on.as_slice());
            match needs.unwrap_or_default().iter().find(|needed| self.is_down(needed)) {
                Some(needed) => self.unmet.push(Unmet { needed: needed.clone(), service }),
                None => ready.push(service),
            }
        }
        ready
    }

    fn is_down(&self, needed: &ServiceName) -> bool {
        let is_down = |outcome: &Started| !(self.hands_over && *outcome == Started::TimedOut);
        self.failed.iter().any(|(failed, outcome)| failed == needed && is_down(outcome))
            || self.unmet.iter().any(|unmet| unmet.service == *needed)
    }

    /// What is true about those that are not up: some of them run.
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

    /// What is to be said of those that are not up, with their last lines; `None` if all are.
    pub(crate) fn failure(&self, context: &Context) -> Option<Failure> {
        if self.failed.is_empty() {
            return None;
        }
        let mut talkative = None;
        for (service, outcome) in &self.failed {
            if started::show_last_lines(context, service, outcome) {
                talkative = talkative.or(Some(service));
            }
        }
        let services: Vec<ServiceName> = self.failed.iter().map(|(service, _)| service.clone()).collect();
        let timed_out = self.failed.iter().all(|(_, outcome)| *outcome == Started::TimedOut);
        let mut failure = match timed_out {
            true => Failure::new(FailureKind::TimedOut, format!("still starting: {}", names(&services)))
                .hint("look how it goes with: pipulate status"),
            false => Failure::failed(self.headline()),
        };
        for (service, outcome) in &self.failed {
            if let Some(why) = started::reason(service, outcome) {
                failure = failure.cause(why);
            }
        }
        for Unmet { service, needed } in &self.unmet {
            failure = failure.cause(format!("{service} was not started: it needs {needed}, which is not up"));
        }
        for (service, outcome) in &self.failed {
            failure =
                started::missing_module(context, service, outcome).into_iter().fold(failure, Failure::hint);
        }
        if let Some(service) = talkative {
            failure = failure.hint(format!("all that it printed: pipulate logs {service}"));
        }
        Some(if timed_out { failure } else { failure.hint("what else may be wrong: pipulate doctor") })
    }
}

fn names(services: &[ServiceName]) -> String {
    services.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(", ")
}
