//! What runs, or is installed, and is not as the project asks for by now: each with the command that changes it.

use pipulate_core::config::Config;
use pipulate_core::service::ServiceName;
use pipulate_engine::config_drift::{self, ConfigDrift};

use crate::context::Context;

/// Says which of these services run with other settings than pipulate.toml has.
pub(crate) fn warn_of_config(context: &Context, config: &Config, services: &[ServiceName]) {
    for ConfigDrift { service, keys } in config_drift::of(&context.layout, config, services) {
        context.printer.warning(format!(
            "{service} is running with other settings than pipulate.toml has now ({}); to apply them: pipulate \
             restart {service}",
            keys.join(", ")
        ));
    }
}
