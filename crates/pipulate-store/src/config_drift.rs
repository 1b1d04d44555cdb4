//! Services that run with settings from before the last change of the configuration.

use crate::record;
use pipulate_core::config::Config;
use pipulate_core::layout::Layout;
use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;

/// A service whose configuration was changed after it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigDrift {
    pub service: ServiceName,
    /// The keys of its section in pipulate.toml.
    pub keys: Vec<String>,
}

impl ConfigDrift {
    /// Returns the drift as a reason to restart the service.
    pub fn reason(&self) -> Reason {
        Reason::SettingsChanged { keys: self.keys.clone() }
    }
}

/// Returns the running services among these whose settings changed since their start, according to their
/// records.
pub fn of(layout: &Layout, config: &Config, services: &[ServiceName]) -> Vec<ConfigDrift> {
    let drift = |service: &ServiceName| {
        let configured = config.service(service.as_str())?.fingerprint();
        let record = record::read(layout, service).ok()??;
        record.main.as_ref()?;
        let keys: Vec<String> =
            record.configured.changed(&configured).into_iter().map(str::to_owned).collect();
        (!keys.is_empty()).then(|| ConfigDrift { service: service.clone(), keys })
    };
    services.iter().filter_map(drift).collect()
}
