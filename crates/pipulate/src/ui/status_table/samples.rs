//! A project with a service in every state, for tests.

use pipulate_core::identity::Pid;
use pipulate_core::project::AbsPath;
use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_core::status::{
    KernelInfo, LastExit, LiveService, ProcessInfo, ProjectStatus, Role, ServiceStatus,
};

pub(crate) fn project() -> ProjectStatus {
    let root = AbsPath::new("/home/ann/demo").unwrap();
    let mut services = vec![jupyter(&root)];
    let others = ServiceState::BY_SEVERITY.into_iter().filter(|&state| state != ServiceState::Ready);
    services.extend(others.zip(1..).map(|(state, number)| service(&root, state, number)));
    ProjectStatus { name: "demo".to_owned(), root, services, unknown: Vec::new() }
}

fn jupyter(root: &AbsPath) -> ServiceStatus {
    let process = |pid: i32, ppid, role, name: &str| ProcessInfo {
        pid: pid_of(pid),
        ppid,
        role,
        name: name.to_owned(),
    };
    ServiceStatus {
        live: Some(LiveService {
            processes: vec![
                process(4121, 4119, Role::Main, "jupyter-lab"),
                process(4200, 4121, Role::Kernel, "python"),
            ],
            kernels: vec![KernelInfo {
                id: "0a-1b".to_owned(),
                pid: pid_of(4200),
                name: "python3".to_owned(),
                memory_bytes: 62_914_560,
            }],
            ..live(4121)
        }),
        port: Some(8888),
        url: Some("http://127.0.0.1:8888/lab".to_owned()),
        ..service(root, ServiceState::Ready, 0)
    }
}

fn service(root: &AbsPath, state: ServiceState, number: i32) -> ServiceStatus {
    let is_live = is_live(state);
    let name = if number == 0 { "jupyter".to_owned() } else { format!("worker-{number}") };
    let name = ServiceName::parse(&name).unwrap();
    let at = "2026-11-22T11:55:00Z".parse().unwrap();
    let (last_exit, reasons) = match state {
        ServiceState::Exited => (Some(LastExit { code: Some(0), signal: None, at }), vec![]),
        ServiceState::Backoff => (Some(LastExit { code: None, signal: Some(9), at }), vec![]),
        ServiceState::Crashed => (
            Some(LastExit { code: Some(1), signal: None, at }),
            vec![Reason::told("it ended 5 times within 60 seconds")],
        ),
        ServiceState::Unstable => (
            Some(LastExit { code: Some(1), signal: None, at }),
            vec![Reason::told("it ended 7 times since it was last up for a minute")],
        ),
        ServiceState::Degraded => (None, vec![Reason::told("nothing answers at port 5001")]),
        ServiceState::Unsupervised => (None, vec![Reason::SupervisorGone]),
        ServiceState::Unknown => (None, vec![Reason::RunsElsewhere { machine: None }]),
        ServiceState::Stopped
        | ServiceState::Running
        | ServiceState::Ready
        | ServiceState::Stopping
        | ServiceState::Starting => (None, vec![]),
    };
    ServiceStatus {
        state,
        wanted: if state == ServiceState::Stopped { Wanted::Stopped } else { Wanted::Run },
        live: is_live.then(|| live(1000 + number)),
        supervisor_pid: is_live.then(|| pid_of(900 + number)),
        restarts: u32::from(state == ServiceState::Crashed) * 4,
        last_exit,
        port: None,
        url: None,
        log: root.at(format!(".pipulate/log/{name}.log")),
        log_dropped: match state {
            ServiceState::Running => 7,
            ServiceState::Exited => 1,
            _ => 0,
        },
        log_trouble: (state == ServiceState::Running).then(|| "no space left on device".to_owned()),
        reasons,
        notes: Vec::new(),
        name,
    }
}

fn is_live(state: ServiceState) -> bool {
    match state {
        ServiceState::Starting
        | ServiceState::Ready
        | ServiceState::Running
        | ServiceState::Degraded
        | ServiceState::Unstable
        | ServiceState::Stopping
        | ServiceState::Unsupervised => true,
        ServiceState::Stopped
        | ServiceState::Exited
        | ServiceState::Backoff
        | ServiceState::Crashed
        | ServiceState::Unknown => false,
    }
}

fn live(pid: i32) -> LiveService {
    LiveService {
        pid: pid_of(pid),
        pgid: pid_of(pid),
        started_at: "2026-11-22T10:00:00Z".parse().unwrap(),
        uptime_seconds: 7_200.04,
        cpu_percent: 0.4321,
        cpu_seconds: 0.4,
        memory_bytes: 89_128_960,
        processes: Vec::new(),
        kernels: Vec::new(),
    }
}

fn pid_of(number: i32) -> Pid {
    Pid::new(number).unwrap()
}
