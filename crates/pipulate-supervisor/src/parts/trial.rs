//! Trying out a program before a supervisor executes it, while its loop goes on.
//!
//! The new file may be half of a download, or on a slow disk. It is only used if it prints its version.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pipulate_core::identity::{Host, Pid};
use pipulate_process::command::End;
use pipulate_process::identity::Verified;
use pipulate_process::signals::Signal;
use pipulate_process::{reaper, spawn};

/// How long a program may take to print its version. Nothing waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that was asked for its version.
pub(crate) trait Tried {
    /// Returns whether it can be run; `None` while unknown.
    fn verdict(&self, now: Instant) -> Option<Result<(), String>>;
}

/// A program that is being tried out. Dropping this kills it.
pub(crate) struct Trial {
    program: PathBuf,
    process: Verified,
    deadline: Instant,
}

impl Trial {
    /// Makes `program` print its version.
    ///
    /// # Errors
    /// It can't be executed; the sentence says why.
    pub(crate) fn begin(program: &Path, directory: &Path, host: &Host) -> Result<Self, String> {
        let begun = || -> io::Result<Verified> {
            let nowhere = || File::options().write(true).open("/dev/null").map(OwnedFd::from);
            let pid = spawn::spawn(spawn::Start {
                command: &[program.into(), "--version".into()],
                directory,
                env: &BTreeMap::new(),
                env_removed: &[],
                stdin: None,
                stdout: nowhere()?,
                stderr: nowhere()?,
            })?;
            Verified::pin_new_child(pid, host)
        };
        let process = begun().map_err(|error| format!("{} can't be run: {error}", program.display()))?;
        Ok(Self { program: program.to_owned(), process, deadline: Instant::now() + PATIENCE })
    }

    /// Returns our child, which nothing else may reap.
    pub(crate) fn child(&self) -> Pid {
        self.process.identity().pid
    }

    /// A descriptor that is readable once it has ended.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.process.descriptor()
    }

    /// Returns its timeout.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Tried for Trial {
    fn verdict(&self, now: Instant) -> Option<Result<(), String>> {
        let end = reaper::peek(self.child()).or((self.deadline <= now).then_some(End::TimedOut))?;
        Some(match end.success() {
            true => Ok(()),
            false => Err(format!("{} can't be run: it {end}", self.program.display())),
        })
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // It may have ended; the loop reaps it.
        let _gone = self.process.signal(Signal::KILL);
    }
}
