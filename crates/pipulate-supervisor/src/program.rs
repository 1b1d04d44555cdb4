//! This very program as a supervisor: `EXE __supervise SERVICE -C ROOT`, in a new process or in place of the
//! running one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::{OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pipulate_core::fault::Fault;
use pipulate_core::layout::Layout;
use pipulate_core::marker::{self, Marker, Part, RunId};
use pipulate_core::service::{ServiceName, ServiceSpec};
use pipulate_process::command::{Command, CommandError};
use pipulate_process::identity::{self, Verified};
use pipulate_process::{spawn, table};
use pipulate_store::error::StoreError;
use pipulate_store::{own_log, program};

use crate::launch_spec::LaunchSpec;
use crate::scope::Scope;

/// The exit code of a supervisor that found another one running and did nothing.
pub const GAVE_WAY: u8 = 5;

/// The first argument of a supervisor.
pub const VERB: &str = "__supervise";

/// The path of the program, and the scope of its supervisors.
#[derive(Debug, Clone)]
pub struct Program {
    pub path: PathBuf,
    pub scope: Scope,
}

/// The first task of a supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// Start the service, or take over a running one.
    Start,
    /// Take over a service whose supervisor was killed, or hands over; if it ended by then, its policy
    /// decides.
    Rescue,
    /// End the rest of a service whose supervisor is gone.
    Stop,
}

/// The descriptors that a supervisor's successor inherits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inherited {
    pub lock: RawFd,
    /// The reading end of the FIFO: while one is open, its content is not lost.
    pub fifo: RawFd,
}

/// Why no supervisor could be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("could not start a supervisor: {0}")]
    System(#[from] io::Error),
}

impl From<LaunchError> for Fault {
    fn from(error: LaunchError) -> Self {
        match error {
            LaunchError::Store(error) => error.into(),
            LaunchError::System(error) => {
                Self::System { activity: "start a supervisor".into(), error: (&error).into() }
            }
        }
    }
}

impl Program {
    /// A program whose supervisors stay in the scope that they are started in.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), scope: Scope::Inherited }
    }

    /// Starts a supervisor in a new session. It writes its messages to supervisor.log, and announces new
    /// records through `notify`. Without a `spec` it reads the configuration itself. It exits if its service
    /// was withdrawn from the start that `pending` names.
    ///
    /// # Errors
    /// The system has no room for another process, or the log can't be opened.
    pub fn start(
        &self,
        layout: &Layout,
        service: &ServiceName,
        beginning: Beginning,
        spec: Option<&ServiceSpec>,
        pending: Option<&RunId>,
        notify: impl Into<OwnedFd>,
    ) -> Result<Verified, LaunchError> {
        let mut stderr = own_log::open(layout)?;
        if let Scope::Refused(why) = &self.scope {
            let line = format!("{}  WARN service={service} no scope of its own: {why}\n", Timestamp::now());
            // As for all messages there: a full disk is no reason to fail.
            let _unsaid = stderr.write_all(line.as_bytes());
        }
        let mine = Marker { project: layout.project_id(), service: service.clone(), part: Part::Supervisor };
        let image = self.image();
        // The kernel's link only works for our own exec.
        let mut command = if image == self.path { self.scope.prefix() } else { Vec::new() };
        command.push(image.into());
        command.extend(arguments(layout, service, beginning));
        command.extend(pending.into_iter().flat_map(|id| ["--pending".into(), id.to_string().into()]));
        let pid = spawn::spawn(spawn::Start {
            command: &command,
            directory: layout.root(),
            env: &BTreeMap::from([(marker::VARIABLE.to_owned(), mine.to_string().into())]),
            env_removed: &inherited_by_mistake(),
            stdin: spec.map(|spec| LaunchSpec::new(&self.path, layout, spec, pending).write()).transpose()?,
            stdout: notify.into(),
            stderr: OwnedFd::from(stderr),
        })?;
        Ok(Verified::pin_new_child(pid, &identity::host())?)
    }

    /// Returns the path to execute for this version, even if its file is gone.
    pub(crate) fn image(&self) -> PathBuf {
        table::own_image(&self.path)
    }

    /// Returns the other program that is to take over: the one that was last used to start services here, or
    /// else the new file at this program's path.
    pub(crate) fn newer(&self, layout: &Layout) -> Option<PathBuf> {
        let asked = program::recall(layout).filter(|path| path.is_file());
        Some(asked.unwrap_or_else(|| self.path.clone()))
            .filter(|path| path.is_file() && !table::is_own_program(path))
    }

    /// Executes `image` as the supervisor of `service`, passing on the inherited descriptors; returns only on
    /// failure.
    pub(crate) fn succeed(
        image: &Path,
        layout: &Layout,
        service: &ServiceName,
        beginning: Beginning,
        inherited: Inherited,
    ) -> CommandError {
        Command::new(image)
            .args(arguments(layout, service, beginning))
            .args(["--lock", &inherited.lock.to_string(), "--fifo", &inherited.fifo.to_string()])
            .exec()
    }
}

/// Returns variables that a service of some project sets for its own processes, such as a JupyterLab
/// terminal: they must not reach services that are started from there.
fn inherited_by_mistake() -> Vec<String> {
    let inside_a_service = std::env::var_os(marker::VARIABLE).is_some();
    let names = ["PORT", "JUPYTER_TOKEN_FILE", "JUPYTER_RUNTIME_DIR", "JPY_PARENT_PID", "JPY_SESSION_NAME"];
    names.into_iter().filter(|_| inside_a_service).map(str::to_owned).collect()
}

/// Returns a supervisor's arguments, always with the folder's former name: by the time that it is looked up,
/// the path may be a link to the folder's new place.
fn arguments(layout: &Layout, service: &ServiceName, beginning: Beginning) -> Vec<OsString> {
    let [root, born] = [layout.root(), layout.born()].map(|folder| folder.as_os_str().to_owned());
    let mut words = vec![VERB.into(), service.as_str().into(), "-C".into(), root, "--formerly".into(), born];
    // Its place may be derived differently by then: the owner of `.pipulate` may change.
    if !layout.is_inside() {
        let [state, run] = [layout.state(), layout.run()].map(|folder| folder.as_os_str().to_owned());
        words.extend(["--state".into(), state, "--run".into(), run]);
    }
    match beginning {
        Beginning::Start => {}
        Beginning::Rescue => words.push("--rescue".into()),
        Beginning::Stop => words.push("--stop".into()),
    }
    words
}
