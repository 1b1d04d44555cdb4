//! Examples of every reason and of every part of one, for the reference and for tests.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{
    Attempt, Ending, Fate, Key, NeedState, Obstacle, PortHolder, ProbeProblem, Process, Processes, Reason,
    Remnant, WatchProblem,
};
use crate::env_error::EnvError;
use crate::fault::{Fault, FileRefusal, SystemError, SystemErrorKind};
use crate::identity::Pid;
use crate::project::AbsPath;
use crate::service::ServiceName;

/// At least one example of each code, in the order of [`Reason::CODES`].
#[expect(clippy::too_many_lines, reason = "a list")]
pub fn all() -> Vec<Reason> {
    let minute = Duration::from_secs(60);
    let late = |obstacle| Reason::NotReadyInTime { within: minute, obstacle };
    let endings = endings().into_iter().map(|end| Reason::EndedBeforeReady { end });
    let needs = need_states().into_iter().map(|state| Reason::NeedFailed { service: service("db"), state });
    let obstacles = obstacles().into_iter().map(|obstacle| late(Some(obstacle)));
    let answers = probe_problems().into_iter().map(|problem| Reason::BadAnswer { problem });
    let held = holders().into_iter().map(|holder| Reason::PortHeld { port: 8888, holder });
    let attempts =
        [Attempt::OpenOutput, Attempt::WatchProcess, Attempt::GetRandomNumbers].into_iter().map(|attempt| {
            Reason::SystemError { attempt, error: "Too many open files (os error 24)".to_owned() }
        });
    let watched = watch_problems().into_iter().map(|problem| Reason::WatchIncomplete { problem });
    let fated = |why| Remnant { pid: pid(12), name: "python3".to_owned(), why };
    let survivors = || vec![fated(Fate::OfAnotherUser), fated(Fate::Uninterruptible)];
    let denied = || "Permission denied (os error 13)".to_owned();
    let program = || PathBuf::from("./run.sh");
    endings
        .chain([
            Reason::Ended { end: code(3) },
            Reason::EndedTooOften { times: 5, within: minute, last: code(3) },
            Reason::EndsRepeatedly { times: 3, last: code(3) },
            Reason::GroupRemains { end: code(3) },
            Reason::PreviousRemains { processes: vec![fated(Fate::OutlivesKill)] },
            Reason::InBackground { end: code(0), left: processes() },
            Reason::WaitingFor { service: service("db") },
        ])
        .chain(needs)
        .chain([
            Reason::TriedAgain,
            Reason::NoReadyLine { pattern: "ready|up".to_owned(), within: minute },
            late(None),
        ])
        .chain(obstacles)
        .chain([Reason::NotListening, Reason::NotResponding])
        .chain(answers)
        .chain([
            Reason::LastError {
                kind: "ZeroDivisionError".to_owned(),
                file: "server.py".to_owned(),
                line: "7".to_owned(),
            },
            Reason::MissingModule { module: "sklearn".to_owned(), distribution: "scikit-learn".to_owned() },
            Reason::SettingsChanged { keys: vec!["port".to_owned(), "env".to_owned()] },
            Reason::NothingToStart,
        ])
        .chain(faults().into_iter().map(|problem| Reason::FileProblem { problem }))
        .chain(attempts)
        .chain([
            Reason::ProgramNotFound { program: program(), is_installed_by_setup: false },
            Reason::ProgramNotFound { program: "jupyter-lab".into(), is_installed_by_setup: true },
            Reason::InterpreterNotFound { program: program() },
            Reason::CommandTooLong { program: program() },
            Reason::ProgramNotPermitted { program: program(), error: denied() },
            Reason::NotAProgram { program: program() },
            Reason::ProgramFailed { program: program(), error: "Input/output error (os error 5)".to_owned() },
            Reason::ReloadFailed { problem: Some(unusable_program()) },
            Reason::ReloadFailed { problem: None },
            Reason::SupervisorNotRunnable { program: "/usr/bin/pipulate".into(), error: denied() },
        ])
        .chain(held)
        .chain([
            Reason::NoFreePort { from: 65_400 },
            Reason::PortLost { port: 5001 },
            Reason::MistakeInFile {
                file: "server.py".to_owned(),
                line: Some(3),
                message: "invalid syntax".to_owned(),
            },
            Reason::MistakeInFile {
                file: "server.py".to_owned(),
                line: None,
                message: "source code string cannot contain null bytes".to_owned(),
            },
            Reason::AwaitsFix { is_running: true },
            Reason::AwaitsFix { is_running: false },
            Reason::AwaitsSave,
        ])
        .chain(watched)
        .chain([
            Reason::SavesItself { files: vec!["state.json".into()], more: 0 },
            Reason::SavesItself { files: vec!["a.json".into(), "b.json".into()], more: 3 },
            reloads("watchfiles"),
            reloads("--reload"),
            Reason::SupervisorGone,
            Reason::StopIncomplete { processes: survivors() },
            Reason::MachineRestarted,
            Reason::EndedFromOutside,
            Reason::FolderMoved { from: "/home/me/old".into() },
            Reason::FilesElsewhere { folder: "/run/user/1000/pipulate/demo".into() },
            Reason::InAnotherContainer,
            Reason::RunsElsewhere { machine: Some("0f3a9c".to_owned()) },
            Reason::RunsElsewhere { machine: None },
            Reason::ProcessUnproved {
                pid: pid(12),
                name: "ssh-agent".to_owned(),
                record: "/home/me/demo/.pipulate/run/server.json".into(),
            },
            Reason::ProcessHidden { pid: pid(12), error: None },
            Reason::ProcessHidden { pid: pid(12), error: Some(denied()) },
            Reason::RecordUnreadable { problem: refused(FileRefusal::Empty), pid: Some(pid(12)) },
            Reason::RecordUnreadable { problem: refused(FileRefusal::Empty), pid: None },
            Reason::RecordsDeleted,
            Reason::RunsUnrecorded { supervisor: pid(12) },
            Reason::Doubtful { why: vec![Reason::InAnotherContainer] },
            Reason::LockHeld { pid: pid(12) },
            Reason::StartedSince,
            Reason::SupervisorNotSignaled { pid: pid(12), error: None },
            Reason::SupervisorNotSignaled { pid: pid(12), error: Some(denied()) },
            Reason::SupervisorNotStarted { problem: faults().swap_remove(0) },
            Reason::SupervisorFailed,
            Reason::SupervisorsKilled,
            Reason::SupervisorRestless,
            Reason::ConfigUnusable {
                file: "/home/me/demo/pipulate.toml".into(),
                error: "error at line 2, column 1\n  |\n2 | prot = 1\n  | ^^^^\nunknown key".to_owned(),
            },
            Reason::NotConfigured,
            Reason::EnvFileMissing { path: "/home/me/demo/worker.env".into() },
            Reason::EnvFileUnusable { error: EnvError::NotText { path: file("/home/me/demo/worker.env") } },
            Reason::ListensPublicly {
                port: 5001,
                address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                file: Some("server.py".into()),
            },
            Reason::ListensPublicly {
                port: 5001,
                address: IpAddr::V4(Ipv4Addr::new(192, 168, 1, 7)),
                file: None,
            },
            Reason::PortMoved { wanted: 5001, holder: foreign(), using: 5002 },
            Reason::KeysExposed { port: 5001 },
            Reason::KeysRenewed { port: 5001, keys: vec![Key::JupyterToken, Key::JupyterSignIns, Key::App] },
            Reason::NoToken,
            Reason::NoSocketFolder,
            Reason::told("it failed 5 times within a minute"),
        ])
        .collect()
}

/// Every kind of end.
pub fn endings() -> Vec<Ending> {
    vec![code(1), Ending::Signal { number: 9, name: "SIGKILL".to_owned() }, Ending::TimedOut, Ending::Unseen]
}

/// Every fate of a process in a stop.
pub fn fates() -> Vec<Fate> {
    vec![
        Fate::KilledAtOnce,
        Fate::KilledAfter { timeout: Duration::from_secs(10) },
        Fate::KilledUnheeding,
        Fate::OfAnotherUser,
        Fate::Uninterruptible,
        Fate::OutlivesKill,
        Fate::OfService { service: service("worker") },
        Fate::OfAnotherProject,
        Fate::Supervises { service: service("worker") },
        Fate::DetachedFromTerminal,
        Fate::WritesToAnotherLog,
        Fate::Told { text: "did not end when asked".to_owned() },
    ]
}

fn code(code: i32) -> Ending {
    Ending::Code { code }
}

fn need_states() -> Vec<NeedState> {
    vec![
        NeedState::NotRunning,
        NeedState::NotRunningAnyMore,
        NeedState::Stopped,
        NeedState::Crashed { why: vec![Reason::EndedBeforeReady { end: code(3) }] },
        NeedState::NotReady { why: vec![Reason::NotListening] },
        NeedState::Unknown { why: vec![Reason::InAnotherContainer] },
    ]
}

fn obstacles() -> Vec<Obstacle> {
    let mut obstacles = vec![
        Obstacle::NoListener,
        Obstacle::PortHeld { port: 5001, holder: foreign() },
        Obstacle::OtherPort { port: 8000, wanted: 5001 },
        Obstacle::OutOfReach { address: SocketAddr::from(([10, 0, 0, 7], 5001)) },
    ];
    obstacles.extend(probe_problems().into_iter().map(|problem| Obstacle::Probe { problem }));
    obstacles
}

fn probe_problems() -> Vec<ProbeProblem> {
    let address = SocketAddr::from(([127, 0, 0, 1], 5001));
    vec![
        ProbeProblem::Refused { address },
        ProbeProblem::Silent { address },
        ProbeProblem::Closed { address },
        ProbeProblem::Status { code: 503, path: "/health".to_owned() },
        ProbeProblem::NotHttp { address },
        ProbeProblem::NotTls { address },
        ProbeProblem::TlsRefused { address, error: "handshake failure".to_owned() },
    ]
}

fn holders() -> Vec<PortHolder> {
    let command = "python3 -m http.server".to_owned();
    vec![
        foreign(),
        PortHolder::Process {
            pid: pid(77),
            command: "python3 server.py".to_owned(),
            service: Some(service("server")),
            project: Some("/home/me/other".into()),
        },
        PortHolder::Hidden,
        PortHolder::LeftBehind { pid: pid(78), command },
        PortHolder::Own { processes: processes() },
        PortHolder::Unseen,
    ]
}

fn foreign() -> PortHolder {
    PortHolder::Process { pid: pid(12), command: "nginx".to_owned(), service: None, project: None }
}

fn watch_problems() -> Vec<WatchProblem> {
    let folder = || PathBuf::from("/home/me/demo");
    vec![
        WatchProblem::NoWatchesLeft { folder: folder() },
        WatchProblem::TooManyFolders { most: 8192 },
        WatchProblem::FolderGone { folder: folder() },
        WatchProblem::Links { first: "app.py".into(), more: 0 },
        WatchProblem::Links { first: "app.py".into(), more: 2 },
        WatchProblem::System { folder: folder(), error: "Permission denied (os error 13)".to_owned() },
    ]
}

fn reloads(reloader: &str) -> Reason {
    Reason::ReloadsItself { times: 10, within: Duration::from_secs(60), reloader: reloader.to_owned() }
}

fn processes() -> Processes {
    let named = [(12, "python3"), (13, "sleep")];
    let named = named.map(|(number, name)| Process { pid: pid(number), name: name.to_owned() });
    Processes { named: named.to_vec(), more: 2 }
}

#[expect(clippy::expect_used, reason = "constants of this file")]
fn pid(number: i32) -> Pid {
    Pid::new(number).expect("a number above zero")
}

#[expect(clippy::expect_used, reason = "constants of this file")]
fn service(name: &str) -> ServiceName {
    ServiceName::parse(name).expect("a name of a service")
}

#[expect(clippy::expect_used, reason = "constants of this file")]
fn file(path: &str) -> AbsPath {
    AbsPath::new(path).expect("an absolute path")
}

fn unusable_program() -> Fault {
    let error = SystemError {
        kind: SystemErrorKind::NotPermitted,
        text: "Permission denied (os error 13)".to_owned(),
    };
    Fault::System { activity: "run /usr/bin/pipulate".into(), error }
}

/// One of each.
pub fn faults() -> Vec<Fault> {
    let error = |kind, text: &str| SystemError { kind, text: text.to_owned() };
    let full = error(SystemErrorKind::DiskFull, "No space left on device (os error 28)");
    let path = || PathBuf::from("/home/me/demo/.pipulate/run/token");
    vec![
        Fault::File { activity: "write".into(), path: path(), error: full },
        refused(FileRefusal::Link),
        refused(FileRefusal::OfAnotherService { service: service("db") }),
        refused(FileRefusal::NewerFormat { format: 3, known: 2 }),
        refused(FileRefusal::NotUnderstood { error: "EOF while parsing a value at line 1".to_owned() }),
        Fault::System {
            activity: "wait".into(),
            error: error(SystemErrorKind::Other, "Cannot allocate memory (os error 12)"),
        },
        Fault::Told { text: "could not write /home/me/demo/.pipulate/run/token: disk full".to_owned() },
    ]
}

fn refused(why: FileRefusal) -> Fault {
    Fault::Refused { path: "/home/me/demo/.pipulate/run/server.json".into(), why }
}
