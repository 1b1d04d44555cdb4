//! Our configuration file for each JupyterLab: kernels outlive it, use private sockets, and have no debugger.
//!
//! `jupyter_client` passes the pid of its JupyterLab to a kernel, and ipykernel 7 exits about a second after
//! that process died, with all its variables. Upstream's switch against that, `independent`, is not
//! configurable; see docs/adr/0027. Sockets could be configured, but not so that the user's own configuration
//! takes precedence, and not for some kernels only; see docs/adr/0032.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use pipulate_core::layout::Layout;
use pipulate_store::error::StoreError;
use pipulate_store::files;

/// The variable with JupyterLab's first configuration path, before the user's own folders.
pub(crate) const VARIABLE: &str = "JUPYTER_CONFIG_PATH";

/// The second part is about other users of the machine; see docs/adr/0031.
const CONFIG: &str =
    concat!(include_str!("jupyter_settings/settings.py"), include_str!("jupyter_settings/peers.py"));
const KERNEL: &str = include_str!("jupyter_settings/kernel.py");
/// Names the users whose programs may connect to JupyterLab, separated by commas.
pub(crate) const WEB_USERS: &str = "PIPULATE_WEB_USERS";
/// The line that names the folder for sockets.
const NO_SOCKETS: &str = "\nSOCKETS = None\n";

/// Returns the value of [`VARIABLE`] for JupyterLab; `inherited` is its value without us.
pub(crate) fn config_path(layout: &Layout, inherited: Option<&OsStr>) -> OsString {
    let mut path = layout.jupyter_config().as_os_str().to_owned();
    if let Some(inherited) = inherited.filter(|inherited| !inherited.is_empty()) {
        path.push(":");
        path.push(inherited);
    }
    path
}

/// Writes the configuration file and the Python module through which it starts kernels. Without a folder for
/// their sockets, kernels use TCP.
///
/// # Errors
/// The folder is missing or not writable.
pub(crate) fn write(layout: &Layout, sockets: Option<&Path>) -> Result<(), StoreError> {
    let file = |name: &str| layout.jupyter_config().at(name);
    files::write_private(&file("pipulate_kernel.py"), KERNEL.as_bytes())?;
    files::write_private(&file("jupyter_server_config.py"), text(sockets).as_bytes())
}

fn text(sockets: Option<&Path>) -> String {
    match sockets.and_then(Path::to_str) {
        // A JSON string is also a Python string.
        Some(folder) => {
            CONFIG.replacen(NO_SOCKETS, &format!("\nSOCKETS = {}\n", serde_json::json!(folder)), 1)
        }
        None => CONFIG.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_the_folder_for_sockets() {
        assert!(CONFIG.contains(NO_SOCKETS));
        let named = text(Some(Path::new("/p/é \"quoted\"")));
        assert!(named.contains("\nSOCKETS = \"/p/é \\\"quoted\\\"\"\n") && !named.contains(NO_SOCKETS));
    }
}
