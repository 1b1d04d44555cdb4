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
use pipulate_store::{files, sockets};

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
    files::keep_private(&file("pipulate_kernel.py"), KERNEL.as_bytes())?;
    files::keep_private(&file("jupyter_server_config.py"), text(sockets).as_bytes())
}

/// Writes them for a home that has none yet, before any service starts: a web app that reloads itself on changes
/// to Python files (`uvicorn --reload`) would restart when JupyterLab's supervisor writes them.
pub(crate) fn write_first(layout: &Layout) -> Result<(), StoreError> {
    let is_there = layout.jupyter_config().at("jupyter_server_config.py").exists();
    if is_there { Ok(()) } else { write(layout, sockets::ensure(layout).as_deref()) }
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
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use crate::project::samples;

    #[test]
    fn the_files_are_there_before_services_start_and_are_saved_only_if_they_differ() {
        let sample = samples::project("");
        let layout = sample.project.make_home(&mut |_| ()).unwrap().layout;
        let file = layout.jupyter_config().at("jupyter_server_config.py");
        let inode = || fs::metadata(&file).unwrap().ino();
        let first = inode();
        write(&layout, sockets::ensure(&layout).as_deref()).unwrap();
        assert_eq!(inode(), first, "the same text is not written again");

        for spoil in [
            |file: &Path| fs::write(file, "# other\n"),
            |file: &Path| fs::set_permissions(file, Permissions::from_mode(0o644)),
        ] {
            spoil(&file).unwrap();
            write(&layout, sockets::ensure(&layout).as_deref()).unwrap();
            let is_private = fs::metadata(&file).unwrap().mode() & 0o077 == 0;
            assert!(is_private && fs::read_to_string(&file).unwrap().contains("SOCKETS = "));
        }

        let without = samples::project("[services.jupyter]\nenabled = false\n");
        let layout = without.project.make_home(&mut |_| ()).unwrap().layout;
        assert!(!layout.jupyter_config().at("jupyter_server_config.py").exists());
    }

    #[test]
    fn the_file_names_the_folder_for_sockets() {
        assert!(CONFIG.contains(NO_SOCKETS));
        let named = text(Some(Path::new("/p/é \"quoted\"")));
        assert!(named.contains("\nSOCKETS = \"/p/é \\\"quoted\\\"\"\n") && !named.contains(NO_SOCKETS));
    }
}
