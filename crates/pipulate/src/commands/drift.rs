//! Differences between the running services, the installed packages and the project's settings, each with the
//! command that updates it.

use pipulate_core::config::Config;
use pipulate_core::service::ServiceName;
use pipulate_store::config_drift;

use super::setup;
use crate::context::Context;

/// Warns of services that run with other settings than pipulate.toml has.
pub(crate) fn warn_of_config(context: &Context, config: &Config, services: &[ServiceName]) {
    for sentence in of_services(context, config, services) {
        context.printer.warning(sentence);
    }
}

/// All differences, a sentence each.
pub(crate) fn sentences(context: &Context, config: &Config) -> Vec<String> {
    let mut sentences = setup::drift_of_packages(context, config);
    sentences.extend(of_services(context, config, &context.project.services()));
    sentences
}

fn of_services(context: &Context, config: &Config, services: &[ServiceName]) -> Vec<String> {
    let drifts = config_drift::of(&context.project.layout, config, services);
    drifts.iter().map(|drift| pipulate_words::note(&drift.reason(), &drift.service)).collect()
}
