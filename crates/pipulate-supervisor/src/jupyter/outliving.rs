//! Kernels that outlive a crash of their JupyterLab.
//!
//! `jupyter_client` tells a kernel the pid of its JupyterLab, and ipykernel 7 ends itself about a second
//! after that process died, with all that it held. Upstream's switch against it, `independent`, is not
//! configurable, so a configuration file of ours turns it on; see docs/adr/0027.

use std::ffi::{OsStr, OsString};

use pipulate_core::layout::Layout;
use pipulate_store::error::StoreError;
use pipulate_store::files;

/// Where JupyterLab looks for configuration before it looks in the user's own folders.
pub(crate) const VARIABLE: &str = "JUPYTER_CONFIG_PATH";

const CONFIG: &str = include_str!("outliving.py");

/// What [`VARIABLE`] is for JupyterLab; `inherited` is what it would be without us.
pub(crate) fn config_path(layout: &Layout, inherited: Option<&OsStr>) -> OsString {
    let mut path = layout.jupyter_config().as_os_str().to_owned();
    if let Some(inherited) = inherited.filter(|inherited| !inherited.is_empty()) {
        path.push(":");
        path.push(inherited);
    }
    path
}

/// Writes the configuration file, which is the program's own, whatever was there.
///
/// # Errors
/// The folder is missing or not writable.
pub(crate) fn write(layout: &Layout) -> Result<(), StoreError> {
    files::write_private(&layout.jupyter_config().at("jupyter_server_config.py"), CONFIG.as_bytes())
}
