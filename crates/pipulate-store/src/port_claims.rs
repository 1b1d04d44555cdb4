//! Ports that this user's services have or will have: a lock for each, held by the service's supervisor.
//!
//! A port looks free from its choice until the program listens there, which takes a Python program seconds.
//! Without a claim, two services that start at the same time choose the same port, and some programs (uvicorn
//! with its reloader) then wait forever without a message. A claim applies between Pipulate's services only;
//! if the user's state directory can't be written, none is made.

use std::path::PathBuf;

use pipulate_core::identity::Pid;
use pipulate_core::layout::UserDirs;

use crate::folders;
use crate::lock::{self, Holder, Lock};

/// The claim of one service, on one port at a time.
#[derive(Debug)]
pub struct PortClaim {
    folder: Option<PathBuf>,
    held: Option<(u16, Lock)>,
}

impl PortClaim {
    /// Returns a claim on no port yet.
    pub fn new(user: Option<&UserDirs>) -> Self {
        Self { folder: user.map(|user| user.state.join("ports")), held: None }
    }

    /// Claims a port instead of the previous one. Returns false if another service of this user has claimed
    /// it.
    pub fn take(&mut self, port: u16) -> bool {
        // Closing the lock's file again would release the lock.
        if self.held.as_ref().is_some_and(|(held, _)| *held == port) {
            return true;
        }
        let Some(folder) = &self.folder else { return true };
        let made = folders::make_parents(folder).and_then(|()| folders::make_private(folder));
        match made.and_then(|()| Lock::acquire(&folder.join(port.to_string()))) {
            Ok(Ok(lock)) => {
                self.held = Some((port, lock));
                true
            }
            Ok(Err(_)) => false,
            Err(_) => true,
        }
    }

    /// Returns the supervisor that has claimed a port, other than this one.
    pub fn holder(&self, port: u16) -> Option<Pid> {
        if self.held.as_ref().is_some_and(|(held, _)| *held == port) {
            return None;
        }
        match lock::holder(&self.folder.as_ref()?.join(port.to_string())) {
            Ok(Holder::Process(pid)) => Some(pid),
            Ok(Holder::Nobody | Holder::Invisible) | Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use pipulate_core::project::AbsPath;

    use super::*;

    #[test]
    fn a_claim_is_on_one_port_and_needs_no_state_directory() {
        let folder = tempfile::tempdir().unwrap();
        let state = AbsPath::new(folder.path().join("new/state")).unwrap();
        let mut claim = PortClaim::new(Some(&UserDirs { state: state.clone(), runtime: None }));
        assert!(claim.take(5001) && claim.take(5001) && claim.take(5002));
        assert_eq!((claim.holder(5001), claim.holder(5002)), (None, None));
        let locks = |path: &AbsPath| std::fs::read_dir(path.join("ports")).unwrap().count();
        assert_eq!(locks(&state), 2);

        let mut nowhere = PortClaim::new(None);
        assert!(nowhere.take(5001) && nowhere.holder(5001).is_none());
        std::fs::write(folder.path().join("file"), "").unwrap();
        let file = AbsPath::new(folder.path().join("file")).unwrap();
        let mut unwritable = PortClaim::new(Some(&UserDirs { state: file, runtime: None }));
        assert!(unwritable.take(5001), "a claim that can't be made keeps no service from starting");
    }
}
