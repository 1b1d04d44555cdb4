//! The reasons for a service's state, as values that a program can match. `pipulate-words` makes the
//! sentences; records have the code and the data.

pub mod examples;
mod parts;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use parts::{
    Attempt, Ending, Fate, Key, Obstacle, PortHolder, ProbeProblem, Process, Processes, Remnant, WatchProblem,
};

use crate::env_error::EnvError;
use crate::fault::Fault;
use crate::identity::Pid;
use crate::service::ServiceName;

/// Declares the reasons and their codes in one list, so that no variant can be without a code.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident $({ $($field:ident: $kind:ty),* $(,)? })? = $code:literal,)*) => {
        /// One reason, with its data.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Reason {
            $($(#[$doc])* $name $({ $($field: $kind),* })?,)*
            /// A code of a newer version, kept as it was read; `data` is JSON.
            Foreign { code: String, data: String },
        }

        impl Reason {
            /// Every code that this version can give a reason. They are part of the public interface.
            pub const CODES: &[&str] = &[$($code),*];

            /// The stable name of this reason, in kebab-case.
            pub fn code(&self) -> &str {
                match self {
                    $(Self::$name { .. } => $code,)*
                    Self::Foreign { code, .. } => code,
                }
            }
        }
    };
}

reasons! {
    /// Its main process ended before the service was ever ready.
    EndedBeforeReady { end: Ending } = "ended-before-ready",
    /// Its main process ended, and its policy is not to start it again.
    Ended { end: Ending } = "ended",
    /// Given up: it ended `times` times within `within`.
    EndedTooOften { times: u32, within: Duration, last: Ending } = "ended-too-often",
    /// It is or will be started again, and ended `times` times since it was last up for a minute.
    EndsRepeatedly { times: u32, last: Ending } = "ends-repeatedly",
    /// Its main process ended, and its process group could not be ended.
    GroupRemains { end: Ending } = "group-remains",
    /// Processes of the previous instance prevent a new one.
    PreviousRemains { processes: Vec<Remnant> } = "previous-remains",
    /// Its main process ended with 0 and left others of the service running.
    InBackground { end: Ending, left: Processes } = "in-background",
    /// It is started once the service that it depends on is up.
    WaitingFor { service: ServiceName } = "waiting-for",
    /// It was not started because of a service that it depends on.
    NeedFailed { service: ServiceName, state: NeedState } = "need-failed",
    /// The cause in the previous reason may pass: it is retried.
    TriedAgain = "tried-again",
    /// It has not printed the line that would make it ready.
    NoReadyLine { pattern: String, within: Duration } = "no-ready-line",
    /// It has not answered in time.
    NotReadyInTime { within: Duration, obstacle: Option<Obstacle> } = "not-ready-in-time",
    /// It was ready, and no longer listens on its port.
    NotListening = "not-listening",
    /// It was ready, and no longer answers.
    NotResponding = "not-responding",
    /// It was ready, and answers wrongly.
    BadAnswer { problem: ProbeProblem } = "bad-answer",
    /// The Python error that its output ends with. The message, which may hold a secret, is left out.
    LastError { kind: String, file: String, line: String } = "last-error",
    /// The module that its Python did not find, and the package that has it.
    MissingModule { module: String, distribution: String } = "missing-module",
    /// It runs with other settings than pipulate.toml has now; `keys` of its section differ.
    SettingsChanged { keys: Vec<String> } = "settings-changed",
    /// pipulate.toml can't be used, and so does not say what to start.
    NothingToStart = "nothing-to-start",
    /// A file of the home could not be used, or a call of the system failed.
    FileProblem { problem: Fault } = "file-problem",
    /// The operating system refused something.
    SystemError { attempt: Attempt, error: String } = "system-error",
    /// `is_installed_by_setup`: the set-up would install it.
    ProgramNotFound { program: PathBuf, is_installed_by_setup: bool } = "program-not-found",
    /// The program is there, and the interpreter that it names is not.
    InterpreterNotFound { program: PathBuf } = "interpreter-not-found",
    /// Its command and variables are longer than the system allows.
    CommandTooLong { program: PathBuf } = "command-too-long",
    /// The program is not executable for this user.
    ProgramNotPermitted { program: PathBuf, error: String } = "program-not-permitted",
    /// The file is neither a program nor a script that names one.
    NotAProgram { program: PathBuf } = "not-a-program",
    /// The program could not be executed for another cause.
    ProgramFailed { program: PathBuf, error: String } = "program-failed",
    /// Its supervisor could not execute itself again to read the configuration; `None`: another request came first.
    ReloadFailed { problem: Option<Fault> } = "reload-failed",
    /// The program that supervises it can't be executed any more.
    SupervisorNotRunnable { program: PathBuf, error: String } = "supervisor-not-runnable",
    /// The port that it was given is taken.
    PortHeld { port: u16, holder: PortHolder } = "port-held",
    /// No port from this one upward is free.
    NoFreePort { from: u16 } = "no-free-port",
    /// Another process took its port first at each start.
    PortLost { port: u16 } = "port-lost",
    /// A saved file has a syntax error: the service is not restarted with it.
    MistakeInFile { file: String, line: Option<u32>, message: String } = "mistake-in-file",
    /// It is restarted once the syntax error in the previous reason is corrected.
    AwaitsFix { is_running: bool } = "awaits-fix",
    /// It ended, and is restarted when a watched file is saved.
    AwaitsSave = "awaits-save",
    /// Not every save restarts it.
    WatchIncomplete { problem: WatchProblem } = "watch-incomplete",
    /// It saves watched files itself: saves no longer restart it.
    SavesItself { files: Vec<PathBuf>, more: u32 } = "saves-itself",
    /// Its own reloader restarted it `times` times within `within`: it sees files that the service writes.
    ReloadsItself { times: u32, within: Duration, reloader: String } = "reloads-itself",
    /// Its supervisor ended, and nothing is lost.
    SupervisorGone = "supervisor-gone",
    /// The last stop could not end everything.
    StopIncomplete { processes: Vec<Remnant> } = "stop-incomplete",
    /// It ended because the machine was restarted.
    MachineRestarted = "machine-restarted",
    /// It and its supervisor were ended by something else.
    EndedFromOutside = "ended-from-outside",
    /// The folder was moved while it ran.
    FolderMoved { from: PathBuf } = "folder-moved",
    /// Its records and logs are in another folder than usual.
    FilesElsewhere { folder: PathBuf } = "files-elsewhere",
    /// It is supervised in another container.
    InAnotherContainer = "in-another-container",
    /// It runs on another machine, or in another container if no `machine` is named.
    RunsElsewhere { machine: Option<String> } = "runs-elsewhere",
    /// A process that its record names is alive, and nothing shows that it is the service's.
    ProcessUnproved { pid: Pid, name: String, record: PathBuf } = "process-unproved",
    /// The system does not show whether the process that its record names is still the same.
    ProcessHidden { pid: Pid, error: Option<String> } = "process-hidden",
    /// Its record can't be read. `pid` is a living process of it, if one was searched for.
    RecordUnreadable { problem: Fault, pid: Option<Pid> } = "record-unreadable",
    /// It runs although its records were deleted.
    RecordsDeleted = "records-deleted",
    /// It runs although its records were deleted, and this process supervises it.
    RunsUnrecorded { supervisor: Pid } = "runs-unrecorded",
    /// It is unknown whether it runs, so nothing was started.
    Doubtful { why: Vec<Self> } = "doubtful",
    /// A process that never supervised it holds its lock.
    LockHeld { pid: Pid } = "lock-held",
    /// It was stopped, and has been started again since the request to stop it was made.
    StartedSince = "started-since",
    /// Its supervisor can't be signaled; no `error`: it belongs to another user.
    SupervisorNotSignaled { pid: Pid, error: Option<String> } = "supervisor-not-signaled",
    /// No supervisor could be started for it.
    SupervisorNotStarted { problem: Fault } = "supervisor-not-started",
    /// Its supervisor ended without doing its work, and gave no reason.
    SupervisorFailed = "supervisor-failed",
    /// Its supervisors were killed, one after the other.
    SupervisorsKilled = "supervisors-killed",
    /// Its supervisors come and go.
    SupervisorRestless = "supervisor-restless",
    /// The project's configuration can't be used; `error` is the cause.
    ConfigUnusable { file: PathBuf, error: String } = "config-unusable",
    /// The configuration has no such service.
    NotConfigured = "not-configured",
    /// The file with its variables is missing.
    EnvFileMissing { path: PathBuf } = "env-file-missing",
    /// The file with its variables can't be used.
    EnvFileUnusable { error: EnvError } = "env-file-unusable",
    /// Other machines can connect to it. `file`: the Python file of its command.
    ListensPublicly { port: u16, address: IpAddr, file: Option<PathBuf> } = "listens-publicly",
    /// Its usual port is taken, so it has another one.
    PortMoved { wanted: u16, holder: PortHolder, using: u16 } = "port-moved",
    /// Another user's process had its port, and may have seen keys that are still in use.
    KeysExposed { port: u16 } = "keys-exposed",
    /// Another user's process had its port, and these keys were replaced.
    KeysRenewed { port: u16, keys: Vec<Key> } = "keys-renewed",
    /// JupyterLab requires no login.
    NoToken = "no-token",
    /// No folder can hold the private sockets of kernels.
    NoSocketFolder = "no-socket-folder",
    /// A sentence: from a record of format 1, or about something that has no code yet.
    Told { text: String } = "other",
}

/// The state of a service that another one needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NeedState {
    NotRunning,
    /// It ran when the wait began.
    NotRunningAnyMore,
    Stopped,
    Crashed {
        why: Vec<Reason>,
    },
    NotReady {
        why: Vec<Reason>,
    },
    /// It may be running where it is not visible.
    Unknown {
        why: Vec<Reason>,
    },
}

impl NeedState {
    fn cut(&mut self, levels: u32) {
        let (Self::Crashed { why } | Self::NotReady { why } | Self::Unknown { why }) = self else { return };
        for reason in why {
            if let Reason::NeedFailed { state, .. } = reason {
                match levels {
                    0 => *state = Self::NotRunning,
                    _ => state.cut(levels - 1),
                }
            }
        }
    }
}

impl From<Fault> for Reason {
    fn from(problem: Fault) -> Self {
        Self::FileProblem { problem }
    }
}

impl Reason {
    /// The deepest level to which reasons of services that others depend on are kept.
    const DEEPEST: u32 = 8;

    /// Returns the reason why a service can't be started without another one. Reasons nested too deep in it
    /// are dropped, so that a long chain of services has a record of bounded size.
    pub fn need_failed(service: ServiceName, mut state: NeedState) -> Self {
        state.cut(Self::DEEPEST);
        Self::NeedFailed { service, state }
    }

    /// Returns a sentence as a reason.
    pub fn told(text: impl Into<String>) -> Self {
        Self::Told { text: text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_its_own_and_kebab_case_and_has_an_example() {
        let mut codes = Reason::CODES.to_vec();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Reason::CODES.len());
        assert!(codes.iter().all(|code| code.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
        let mut shown: Vec<String> = examples::all().iter().map(|reason| reason.code().to_owned()).collect();
        shown.sort_unstable();
        shown.dedup();
        assert_eq!(shown, codes);
    }

    #[test]
    fn a_long_chain_of_needs_is_cut() {
        let name = || ServiceName::parse("db").unwrap();
        let mut reason = Reason::SupervisorGone;
        for _ in 0..500 {
            reason = Reason::need_failed(name(), NeedState::Crashed { why: vec![reason] });
        }
        let mut depth = 0;
        while let Reason::NeedFailed { state: NeedState::Crashed { why }, .. } = &reason {
            depth += 1;
            let Some(next) = why.first() else { break };
            reason = next.clone();
        }
        assert!((2..20).contains(&depth), "{depth}");
    }
}
