//! What is asked of a supervisor: files without content, whose names say all.
//!
//! A request says how things should be, and of which state of them that was said. It can be made twice,
//! arrive late, or be found by the next supervisor: once its state is gone, its name means nothing. A
//! signal only says that there is something to read.

use pipulate_core::identity::ProcessIdentity;
use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::project::AbsPath;
use pipulate_core::service::ServiceName;

use crate::error::StoreError;
use crate::files;

/// How a service should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// It should run. Its supervisor, which has nothing to do, would give the next start this run.
    Begin(RunId),
    /// It should be started anew by its configuration as it is now, and not go on as it was when this
    /// was its generation.
    Restart(RunId),
    /// It should not run, as long as this is its supervisor.
    Stop(ProcessIdentity),
}

impl Request {
    fn path(&self, layout: &Layout, service: &ServiceName) -> AbsPath {
        layout.request(
            service,
            &match self {
                Self::Begin(run) => format!("begin.{run}"),
                Self::Restart(generation) => format!("restart.{generation}"),
                Self::Stop(supervisor) => {
                    format!("stop.{}.{}.{}", supervisor.pid, supervisor.start, supervisor.host.boot)
                }
            },
        )
    }

    /// Makes the request, for as long as the answer is kept. Its supervisor has to be told by a signal.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn make(&self, layout: &Layout, service: &ServiceName) -> Result<Made, StoreError> {
        let path = self.path(layout, service);
        files::touch(&path)?;
        Ok(Made(path))
    }

    /// Whether this is asked; after that it no longer is. Only for the service's supervisor.
    pub fn take(&self, layout: &Layout, service: &ServiceName) -> bool {
        let path = self.path(layout, service);
        let is_asked = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
        if is_asked {
            // What can't be removed is asked again, of a state that is gone soon.
            let _left = files::remove(&path);
        }
        is_asked
    }
}

/// A request that was made. It is withdrawn when this is dropped, unless it was heard.
#[derive(Debug)]
pub struct Made(AbsPath);

impl Drop for Made {
    fn drop(&mut self) {
        // Only looked for: what removes from a folder waits for all who make something in it.
        if self.0.exists() {
            let _heard = files::remove(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_heard_once_and_only_by_whom_it_means() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(AbsPath::new(folder.path().canonicalize().unwrap()).unwrap());
        let layout = crate::home::ensure(&layout).unwrap();
        let service = ServiceName::parse("w").unwrap();
        let [one, other] = [1, 2].map(|number| Request::Restart(RunId::from_random(number)));
        let made = one.make(&layout, &service).unwrap();
        let twice = one.make(&layout, &service).unwrap();
        assert!(!other.take(&layout, &service));
        assert!(!Request::Begin(RunId::from_random(1)).take(&layout, &service));
        assert!(one.take(&layout, &service) && !one.take(&layout, &service));
        drop((made, twice));
        drop(other.make(&layout, &service).unwrap());
        assert!(!other.take(&layout, &service), "withdrawn");
        std::fs::create_dir(one.path(&layout, &service)).unwrap();
        assert!(one.make(&layout, &service).is_err() && !one.take(&layout, &service), "it is in the way");
        assert_eq!(crate::record::services(&layout).unwrap(), []);
    }
}
