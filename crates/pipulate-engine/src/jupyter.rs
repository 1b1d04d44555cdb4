//! The running JupyterLab of a project, and the activity of its kernels.

mod server;

use std::time::Duration;

use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use pipulate_core::status::KernelActivity;
use pipulate_core::text::printable;
use pipulate_store::record::{self, Record};
use pipulate_store::token;

use crate::query;
pub use server::Server;

/// Timeout for JupyterLab's answer about its kernels before something is cut off.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Returns the activity of JupyterLab's kernels; `None` if it does not answer.
pub fn kernel_activity(layout: &Layout, patience: Duration) -> Option<Vec<KernelActivity>> {
    let server = running(layout)?;
    let kernels = server.get("api/kernels", patience)?;
    let sessions = server.get("api/sessions", patience).unwrap_or_default();
    let path = |id: &str| {
        let session =
            sessions.as_array()?.iter().find(|session| session["kernel"]["id"].as_str() == Some(id))?;
        session["path"].as_str().map(str::to_owned)
    };
    let activity = |kernel: &serde_json::Value| {
        let id = kernel["id"].as_str()?;
        let name = || format!("an unnamed notebook ({})", kernel["name"].as_str().unwrap_or("kernel"));
        Some(KernelActivity {
            id: id.to_owned(),
            name: printable(&path(id).unwrap_or_else(name)),
            is_busy: kernel["execution_state"].as_str() == Some("busy"),
            last_activity: kernel["last_activity"].as_str().and_then(|time| time.parse().ok()),
        })
    };
    Some(kernels.as_array()?.iter().filter_map(activity).collect())
}

/// Returns the running JupyterLab of this project; `None` if none is found listening.
pub fn running(layout: &Layout) -> Option<Server> {
    let name = ServiceName::parse(ServiceName::JUPYTER).ok()?;
    server_of(layout, &record::read(layout, &name).ok()??)
}

/// Returns the running JupyterLab for a record. Without a server file (another program is configured in
/// JupyterLab's place), uses our token and the recorded page.
pub fn server_of(layout: &Layout, record: &Record) -> Option<Server> {
    let (address, pids) = query::listening(layout, record)?;
    Server::described(layout, address, pids).or_else(|| {
        let token = token::existing(&layout.jupyter_token()).ok()??;
        let base_url = record.page.as_deref()?.strip_suffix("lab")?.to_owned();
        Some(Server::undescribed(address, record.scheme, base_url, token))
    })
}
