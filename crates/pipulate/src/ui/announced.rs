//! Announcements in the words of the original scripts: "Starting JupyterLab and server...".

use pipulate_core::service::ServiceName;

/// The line when services are being started.
pub(crate) fn starting(services: &[ServiceName]) -> String {
    format!("Starting {}...", listed(services.iter().map(title)))
}

/// The line when services are being restarted.
pub(crate) fn restarting(services: &[ServiceName]) -> String {
    format!("Restarting {}...", listed(services.iter().map(title)))
}

/// The line when services are being stopped, and the kernels of JupyterLab with it.
pub(crate) fn stopping(services: &[ServiceName], with_kernels: bool) -> String {
    let mut names: Vec<&str> = services.iter().map(title).collect();
    if let Some(jupyter) = services.iter().position(is_jupyter).filter(|_| with_kernels) {
        names.insert(jupyter + 1, "Jupyter kernels");
    }
    format!("Stopping {}...", listed(names.into_iter()))
}

/// The name of a service in a sentence.
pub(crate) fn title(service: &ServiceName) -> &str {
    if is_jupyter(service) { "JupyterLab" } else { service.as_str() }
}

fn is_jupyter(service: &ServiceName) -> bool {
    service.as_str() == ServiceName::JUPYTER
}

/// "a", "a and b", "a, b, and c".
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.as_slice() {
        [first, second] => format!("{first} and {second}"),
        [others @ .., last] if !others.is_empty() => format!("{}, and {last}", others.join(", ")),
        names => names.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_original_scripts_are_said() {
        let names = |names: &[&str]| -> Vec<ServiceName> {
            names.iter().map(|name| ServiceName::parse(name).unwrap()).collect()
        };
        let both = names(&["jupyter", "server"]);
        assert_eq!(starting(&both), "Starting JupyterLab and server...");
        assert_eq!(stopping(&both, true), "Stopping JupyterLab, Jupyter kernels, and server...");
        assert_eq!(stopping(&both, false), "Stopping JupyterLab and server...");
        assert_eq!(stopping(&names(&["worker"]), true), "Stopping worker...");
        assert_eq!(starting(&names(&["a", "b", "c"])), "Starting a, b, and c...");
    }
}
