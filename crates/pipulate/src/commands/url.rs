//! `url`: the addresses of running services, signed in.

use pipulate_core::service::ServiceName;

use crate::cli::UrlSettings;
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::links;

/// Prints the address of one service, or of each that has one.
pub(crate) fn url(context: &Context, settings: UrlSettings) -> Result<ExitStatus, Failure> {
    let known = context.known_services()?;
    if let Some(service) = settings.service {
        context.refuse_unknown(std::slice::from_ref(&service), &known)?;
        let link = links::link(context, &service)?.ok_or_else(|| not_running(context, &service))?;
        context.printer.data(link.for_people())?;
        return Ok(ExitStatus::Success);
    }
    let mut found = false;
    for service in &known {
        if let Some(link) = links::link(context, service)? {
            found = true;
            context.printer.data(format!("{service} {}", link.for_people()))?;
        }
    }
    if found {
        return Ok(ExitStatus::Success);
    }
    Err(Failure::failed("nothing is running here that has a page")
        .hint(format!("start it with: {}", context.typed("start"))))
}

fn not_running(context: &Context, service: &ServiceName) -> Failure {
    Failure::failed(format!("{service} has no page now: it is not running, or has none"))
        .hint(format!("start it with: {} {service}", context.typed("start")))
}
