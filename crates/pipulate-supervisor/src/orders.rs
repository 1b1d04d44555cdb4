//! What a supervisor is told by whoever starts it: all that it has to know.
//!
//! It could read the configuration itself, and does so when it is started anew by something that
//! has not read it: a sibling, or itself for a restart. But what reading leaves in memory stays for
//! as long as the service lives, once for each service. Orders travel in memory, in the place of
//! stdin: variables in them may be secret, and neither a disk nor anybody's arguments see them.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use pipulate_core::layout::Layout;
use pipulate_core::service::ServiceSpec;
use pipulate_process::memory;
use serde::{Deserialize, Serialize};

use crate::program::Program;

/// Written and read by the same program: another version reads the configuration instead.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The orders for one supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    version: String,
    program: OsString,
    pub layout: Layout,
    pub spec: ServiceSpec,
}

impl Orders {
    /// Orders to supervise `spec`, and to start `program` where another supervisor is needed.
    pub fn new(program: &Program, layout: &Layout, spec: &ServiceSpec) -> Self {
        Self {
            version: VERSION.to_owned(),
            program: program.path.clone().into_os_string(),
            layout: layout.clone(),
            spec: spec.clone(),
        }
    }

    /// What to start where another supervisor is needed.
    pub fn program(&self) -> Program {
        Program::new(self.program.clone())
    }

    /// The orders as a supervisor's stdin.
    ///
    /// # Errors
    /// The system has no memory or no descriptors left.
    pub fn write(&self) -> io::Result<OwnedFd> {
        Ok(memory::nameless_file(&serde_json::to_vec(self)?)?.into())
    }

    /// The orders in a supervisor's stdin; `None` if there are none that this program understands.
    pub fn read(stdin: impl AsFd) -> Option<Self> {
        let mut file = std::fs::File::from(stdin.as_fd().try_clone_to_owned().ok()?);
        // Anything else could keep us waiting.
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok().filter(|orders: &Self| orders.version == VERSION)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use pipulate_core::config::Config;
    use pipulate_core::project::AbsPath;

    use super::*;
    use crate::plan;

    fn orders() -> Orders {
        let config = "[services.w]\ncommand = [\"w\"]\nwatch = [\"**/*.py\"]\nready = { http = \"/\", timeout = \"1.5s\" }\nstop = { signal = \"INT\" }\nenv = { KEY = \"it's \\\"1\\\"\" }\n";
        let config = Config::parse(config).unwrap();
        let around =
            plan::Surroundings { env_removed: vec!["PYTHONHOME".to_owned()], ..plan::samples::around() };
        // Neither a path nor a value has to be text.
        let root = AbsPath::new(OsString::from_vec(b"/p\xff".to_vec())).unwrap();
        let layout = Layout::with_run(root.clone(), AbsPath::new("/run/x").unwrap()).formerly(root.at("old"));
        let spec = plan::spec(&config, config.service("w").unwrap(), &layout, &around);
        Orders::new(&Program::new("/bin/pipulate"), &layout, &spec)
    }

    #[test]
    fn orders_are_read_as_they_were_written() {
        let written = orders();
        assert_eq!(Orders::read(written.write().unwrap()), Some(written));
    }

    #[test]
    fn another_versions_orders_and_what_are_none_are_not_followed() {
        let newer = Orders { version: "999.0.0".to_owned(), ..orders() };
        assert_eq!(Orders::read(newer.write().unwrap()), None);
        assert_eq!(Orders::read(memory::nameless_file(b"{}").unwrap()), None);
        assert_eq!(Orders::read(std::fs::File::open("/dev/null").unwrap()), None);
        let (silent, _writer) = io::pipe().unwrap();
        assert_eq!(Orders::read(silent), None, "a pipe that nobody writes to is not waited for");
    }
}
