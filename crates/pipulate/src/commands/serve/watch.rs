//! Waits for changes of the services and of their logs with kernel events.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use pipulate_core::identity::ProcessIdentity;
use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceName;
use pipulate_process::identity::{self, Verified};
use pipulate_process::poll::{self, Interest};
use pipulate_store::error::StoreError;
use pipulate_store::log::watch::{Wake, Watch};
use pipulate_store::record;
use pipulate_web::world::Watching;

use crate::commands::logs::{self, Scope};
use crate::context::Context;

/// Record writes, kernels that come and go, and process ends.
pub(super) struct RecordWatch {
    layout: Layout,
    folders: [Watch; 2],
    processes: Vec<Verified>,
}

impl RecordWatch {
    pub(super) fn new(layout: &Layout) -> Self {
        // JupyterLab keeps a file for each kernel in a folder of its own.
        let kernels = Layout::with_run(layout.root().clone(), layout.jupyter_runtime());
        let folders = [layout, &kernels].map(|layout| Watch::new(layout, &[]));
        let mut watch = Self { layout: layout.clone(), folders, processes: Vec::new() };
        watch.pin();
        watch
    }

    /// Watches supervisors and services: an unsupervised service ends without a record.
    fn pin(&mut self) {
        let host = identity::host();
        let records = record::services(&self.layout).unwrap_or_default().into_iter();
        let records = records.filter_map(|service| record::read(&self.layout, &service).ok()?);
        let named: Vec<ProcessIdentity> = records
            .flat_map(|record| record.supervisor.into_iter().chain(record.main.map(|main| main.identity)))
            .collect();
        // A supervisor releases its lock only after its last record, which does not name it:
        // its end is an event, too.
        self.processes.retain(Verified::lives);
        let is_pinned = |identity: &&ProcessIdentity| {
            self.processes.iter().any(|process| process.identity() == *identity)
        };
        let missing: Vec<&ProcessIdentity> = named.iter().filter(|identity| !is_pinned(identity)).collect();
        self.processes.extend(missing.into_iter().filter_map(|id| Verified::pin(id, &host).ok()?));
    }
}

impl Watching for RecordWatch {
    fn wait(&mut self, patience: Duration) -> bool {
        let folders = self.folders.iter().filter_map(Watch::descriptor);
        let processes = self.processes.iter().filter_map(Verified::descriptor);
        let is_news = wait_for(folders.chain(processes), patience);
        if is_news {
            for folder in &mut self.folders {
                // Every event leads to a check.
                let _wake = folder.rearm();
            }
            self.pin();
        }
        is_news
    }
}

/// The services' output.
pub(super) struct LogWatch {
    context: Context,
    services: Vec<ServiceName>,
    watch: Watch,
}

impl LogWatch {
    pub(super) fn new(context: &Context) -> Self {
        // Without the logs' folder there are none yet; the watch reports when it is created.
        let services = expected(context).unwrap_or_default();
        let watch = Watch::new(&context.project.layout, &services);
        Self { context: context.clone(), services, watch }
    }
}

impl Watching for LogWatch {
    fn wait(&mut self, patience: Duration) -> bool {
        let is_news = match self.watch.wait(None, None, Some(patience)) {
            Ok(wake) => wake != Wake::TimedOut,
            Err(_) => {
                std::thread::sleep(patience);
                true
            }
        };
        if is_news && expected(&self.context).is_ok_and(|services| services != self.services) {
            *self = Self::new(&self.context);
        }
        is_news
    }
}

fn expected(context: &Context) -> Result<Vec<ServiceName>, StoreError> {
    logs::services(&context.reread(), Scope::Expected)
}

/// Returns true if one of them became readable.
fn wait_for<'fd>(descriptors: impl Iterator<Item = BorrowedFd<'fd>>, patience: Duration) -> bool {
    let watched: Vec<_> = descriptors.map(|descriptor| (descriptor, Interest::Read)).collect();
    match poll::wait(&watched, Some(patience)) {
        Ok(ready) => ready.iter().any(|ready| ready.ready || ready.hung_up),
        // On an error, check again after a while.
        Err(_) => {
            std::thread::sleep(patience);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use pipulate_core::identity::Pid;
    use pipulate_core::project::AbsPath;
    use pipulate_core::state::ServiceState;
    use pipulate_store::record::Record;

    use super::*;

    /// Longer than any step here takes.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn record(layout: &Layout, supervisor: Option<ProcessIdentity>) -> Record {
        let state = ServiceState::Running;
        let first = Record::new(layout.born().clone(), ServiceName::parse("worker").unwrap());
        Record { supervisor, state, ..first }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a process that this test may end")]
    fn the_end_of_a_supervisor_is_news_although_its_last_record_does_not_name_it() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(folder.path().canonicalize().unwrap()).unwrap());
        std::fs::create_dir_all(layout.run()).unwrap();
        let mut supervisor = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::new(i32::try_from(supervisor.id()).unwrap()).unwrap();
        let identity = identity::identify(pid, &identity::host()).unwrap();
        record::write(&layout, &record(&layout, Some(identity))).unwrap();

        let mut watch = RecordWatch::new(&layout);
        record::write(&layout, &record(&layout, None)).unwrap();
        assert!(watch.wait(PATIENCE), "the last record");
        while watch.wait(Duration::ZERO) {}
        supervisor.kill().unwrap();
        assert!(watch.wait(PATIENCE), "its end");
        supervisor.wait().unwrap();
        assert!(!watch.wait(Duration::ZERO), "what has ended is told once");
    }
}
