//! `open`: opens a service's page in the browser; starts the service if needed.

use pipulate_core::service::ServiceName;

use pipulate_engine::request::Wait;

use crate::call::{OpenSettings, StartSettings};
use crate::commands::start::{self, pages};
use crate::commands::{status, url};
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::links;

/// Long enough for the first start of JupyterLab.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(90);

/// Opens one page, or those that the configuration opens. If that fails, prints the addresses.
pub(crate) fn open(context: &Context, settings: OpenSettings) -> Result<ExitStatus, Failure> {
    let services: Vec<ServiceName> = match settings.service {
        Some(service) => vec![service],
        None => {
            let known = context.known_services()?;
            context.config()?.browser.iter().filter(|name| known.contains(name)).cloned().collect()
        }
    };
    let status = status::project_status(context);
    let is_up = |name: &&ServiceName| {
        let found = status.service(name.as_str());
        found.is_some_and(|service| service.live.is_some() && service.state.is_well())
    };
    let (awake, asleep): (Vec<&ServiceName>, Vec<&ServiceName>) = services.iter().partition(is_up);
    if !asleep.is_empty() {
        let settings = StartSettings {
            services: asleep.into_iter().cloned().collect(),
            browser: false,
            wait: Wait::AtMost(PATIENCE),
            foreground: false,
            dry_run: false,
            setup: true,
        };
        start::start(context, settings)?;
    }
    for service in &services {
        if links::link(context, service)?.is_none() {
            return Err(url::no_page(context, service));
        }
    }
    if !pages::open(context, services.iter()) {
        // Starting them has printed the others.
        start::print_links(context, awake.into_iter())?;
    }
    Ok(ExitStatus::Success)
}
