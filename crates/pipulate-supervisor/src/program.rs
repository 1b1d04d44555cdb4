//! This very program as a supervisor: `EXE __supervise SERVICE -C ROOT`, in a process of its own
//! or in place of the one that runs.

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

/// The exit code of a supervisor that found another one at work and did nothing.
pub const GAVE_WAY: u8 = 5;

/// The first argument of a supervisor.
pub const VERB: &str = "__supervise";

/// Where the program is, and in which scope its supervisors run.
#[derive(Debug, Clone)]
pub struct Program {
    pub path: PathBuf,
    pub scope: Scope,
}

/// What a supervisor begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// Start the service, or take over one that lives.
    Start,
    /// Take over one whose supervisor was killed, or makes way; if it ended by then, its policy decides.
    Rescue,
    /// End what is left of a service whose supervisor is gone.
    Stop,
}

/// The descriptors that a supervisor's successor inherits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inherited {
    pub lock: RawFd,
    /// The reading end of the FIFO: as long as one is open, nothing in it is lost.
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

    /// Starts a supervisor in a session of its own. It says what it has to say in supervisor.log,
    /// and tells of new records through `notify`. Without a `spec` it reads the configuration itself. It gives
    /// way if its service was withdrawn from the start that `pending` names.
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
            // As with all that stands there: a full disk is no reason to fail.
            let _unsaid = stderr.write_all(line.as_bytes());
        }
        let mine = Marker { project: layout.project_id(), service: service.clone(), part: Part::Supervisor };
        let image = self.image();
        // The kernel's link is only good for what we execute ourselves.
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

    /// What to execute to have this version again, whatever became of its file.
    pub(crate) fn image(&self) -> PathBuf {
        table::own_image(&self.path)
    }

    /// The other program that is to take over: the one that was last asked to start services here, else what
    /// stands in the place of this one.
    pub(crate) fn newer(&self, layout: &Layout) -> Option<PathBuf> {
        let asked = program::recall(layout).filter(|path| path.is_file());
        Some(asked.unwrap_or_else(|| self.path.clone()))
            .filter(|path| path.is_file() && !table::is_own_program(path))
    }

    /// Becomes `image` as the supervisor of `service`, with what is handed over; returns only if that
    /// failed.
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

/// What a service of some project tells its own processes, a terminal of its JupyterLab for one:
/// nothing of it is meant for the services that are started from there.
fn inherited_by_mistake() -> Vec<String> {
    let inside_a_service = std::env::var_os(marker::VARIABLE).is_some();
    let names = ["PORT", "JUPYTER_TOKEN_FILE", "JUPYTER_RUNTIME_DIR", "JPY_PARENT_PID", "JPY_SESSION_NAME"];
    names.into_iter().filter(|_| inside_a_service).map(str::to_owned).collect()
}

/// The folder's former name is always told: by the time that it is looked up, the path may be a link
/// to where the folder is now.
fn arguments(layout: &Layout, service: &ServiceName, beginning: Beginning) -> Vec<OsString> {
    let [root, born] = [layout.root(), layout.born()].map(|folder| folder.as_os_str().to_owned());
    let mut words = vec![VERB.into(), service.as_str().into(), "-C".into(), root, "--formerly".into(), born];
    // Where it is may be derived otherwise by then: `.pipulate` may belong to somebody else.
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
