//! The launch spec: all parameters of a supervisor, from the program that starts it.
//!
//! A supervisor could read the configuration itself, and does so when it is started by a program that has not
//! read it: a peer, or itself for a restart. But the memory used for reading stays allocated for the
//! service's lifetime, once for each service. A launch spec is passed in memory, as stdin: its variables may
//! be secret, and neither a disk nor anyone's arguments show them.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::service::ServiceSpec;
use pipulate_process::memory;
use serde::{Deserialize, Serialize};

/// Written and read by the same version: a different one reads the configuration instead.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The launch spec of one supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchSpec {
    version: String,
    program: OsString,
    pub layout: Layout,
    pub spec: ServiceSpec,
    /// The id of the start that it belongs to.
    pending: Option<String>,
}

impl LaunchSpec {
    /// Returns the launch spec to supervise `spec`, and to start further supervisors with `program`.
    pub fn new(program: &Path, layout: &Layout, spec: &ServiceSpec, pending: Option<&RunId>) -> Self {
        Self {
            version: VERSION.to_owned(),
            program: program.as_os_str().to_owned(),
            layout: layout.clone(),
            spec: spec.clone(),
            pending: pending.map(RunId::to_string),
        }
    }

    /// Returns the start that it belongs to, from which its service may have been withdrawn.
    pub fn pending(&self) -> Option<RunId> {
        RunId::parse(self.pending.as_deref()?)
    }

    /// Returns the program for starting further supervisors.
    pub fn program(&self) -> &Path {
        Path::new(&self.program)
    }

    /// Returns it as a supervisor's stdin.
    ///
    /// # Errors
    /// The system has no memory or no descriptors left.
    pub fn write(&self) -> io::Result<OwnedFd> {
        Ok(memory::nameless_file(&serde_json::to_vec(self)?)?.into())
    }

    /// Reads the launch spec in a supervisor's stdin; `None` if there is none of this version.
    pub fn read(stdin: impl AsFd) -> Option<Self> {
        let mut file = std::fs::File::from(stdin.as_fd().try_clone_to_owned().ok()?);
        // Anything else could block.
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok().filter(|spec: &Self| spec.version == VERSION)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use std::collections::BTreeMap;
    use std::time::Duration;

    use pipulate_core::project::AbsPath;
    use pipulate_core::service::{
        LogLimits, PortWish, Readiness, RestartPolicy, ServiceName, StopSpec, Word,
    };
    use pipulate_core::watch::{Glob, WatchSpec};

    use super::*;

    fn launch_spec() -> LaunchSpec {
        // Paths and values need not be UTF-8.
        let root = AbsPath::new(OsString::from_vec(b"/p\xff".to_vec())).unwrap();
        let layout = Layout::with_run(root.clone(), AbsPath::new("/run/x").unwrap()).formerly(root.at("old"));
        let spec = ServiceSpec {
            name: ServiceName::parse("w").unwrap(),
            command: vec![Word::Plain("w".into()), Word::Port("--port=".to_owned())],
            directory: root.clone(),
            env: BTreeMap::from([("KEY".to_owned(), OsString::from_vec(b"it's \"1\" \xff".to_vec()))]),
            env_removed: vec!["PYTHONHOME".to_owned()],
            port: Some(PortWish { port: 1, pinned: true }),
            needs: vec![ServiceName::parse("v").unwrap()],
            ready: Readiness::Tcp { timeout: Duration::from_millis(1500) },
            restart: RestartPolicy::Never,
            stop: StopSpec::default(),
            page: Some("/".to_owned()),
            token: Some(root.at("token")),
            jupyter_runtime: None,
            log_limits: LogLimits::default(),
            configured: Default::default(),
            watch: Some(WatchSpec { globs: vec![Glob::parse("**/*.py").unwrap()], python: "python3".into() }),
        };
        LaunchSpec::new(Path::new("/bin/pipulate"), &layout, &spec, Some(&RunId::from_random(1)))
    }

    #[test]
    fn a_launch_spec_is_read_as_it_was_written() {
        let written = launch_spec();
        assert_eq!(written.pending(), Some(RunId::from_random(1)));
        assert_eq!(LaunchSpec::read(written.write().unwrap()), Some(written));
    }

    #[test]
    fn another_versions_launch_spec_and_other_input_are_not_followed() {
        let newer = LaunchSpec { version: "999.0.0".to_owned(), ..launch_spec() };
        assert_eq!(LaunchSpec::read(newer.write().unwrap()), None);
        assert_eq!(LaunchSpec::read(memory::nameless_file(b"{}").unwrap()), None);
        assert_eq!(LaunchSpec::read(std::fs::File::open("/dev/null").unwrap()), None);
        let (silent, _writer) = io::pipe().unwrap();
        assert_eq!(LaunchSpec::read(silent), None, "a pipe that nobody writes to is not waited for");
    }
}
