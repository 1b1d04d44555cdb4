//! The JupyterLab that runs in a project, and what its kernels are doing.

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

/// How long JupyterLab may take to say what its kernels do, before something is cut off.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// What JupyterLab's kernels are doing; `None` when it does not answer.
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
        let name = || format!("a {} kernel", kernel["name"].as_str().unwrap_or("notebook"));
        Some(KernelActivity {
            id: id.to_owned(),
            name: printable(&path(id).unwrap_or_else(name)),
            is_busy: kernel["execution_state"].as_str() == Some("busy"),
            last_activity: kernel["last_activity"].as_str().and_then(|time| time.parse().ok()),
        })
    };
    Some(kernels.as_array()?.iter().filter_map(activity).collect())
}

/// Returns the JupyterLab that runs in this project; `None` if none is found listening.
pub fn running(layout: &Layout) -> Option<Server> {
    let name = ServiceName::parse(ServiceName::JUPYTER).ok()?;
    server_of(layout, &record::read(layout, &name).ok()??)
}

/// The same for a record that was read already. Without a file of its own (another program that
/// was configured in JupyterLab's place), our token and the recorded page are all there is.
pub fn server_of(layout: &Layout, record: &Record) -> Option<Server> {
    let (address, pids) = query::listening(layout, record)?;
    Server::described(layout, address, pids).or_else(|| {
        let token = token::existing(&layout.jupyter_token()).ok()??;
        let base_url = record.page.as_deref()?.strip_suffix("lab")?.to_owned();
        Some(Server::undescribed(address, record.scheme, base_url, token))
    })
}
