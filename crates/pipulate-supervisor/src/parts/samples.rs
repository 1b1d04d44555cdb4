//! A home and a service for tests of parts.

use std::path::Path;

use jiff::Timestamp;
use pipulate_core::identity::{Pid, ProcessIdentity};
use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::project::AbsPath;
use pipulate_core::reason::Reason;
use pipulate_core::service::{LogLimits, ServiceName, ServiceSpec};
use pipulate_process::identity;
use pipulate_process::table::{Entry, RunState};
use pipulate_store::home;
use pipulate_store::record::{MainProcess, Record};

use super::record_writer::RecordWriter;

/// The supervising program.
pub(crate) const PROGRAM: &str = "/bin/pipulate";

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
        log_limits: LogLimits { max_size: 4096, keep: 1 },
        ..ServiceSpec::bare(name("worker"), layout.root().clone())
    }
}

/// Returns a process named `worker`, which exists in the test only.
pub(crate) fn entry(pid: i32) -> Entry {
    Entry {
        pid: Pid::new(pid).unwrap(),
        name: "worker".to_owned(),
        state: RunState::Living,
        parent: 1,
        group: pid,
        session: pid,
        has_terminal: false,
        foreground_group: -1,
        cpu_seconds: 0.0,
        start: 1,
        memory_bytes: 0,
        threads: 1,
    }
}

/// Says nothing.
pub(crate) fn words(_: &[Reason], _: &ServiceName) -> Option<String> {
    None
}

/// Returns the record of a main process: this test's process.
pub(crate) fn main_process() -> MainProcess {
    let identity = identity::own(&identity::host()).unwrap();
    MainProcess { identity, run: RunId::from_random(9), started_at: Timestamp::now() }
}

/// Returns the first record of a service, with this supervisor.
pub(crate) fn record(layout: &Layout, spec: &ServiceSpec, supervisor: Option<ProcessIdentity>) -> Record {
    let me = identity::own(&identity::host()).unwrap();
    let runs = (RunId::from_random(1), RunId::from_random(2));
    let writer = RecordWriter::new(layout, spec, (me, Path::new(PROGRAM)), None, None, (None, words), runs);
    Record { supervisor, ..writer.into_record() }
}
