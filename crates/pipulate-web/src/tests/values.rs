//! Values for a fake world.

use pipulate_core::identity::Pid;
use pipulate_core::project::AbsPath;
use pipulate_core::service::ServiceName;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_core::status::{LastExit, LiveService, ServiceStatus};

pub(crate) fn service(name: &str, state: ServiceState) -> ServiceStatus {
    let lives = match state {
        ServiceState::Stopped
        | ServiceState::Exited
        | ServiceState::Crashed
        | ServiceState::Backoff
        | ServiceState::Unknown => false,
        ServiceState::Starting
        | ServiceState::Ready
        | ServiceState::Running
        | ServiceState::Degraded
        | ServiceState::Unstable
        | ServiceState::Stopping
        | ServiceState::Unsupervised => true,
    };
    ServiceStatus {
        name: ServiceName::parse(name).unwrap(),
        state,
        wanted: Wanted::Run,
        live: lives.then(living),
        supervisor_pid: Pid::new(41),
        restarts: 0,
        last_exit: None,
        port: Some(8888),
        url: lives.then(|| "http://127.0.0.1:8888/lab".to_owned()),
        log: path("/home/ann/demo/.pipulate/log/x.log"),
        log_dropped: 0,
        log_trouble: None,
        reasons: Vec::new(),
        notes: Vec::new(),
    }
}

pub(crate) fn last_exit(code: Option<i32>, signal: Option<i32>) -> LastExit {
    LastExit { code, signal, at: "2026-11-22T10:00:00Z".parse().unwrap() }
}

fn living() -> LiveService {
    LiveService {
        pid: Pid::new(42).unwrap(),
        pgid: Pid::new(42).unwrap(),
        started_at: "2026-11-22T10:00:00Z".parse().unwrap(),
        uptime_seconds: 3_725.4,
        cpu_percent: 0.4,
        cpu_seconds: 14.9,
        memory_bytes: 89_128_960,
        processes: Vec::new(),
        kernels: Vec::new(),
    }
}

pub(crate) fn path(text: &str) -> AbsPath {
    AbsPath::new(text).unwrap()
}
