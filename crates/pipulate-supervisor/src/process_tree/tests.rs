//! Ownership during an exec.

use std::process::{Command, Stdio};

use pipulate_core::project::AbsPath;

use super::*;

/// A supervisor that starts a peer's supervisor again and again while its tree is scanned.
#[test]
#[expect(clippy::disallowed_methods, reason = "processes with environments of the test's own making")]
fn a_sibling_in_the_middle_of_its_exec_is_not_taken_for_the_services_own() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(AbsPath::new(folder.path().canonicalize().unwrap()).unwrap());
    let service = Service { project: layout.project_id(), name: ServiceName::parse("mine").unwrap() };
    let marker = |name: &str| format!("PIPULATE_SESSION={}/{name}/supervisor", layout.project_id());
    let starts = format!("for i in $(seq 500); do env {} true; done", marker("other"));
    let mut supervisor = Command::new("bash");
    supervisor.args(["-c", &starts]).stdin(Stdio::null());
    let mine = marker("mine");
    let (name, value) = mine.split_once('=').unwrap();
    let mut supervisor = supervisor.env(name, value).spawn().unwrap();
    let root = Pid::new(supervisor.id().try_into().unwrap()).unwrap();
    let mut taken = Vec::new();
    while supervisor.try_wait().unwrap().is_none() {
        taken.extend(service.below(&[root], &layout, &Attached::new()).ours);
    }
    assert!(taken.is_empty(), "{} were taken for the service's own: {:?}", taken.len(), taken.first());
}
