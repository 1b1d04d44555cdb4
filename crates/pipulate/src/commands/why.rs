//! `why`: asks the local LLM why a service stopped. Its answer is marked as the model's.

use jiff::Timestamp;
use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_core::status::{ProjectStatus, ServiceStatus};
use pipulate_engine::query;
use pipulate_ollama::why::{Incident, question};
use pipulate_store::error::StoreError;
use pipulate_store::log::excerpt;
use pipulate_store::log::mask::Masker;
use pipulate_store::log::read::Start;
use pipulate_store::log::time_index::When;

use crate::call::WhySettings;
use crate::commands::{chat, status};
use crate::context::Context;
use crate::error::{Failure, FailureKind};
use crate::exit_code::ExitStatus;
use crate::llm_session::LlmSession;
use crate::ui::status_table;

/// The number of last lines for the model.
const LAST_LINES: u64 = 60;
/// The number of lines shown without a model.
const SHOWN_LINES: usize = 20;

/// Asks about one service.
pub(crate) fn why(context: &Context, settings: WhySettings) -> Result<ExitStatus, Failure> {
    if let Some(asked) = &settings.service {
        context.refuse_unknown(std::slice::from_ref(asked), &context.known_services()?)?;
    }
    let status = status::project_status(context);
    let Some(service) = subject(&status, settings.service.as_ref()) else {
        context.printer.note("Nothing is failing. To ask anyway: pipulate why SERVICE");
        return Ok(ExitStatus::Success);
    };
    let incident = incident(context, service, &context.masker())?;
    let session = match LlmSession::find(context, settings.model.as_deref()) {
        Ok(session) => session,
        Err(failure) if settings.model.is_none() && failure.kind == FailureKind::Failed => {
            return without_a_model(context, service, &incident, failure);
        }
        Err(failure) => return Err(failure),
    };
    context.printer.note(format!(
        "{} about {} ({}); it may be wrong:",
        session.model(),
        service.name,
        incident.state
    ));
    let request = question(session.model(), session.thinks(), &incident);
    if chat::print_answer(context, &session, &request)?.is_cut_off {
        context.printer.warning("the answer was cut off: it grew longer than a few sentences");
        context.printer.hint("ask again, or another model: pipulate why -m MODEL");
    }
    Ok(ExitStatus::Success)
}

/// Prints the known facts about a service: how it ended, its last lines, and the meaning of their error.
fn without_a_model(
    context: &Context,
    service: &ServiceStatus,
    incident: &Incident,
    no_model: Failure,
) -> Result<ExitStatus, Failure> {
    let name = &service.name;
    let printer = &context.printer;
    printer.data(format!("{name} is {}", incident.state))?;
    let lines = incident.log.len().saturating_sub(SHOWN_LINES);
    if let [_, ..] = &incident.log[lines..] {
        printer.data(format!("The last lines of {name}:"))?;
    }
    for line in &incident.log[lines..] {
        printer.data(format!("  {line}"))?;
    }
    let error =
        query::last_error(&context.project.layout, service).filter(|error| !service.reasons.contains(error));
    if let Some(error) = error {
        printer.data(format!("{name}: {}", pipulate_words::reason(&error, name)))?;
    }
    printer.sentence(format!("No local LLM was asked: {}", no_model.in_one_line()));
    printer.hint(format!("more of what it printed: pipulate logs {name}"));
    Ok(ExitStatus::Success)
}

/// The facts about a service for a model.
///
/// # Errors
/// Its log can't be read.
pub(crate) fn incident(
    context: &Context,
    service: &ServiceStatus,
    masker: &Masker,
) -> Result<Incident, StoreError> {
    let start = excerpt::telling(service.state, LAST_LINES, Start::Since(When::LastStart));
    let count = usize::try_from(LAST_LINES).unwrap_or(usize::MAX);
    let log = excerpt::last_lines(&context.project.layout, &service.name, start, count, masker)?;
    let state = match status_table::reason(service, Timestamp::now()) {
        Some(reason) => format!("{}: {reason}", service.state),
        None => service.state.to_string(),
    };
    Ok(Incident { service: service.name.clone(), state, log })
}

/// The named service, else the unhealthy one in the worst state.
fn subject<'a>(status: &'a ProjectStatus, asked: Option<&ServiceName>) -> Option<&'a ServiceStatus> {
    match asked {
        Some(name) => status.service(name.as_str()),
        None => {
            let in_trouble = |service: &&ServiceStatus| service.state.is_in_trouble();
            let worst =
                ServiceState::worst(status.services.iter().filter(in_trouble).map(|service| service.state));
            status.services.iter().filter(in_trouble).find(|service| service.state == worst)
        }
    }
}
