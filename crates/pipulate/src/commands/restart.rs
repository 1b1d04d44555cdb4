//! `restart`: stop and start, carried out by the services' own supervisors, so that it is completed even when
//! it was typed inside the service that it ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pipulate_core::answer::Line;
use pipulate_core::service::ServiceName;
use pipulate_engine::act::Idle;
use pipulate_engine::answer;
use pipulate_engine::report::Outcome;
use pipulate_engine::request::{Desired, Request, Wait};
use signal_hook::consts::SIGINT;

use crate::call::RestartSettings;
use crate::commands::audience::{Asker, Underway};
use crate::commands::{drift, last_lines, setup};
use crate::context::{Context, program};
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::interrupt;
use crate::ui::launched::{self, Launched};

/// The timeout of a restart.
const PATIENCE: Duration = Duration::from_secs(90);

/// Restarts services without affecting others. Named services that don't run are started.
pub(crate) fn restart(context: &Context, settings: RestartSettings) -> Result<ExitStatus, Failure> {
    let underway = listen_to_ctrl_c(context)?;
    interrupt::outlives_its_terminal()?;
    context.confirm_guess()?;
    program::remember(context);
    let request = Request {
        consent: settings.yes,
        ..Request::new(Desired::Restarted, settings.services, Wait::AtMost(PATIENCE))
    };
    let mut asker = Asker::new(context, "restart", &request.services);
    asker.meanwhile = Some("restarting");
    asker.underway = underway;
    let done = context.project.act(&request, &mut asker).map_err(|denial| asker.failure(denial))?;
    drop(asker);
    if done.idle.is_none() {
        let config = context.config()?;
        setup::warn_of_drift(context, config);
        let is_other = |name: &ServiceName| done.outcomes.iter().all(|(service, _)| service != name);
        let others: Vec<ServiceName> = context.project.services().into_iter().filter(is_other).collect();
        drift::warn_of_config(context, config, &others);
    }
    match done.idle {
        None => report(context, &Launched::of(done.outcomes), &done.ended_kernels),
        Some(Idle::NothingRuns) => {
            context.printer.note("Nothing was restarted: nothing is running");
            context.printer.hint(format!("start it with: {}", context.typed("start")));
            Ok(ExitStatus::Success)
        }
        // The skipped services have been named.
        Some(Idle::LeftAlone | Idle::AllUp) => Ok(ExitStatus::Success),
    }
}

fn listen_to_ctrl_c(context: &Context) -> Result<Arc<Mutex<Underway>>, Failure> {
    let underway = Arc::<Mutex<Underway>>::default();
    let (context, seen) = (context.clone(), Arc::clone(&underway));
    interrupt::ends_with_130_after(&[SIGINT], move || {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        context.printer.clear_line();
        context.printer.note(what_goes_on(&seen));
        if !seen.chosen.is_empty() {
            context.printer.hint("check on them with: pipulate status");
        }
    })?;
    Ok(underway)
}

/// The message after Ctrl-C: supervisors complete their requests; services still waiting for
/// their turn keep running.
fn what_goes_on(Underway { chosen, begun, up, failed }: &Underway) -> String {
    let of = |is_meant: &dyn Fn(&&ServiceName) -> bool| -> Vec<&str> {
        chosen.iter().filter(is_meant).map(ServiceName::as_str).collect()
    };
    let is_settled = |service: &ServiceName| up.contains(service) || failed.contains(service);
    let groups = [
        ("restarted", of(&|service| up.contains(service))),
        ("failed", of(&|service| failed.contains(service))),
        ("still restarting", of(&|service| begun.contains(service) && !is_settled(service))),
        ("not restarted", of(&|service| !begun.contains(service) && !is_settled(service))),
    ];
    let said = groups.iter().filter(|(_, services)| !services.is_empty());
    let said: Vec<String> =
        said.map(|(what, services)| format!("; {what}: {}", services.join(", "))).collect();
    format!("Interrupted{}", said.concat())
}

fn report(context: &Context, restarted: &Launched, kernels: &[String]) -> Result<ExitStatus, Failure> {
    let up = restarted.up.iter();
    let text = |line| pipulate_words::line(&line, &|_, text| text);
    let printed = up.map(|service| context.printer.data(text(Line::Restarted { service: service.clone() })));
    // Failures are reported even if stdout's reader is gone.
    let printed = printed.collect::<Result<(), Failure>>();
    for line in answer::of_kernels(kernels) {
        context.printer.note(text(line));
    }
    for (service, note) in &restarted.notes {
        context.printer.warning(pipulate_words::note(note, service));
    }
    last_lines::show(context, &restarted.failed);
    let missing = last_lines::missing_modules(context, &restarted.failed);
    for failure in launched::not_back(restarted, &missing) {
        context.printer.failure(&failure);
    }
    let is_late = |outcome: &Outcome| *outcome == Outcome::TimedOut;
    match restarted.failed.iter().all(|(_, outcome)| is_late(outcome)) {
        true if restarted.failed.is_empty() => printed.map(|()| ExitStatus::Success),
        true => Ok(ExitStatus::TimedOut),
        false => Ok(ExitStatus::Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_restart_says_what_goes_on_and_what_was_not_begun() {
        let names =
            |text: &str| text.split_whitespace().map(|name| ServiceName::parse(name).unwrap()).collect();
        let seen = |chosen, begun, up| {
            let failed = names("worker");
            what_goes_on(&Underway { chosen: names(chosen), begun: names(begun), up: names(up), failed })
        };
        assert_eq!(seen("", "", ""), "Interrupted");
        assert_eq!(seen("db web", "", ""), "Interrupted; not restarted: db, web");
        assert_eq!(
            seen("db cache worker web", "db cache worker", "db"),
            "Interrupted; restarted: db; failed: worker; still restarting: cache; not restarted: web"
        );
    }
}
