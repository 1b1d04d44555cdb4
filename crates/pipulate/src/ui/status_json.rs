//! `status --json`: a format of its own, apart from the vocabulary's types. Fields may be added
//! to a schema, never changed.

use pipulate_core::reason::Reason;
use pipulate_core::status::{KernelInfo, LastExit, ProcessInfo, ProjectStatus, ServiceStatus};
use schemars::JsonSchema;
use serde::Serialize;

const SCHEMA: u32 = 1;

/// How a project is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Status")]
pub(crate) struct Document<'a> {
    schema: u32,
    project: NameJson<'a>,
    state: &'static str,
    services: Vec<ServiceJson<'a>>,
}

/// One project as an object.
pub(crate) fn document(status: &ProjectStatus) -> Document<'_> {
    let ProjectJson { project, state, services } = ProjectJson::of(status);
    Document { schema: SCHEMA, project, state, services }
}

/// One project as an object on one line.
pub(crate) fn project(status: &ProjectStatus) -> String {
    to_json(&document(status))
}

/// Several projects as one object with a list.
pub(crate) fn projects(statuses: &[ProjectStatus]) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: u32,
        projects: Vec<ProjectJson<'a>>,
    }
    to_json(&Document { schema: SCHEMA, projects: statuses.iter().map(ProjectJson::of).collect() })
}

fn to_json(document: &impl Serialize) -> String {
    // Maps without text keys are what serde_json can't write, and there are none here.
    serde_json::to_string(document).unwrap_or_default()
}

#[derive(Serialize)]
struct ProjectJson<'a> {
    project: NameJson<'a>,
    state: &'static str,
    services: Vec<ServiceJson<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Name")]
struct NameJson<'a> {
    name: &'a str,
    root: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Service")]
struct ServiceJson<'a> {
    name: &'a str,
    state: &'static str,
    /// Why, where the state does not say it: every reason in one sentence.
    reason: Option<String>,
    /// The code of the first reason, which explains the state.
    reason_code: Option<&'a str>,
    /// What else a person should know about this start, each a sentence.
    notes: Vec<String>,
    /// The codes of the notes, in their order.
    note_codes: Vec<&'a str>,
    pid: Option<i32>,
    pgid: Option<i32>,
    supervisor_pid: Option<i32>,
    started_at: Option<String>,
    uptime_seconds: Option<f64>,
    restarts: u32,
    last_exit: Option<ExitJson>,
    port: Option<u16>,
    url: Option<&'a str>,
    log: String,
    log_dropped_lines: u64,
    log_trouble: Option<&'a str>,
    cpu_percent: Option<f64>,
    memory_bytes: Option<u64>,
    processes: Vec<ProcessJson<'a>>,
    kernels: Vec<KernelJson<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Exit")]
struct ExitJson {
    code: Option<i32>,
    signal: Option<i32>,
    at: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Process")]
struct ProcessJson<'a> {
    pid: i32,
    ppid: i32,
    role: &'static str,
    name: &'a str,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Kernel")]
struct KernelJson<'a> {
    id: &'a str,
    pid: i32,
    name: &'a str,
}

impl<'a> ProjectJson<'a> {
    fn of(status: &'a ProjectStatus) -> Self {
        Self {
            project: NameJson { name: &status.name, root: status.root.to_string_lossy().into_owned() },
            state: status.state().word(),
            services: status.services.iter().map(ServiceJson::of).collect(),
        }
    }
}

impl<'a> ServiceJson<'a> {
    fn of(service: &'a ServiceStatus) -> Self {
        let live = service.live.as_ref();
        Self {
            name: service.name.as_str(),
            state: service.state.word(),
            reason: pipulate_words::reasons(&service.reasons, &service.name),
            reason_code: service.reasons.first().map(Reason::code),
            notes: service.notes.iter().map(|note| pipulate_words::note(note, &service.name)).collect(),
            note_codes: service.notes.iter().map(Reason::code).collect(),
            pid: live.map(|live| live.pid.get()),
            pgid: live.map(|live| live.pgid.get()),
            supervisor_pid: service.supervisor_pid.map(|pid| pid.get()),
            started_at: live.map(|live| live.started_at.to_string()),
            uptime_seconds: live.map(|live| tenths(live.uptime_seconds)),
            restarts: service.restarts,
            last_exit: service.last_exit.map(ExitJson::of),
            port: service.port,
            url: service.url.as_deref(),
            log: service.log.to_string_lossy().into_owned(),
            log_dropped_lines: service.log_dropped,
            log_trouble: service.log_trouble.as_deref(),
            cpu_percent: live.map(|live| tenths(live.cpu_percent)),
            memory_bytes: live.map(|live| live.memory_bytes),
            processes: live
                .map(|live| live.processes.iter().map(ProcessJson::of).collect())
                .unwrap_or_default(),
            kernels: live.map(|live| live.kernels.iter().map(KernelJson::of).collect()).unwrap_or_default(),
        }
    }
}

impl ExitJson {
    fn of(exit: LastExit) -> Self {
        Self { code: exit.code, signal: exit.signal, at: exit.at.to_string() }
    }
}

impl<'a> ProcessJson<'a> {
    fn of(process: &'a ProcessInfo) -> Self {
        Self { pid: process.pid.get(), ppid: process.ppid, role: process.role.word(), name: &process.name }
    }
}

impl<'a> KernelJson<'a> {
    fn of(kernel: &'a KernelInfo) -> Self {
        Self { id: &kernel.id, pid: kernel.pid.get(), name: &kernel.name }
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::super::status_table::samples;
    use super::*;

    #[test]
    fn the_object_is_the_documented_one() {
        let text = project(&samples::project());
        assert!(!text.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        insta::assert_json_snapshot!(value);
    }

    #[test]
    fn several_projects_are_a_list() {
        let text = projects(&[samples::project(), samples::project()]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (value["schema"].as_u64(), value["projects"].as_array().map(Vec::len)),
            (Some(1), Some(2))
        );
    }

    #[test]
    fn what_a_stopped_service_has_not_is_null() {
        let value: serde_json::Value = serde_json::from_str(&project(&samples::project())).unwrap();
        let services = value["services"].as_array().unwrap();
        let stopped = services.iter().find(|service| service["state"] == "stopped").unwrap();
        for field in
            ["pid", "pgid", "supervisor_pid", "started_at", "uptime_seconds", "cpu_percent", "memory_bytes"]
        {
            assert!(stopped.get(field).is_some_and(serde_json::Value::is_null), "{field}");
        }
    }
}
