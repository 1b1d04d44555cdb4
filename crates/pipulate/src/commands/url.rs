//! `url`: the addresses of running services, signed in.

use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;

use crate::call::UrlSettings;
use crate::commands::status;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::links;

/// Prints the address of one service, or of each that has one.
pub(crate) fn url(context: &Context, settings: UrlSettings) -> Result<ExitStatus, Failure> {
    let known = context.known_services()?;
    if let Some(service) = settings.service {
        context.refuse_unknown(std::slice::from_ref(&service), &known)?;
        let link = links::link(context, &service)?.ok_or_else(|| no_page(context, &service))?;
        warn_of_silence(context, std::slice::from_ref(&service));
        context.printer.data(link.for_people())?;
        return Ok(ExitStatus::Success);
    }
    let mut found = Vec::new();
    for service in &known {
        if let Some(link) = links::link(context, service)? {
            context.printer.data(format!("{service} {}", link.for_people()))?;
            found.push(service.clone());
        }
    }
    warn_of_silence(context, &found);
    if !found.is_empty() {
        return Ok(ExitStatus::Success);
    }
    Err(Failure::failed("nothing is running here that has a page")
        .hint(format!("start it with: {}", context.typed("start"))))
}

/// Warns of correct addresses whose service is not responding.
fn warn_of_silence(context: &Context, services: &[ServiceName]) {
    let status = status::project_status(context);
    for service in services.iter().filter_map(|name| status.service(name.as_str())) {
        if service.state == ServiceState::Degraded {
            let why = pipulate_words::reasons(&service.reasons, &service.name);
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            context.printer.warning(format!("{} is {}{why}", service.name, service.state));
        }
    }
}

/// The reason why a service has no address.
pub(crate) fn no_page(context: &Context, service: &ServiceName) -> Failure {
    let status = status::glance(context);
    match status.service(service.as_str()).filter(|service| service.live.is_some()) {
        None => Failure::failed(format!("{service} has no page now: it is not running"))
            .hint(format!("start it with: {} {service}", context.typed("start"))),
        Some(found) if found.state.is_well() => {
            Failure::failed(format!("{service} has no page: it runs, but not for browsers")).hint(format!(
                "if it does, let pipulate.toml say so: [services.{service}] ready = {{ http = \"/\" }}"
            ))
        }
        Some(found) => Failure::failed(format!("{service} has no page yet: it is {}", found.state))
            .hint("check on it with: pipulate status"),
    }
}
