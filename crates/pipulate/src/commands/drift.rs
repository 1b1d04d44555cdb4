//! Differences between the running services, the installed packages and the project's settings, each with the
//! command that updates it.

use pipulate_core::answer::Alert;
use pipulate_core::config::Config;
use pipulate_core::service::ServiceName;
use pipulate_store::config_drift::{self, ConfigDrift};

use super::setup;
use crate::context::Context;

/// Warns of services that run with other settings than pipulate.toml has.
pub(crate) fn warn_of_config(context: &Context, config: &Config, services: &[ServiceName]) {
    for alert in of_services(context, config, services) {
        context.printer.warning(pipulate_words::alert(&alert));
    }
}

/// All differences.
pub(crate) fn alerts(context: &Context, config: &Config) -> Vec<Alert> {
    let packages = setup::drift_of_packages(context, config).into_iter();
    let packages = packages.map(|difference| Alert::PackagesDiffer { difference });
    packages.chain(of_services(context, config, &context.project.services())).collect()
}

fn of_services(context: &Context, config: &Config, services: &[ServiceName]) -> Vec<Alert> {
    let drifts = config_drift::of(&context.project.layout, config, services).into_iter();
    drifts.map(|ConfigDrift { service, keys }| Alert::SettingsDiffer { service, keys }).collect()
}
