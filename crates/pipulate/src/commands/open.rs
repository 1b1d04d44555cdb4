//! `open`: a service's page in the browser; the service is started if needed.

use pipulate_core::service::ServiceName;

use crate::cli::{OpenSettings, StartSettings, Wait};
use crate::commands::start::{self, pages};
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::links;

/// Long enough for a first JupyterLab.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(90);

/// Opens one page, or those that the configuration opens.
pub(crate) fn open(context: &Context, settings: OpenSettings) -> Result<ExitStatus, Failure> {
    let services: Vec<ServiceName> = match settings.service {
        Some(service) => vec![service],
        None => context.config()?.browser.clone(),
    };
    let mut asleep = Vec::new();
    for service in &services {
        if links::link(context, service)?.is_none() {
            asleep.push(service.clone());
        }
    }
    if !asleep.is_empty() {
        let settings = StartSettings {
            services: asleep,
            browser: false,
            wait: Wait::AtMost(PATIENCE),
            foreground: false,
            dry_run: false,
            setup: true,
        };
        start::start(context, settings)?;
    }
    pages::open(context, services.iter());
    Ok(ExitStatus::Success)
}
