//! Names of apps.

use pipulate_core::service::ServiceName;

/// The maximum length of a name; suffixes still fit into a service's name.
const MAX_LENGTH: usize = 40;

/// Converts a notebook's name to a service's: lower case, words joined by `-`. The names of the built-in
/// services get `-app`.
pub(crate) fn service_name(ascii_name: &str) -> Option<ServiceName> {
    let words = ascii_name.to_ascii_lowercase();
    let words = words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let joined: String = words.collect::<Vec<_>>().join("-").chars().take(MAX_LENGTH).collect();
    let name = match joined.trim_end_matches('-') {
        "" => "notebook".to_owned(),
        name if name.starts_with(|c: char| c.is_ascii_digit()) => format!("notebook-{name}"),
        name if ServiceName::BUILT_IN.contains(&name) || name == "supervisor" => format!("{name}-app"),
        name => name.to_owned(),
    };
    ServiceName::parse(&name).ok()
}

/// The file of a service's program: `sales-2026` gives `sales_2026_app.py`.
pub(crate) fn program_file(service: &ServiceName) -> String {
    let stem = service.as_str().replace('-', "_");
    let stem = stem.strip_suffix("_app").unwrap_or(&stem);
    format!("{stem}_app.py")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notebook_gets_a_name_that_a_service_and_a_file_may_have() {
        for (stem, service, file) in [
            ("analysis", "analysis", "analysis_app.py"),
            ("Sales 2026 (final)", "sales-2026-final", "sales_2026_final_app.py"),
            ("2026_report", "notebook-2026-report", "notebook_2026_report_app.py"),
            ("server", "server-app", "server_app.py"),
            ("Jupyter", "jupyter-app", "jupyter_app.py"),
            ("dashboard", "dashboard-app", "dashboard_app.py"),
            ("supervisor", "supervisor-app", "supervisor_app.py"),
            ("", "notebook", "notebook_app.py"),
            ("..", "notebook", "notebook_app.py"),
            (
                &"long ".repeat(40),
                "long-long-long-long-long-long-long-long",
                "long_long_long_long_long_long_long_long_app.py",
            ),
        ] {
            let name = service_name(stem).unwrap();
            assert_eq!((name.as_str(), program_file(&name).as_str()), (service, file), "{stem}");
        }
    }
}
