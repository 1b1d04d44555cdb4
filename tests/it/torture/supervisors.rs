//! The supervisors of a project, read from their records, killed, and awaited.

use std::fs;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use super::tally::Tally;
use crate::support::process::Process;
use crate::support::project::TestProject;
use crate::support::wait::closely;

/// A service's running supervisor from its record; `None` without one.
pub(crate) fn supervisor(project: &TestProject, service: &str) -> Option<Process> {
    named(project, service, "/supervisor")
}

/// A service's running main process from its record.
pub(crate) fn main_process(project: &TestProject, service: &str) -> Option<Process> {
    named(project, service, "/main/identity")
}

fn named(project: &TestProject, service: &str, pointer: &str) -> Option<Process> {
    let text = fs::read(project.path(&format!(".pipulate/run/{service}.json"))).ok()?;
    // While it is replaced, its old file becomes the reserve for a full disk.
    let record: Value = serde_json::from_slice(&text).ok()?;
    let identity = record.pointer(pointer)?;
    let process = Process::find(i32::try_from(identity["pid"].as_i64()?).unwrap())?;
    (identity["start"] == process.start).then_some(process)
}

/// A kill whose consequences are awaited.
pub(crate) struct Bereaved<'a> {
    project: &'a TestProject,
    /// Each service with its killed supervisor.
    services: Vec<(&'a str, Process)>,
    since: Instant,
    /// The length of supervisor.log at the kill.
    log_length: usize,
}

/// Kills the supervisors of these services at once.
#[track_caller]
pub(crate) fn kill<'a>(project: &'a TestProject, services: &[&'a str], tally: &mut Tally) -> Bereaved<'a> {
    let supervised = |&service: &&'a str| {
        let found = closely(&format!("a supervisor of {service}"), || supervisor(project, service));
        (service, found)
    };
    let services: Vec<_> = services.iter().map(supervised).collect();
    let log_length = log(project).len();
    let since = Instant::now();
    for (_, supervisor) in &services {
        supervisor.signal(Signal::KILL);
        tally.faults += 1;
    }
    Bereaved { project, services, since, log_length }
}

impl Bereaved<'_> {
    /// Waits until every service has a new supervisor: from a sibling or, if none is left or the siblings
    /// have given up, from `start`.
    #[track_caller]
    pub(crate) fn await_adoption(self, tally: &mut Tally) {
        for (service, old) in &self.services {
            let by_sibling = closely(&format!("a new supervisor of {service}"), || {
                let new = supervisor(self.project, service).filter(|new| !new.is(old));
                let adopted = new.map(|_| Some(self.since.elapsed()));
                adopted.or_else(|| self.is_let_be(service).then_some(None))
            });
            match by_sibling {
                Some(time) => tally.adoptions.push(time),
                None => self.start(service, tally),
            }
        }
    }

    /// Takes over by `start`, like a user who finds all supervisors dead.
    #[track_caller]
    pub(crate) fn start_all(self, tally: &mut Tally) {
        for (_, old) in &self.services {
            // Until it is gone it holds its lock, and `start` rightly finds the service healthy.
            closely(&format!("the end of {old:?}"), || (!old.lives()).then_some(()));
        }
        self.project.start(&[]);
        tally.adopted_by_start += self.services.len() as u64;
    }

    #[track_caller]
    fn start(&self, service: &str, tally: &mut Tally) {
        self.project.start(&[service]);
        tally.adopted_by_start += 1;
    }

    fn is_let_be(&self, service: &str) -> bool {
        let words = format!("the supervisor of {service} keeps crashing");
        let log = log(self.project);
        // The log is bounded: if it was truncated, all of it is new.
        log.get(self.log_length..).unwrap_or(&log).contains(&words)
    }
}

fn log(project: &TestProject) -> String {
    project.read(".pipulate/log/supervisor.log")
}
