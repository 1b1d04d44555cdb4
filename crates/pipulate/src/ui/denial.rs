//! Denied requests in words: the denial, the reason, and the remedy.

use pipulate_core::fault::SystemErrorKind;
use pipulate_core::service::ServiceName;
use pipulate_core::work::Work;
use pipulate_engine::denial::{Denial, WhyUnknown};

use crate::error::{Failure, FailureKind};
use crate::ui::launched::Launched;

/// The failure for a denial.
pub(crate) fn failure(denial: Denial) -> Failure {
    match denial {
        Denial::Config { file, error } => {
            Failure::failed(format!("the configuration can't be used: {file}")).cause(error)
        }
        Denial::NothingToStart => Failure::failed("there is nothing to start: every service is disabled")
            .hint("set enabled = true in pipulate.toml, or name a service"),
        Denial::UnknownService { service, why, known } => unknown(&service, why, &known),
        Denial::MissingNeed { missing, dependants } => {
            let dependants = names(&dependants);
            Failure::failed(format!(
                "{missing} does not exist in this folder, and {dependants} depends on it"
            ))
            .hint("the dashboard exists only beside a server.py")
        }
        Denial::RunsElsewhere { service, run } => {
            Failure::failed(format!("{service} runs already, with its files in: {run}"))
                .hint(format!("stop it first: pipulate stop {service}"))
        }
        Denial::NotStartable { service, why } => {
            Failure::failed(format!("{service} can't be started as it is configured"))
                .cause(pipulate_words::reason(&why, &service))
        }
        Denial::WorkInProgress { work } => {
            Failure::failed(format!("{}; nothing was stopped", in_progress(&work)))
        }
        Denial::KernelsKept { notebooks } => Failure::failed(format!(
            "nothing was restarted: the variables of {} were to be kept",
            notebooks.join(", ")
        )),
        Denial::NeedsDown { outcomes } => {
            let needs = Launched::of(outcomes);
            needs_down(needs.failure(needs.with_a_log(), &[]))
        }
        Denial::UnknownState { why } => {
            let failure = Failure::failed("could not tell what is running; nothing was restarted");
            why.iter().map(pipulate_words::doubt).fold(failure, Failure::cause)
        }
        Denial::NoHome { error } => {
            // A refusal says itself what to do.
            let is_forbidden = error.kind() == SystemErrorKind::NotPermitted;
            let advice = "a home needs a folder that you may write to; make one of your own and go there";
            let failure = Failure::of_fault(&error);
            if is_forbidden { failure.hint(advice) } else { failure }
        }
        Denial::NoRoom { error } => as_it_was(Failure::of_fault(&error)),
        Denial::Store { error } | Denial::Launch { error } => Failure::of_fault(&error),
    }
}

/// The failure of a restart that skips services because a dependency is not running.
pub(crate) fn needs_down(failure: Option<Failure>) -> Failure {
    as_it_was(failure.unwrap_or_else(|| Failure::failed("a service that it depends on is not running")))
}

fn as_it_was(failure: Failure) -> Failure {
    failure.hint("running services were not changed")
}

fn unknown(service: &ServiceName, why: WhyUnknown, known: &[ServiceName]) -> Failure {
    let why = match why {
        WhyUnknown::Disabled => format!("{service} is switched off: pipulate.toml says enabled = false"),
        WhyUnknown::OnlyBesideServerPy => {
            format!("there is no {service} where there is no server.py: `server` is that page here")
        }
        WhyUnknown::NoSuchService => format!("there is no such service: {service}"),
    };
    let failure = Failure::new(FailureKind::Usage, why);
    if known.is_empty() { failure } else { failure.hint(format!("the services are: {}", names(known))) }
}

/// The work in progress in JupyterLab.
pub(crate) fn in_progress(work: &[Work]) -> String {
    let work: Vec<String> = work.iter().map(pipulate_words::work).collect();
    format!("work is in progress in JupyterLab: {}", work.join("; "))
}

/// The failure for services that were not stopped because of work in progress, with the command that
/// overrides it. `asked` are the named services.
pub(crate) fn not_stopped(work: &[Work], verb: &str, asked: &[ServiceName]) -> Failure {
    let command = command(verb, asked);
    let failure = Failure::failed(format!("{}; nothing was stopped", in_progress(work)));
    let anyway = format!("wait until it is done, or {verb} anyway with: pipulate {command}");
    match verb {
        "stop" => failure
            .hint(format!("{anyway} --yes"))
            .hint(format!("to end it at once instead: pipulate {command} --force")),
        _ => failure.hint(format!("{anyway} --force (--yes means the same here)")),
    }
}

/// A verb and the services that were named with it.
pub(crate) fn command(verb: &str, asked: &[ServiceName]) -> String {
    std::iter::once(verb).chain(asked.iter().map(ServiceName::as_str)).collect::<Vec<_>>().join(" ")
}

fn names(services: &[ServiceName]) -> String {
    services.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(", ")
}
