//! A home and a service to test parts with.

use std::collections::BTreeMap;

use pipulate_core::layout::Layout;
use pipulate_core::project::AbsPath;
use pipulate_core::service::{LogLimits, Readiness, RestartPolicy, ServiceName, ServiceSpec, StopSpec};
use pipulate_store::home;

/// Returns the layout of an empty home in a folder of its own.
pub(crate) fn home() -> (tempfile::TempDir, Layout) {
    let folder = tempfile::tempdir().unwrap();
    let root = AbsPath::new(folder.path().canonicalize().unwrap()).unwrap();
    let layout = home::ensure(&Layout::new(root)).unwrap();
    (folder, layout)
}

/// Returns a service's name.
pub(crate) fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).unwrap()
}

/// Returns a service named `worker` that runs in the home's folder.
pub(crate) fn spec(layout: &Layout) -> ServiceSpec {
    ServiceSpec {
        name: name("worker"),
        command: Vec::new(),
        directory: layout.root().clone(),
        env: BTreeMap::new(),
        env_removed: Vec::new(),
        port: None,
        needs: Vec::new(),
        ready: Readiness::Exec,
        restart: RestartPolicy::Never,
        stop: StopSpec::default(),
        page: None,
        token: None,
        jupyter_runtime: None,
        log_limits: LogLimits { max_size: 4096, keep: 1 },
        watch: None,
    }
}
