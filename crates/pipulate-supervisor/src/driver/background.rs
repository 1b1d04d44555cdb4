//! A service that put itself into the background: its main process ended with 0 and left other processes.
//!
//! No second instance is started beside them; a stop or a restart ends them.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use pipulate_core::reason::{Process, Processes, Reason};
use pipulate_process::command::End;
use pipulate_process::identity::Verified;
use pipulate_process::table::Entry;

use super::Driver;
use super::ending::identity_of;
use crate::jupyter;
use crate::machine::{Event, Phase, ending};

/// Poll interval where the system has no pidfd.
const PACE: Duration = Duration::from_secs(1);
/// How many processes a message names.
const NAMED: usize = 3;

/// The processes left in the background.
#[derive(Default)]
pub(super) struct Background {
    members: Vec<Entry>,
    /// One of them: its end is the reason to look at all of them again.
    watched: Option<Verified>,
}

impl Background {
    /// Readable once the watched process has ended.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.watched.as_ref().and_then(Verified::descriptor)
    }

    /// The next poll, if there is no descriptor to wait for.
    pub(super) fn next_look(&self, phase: &Phase, now: Instant) -> Option<Instant> {
        let is_there = matches!(phase, Phase::Background { .. });
        (is_there && self.descriptor().is_none()).then(|| now + PACE)
    }

    /// The reason to show.
    pub(super) fn reason(&self, end: End) -> Reason {
        Reason::InBackground { end: ending(end), left: listed(&self.members) }
    }
}

impl Driver {
    /// Returns the service's processes without its kernels and their children. JupyterLab never counts
    /// as a background service: it leaves kernels, terminals, and what was started there.
    pub(super) fn in_background(&self) -> Vec<Entry> {
        match self.spec.jupyter_runtime {
            Some(_) => Vec::new(),
            None => jupyter::without_kernels(self.family().ours),
        }
    }

    /// Checks which background processes are left.
    pub(super) fn look_at_the_background(&mut self) {
        let members = self.in_background();
        if members.is_empty() {
            self.background = Background::default();
            return self.tell(Event::GroupEmpty);
        }
        if self.background.watched.as_ref().is_none_or(|watched| !watched.lives()) {
            let pin = |entry: &Entry| {
                let identity = identity_of(entry.pid, entry.start, &self.host);
                Verified::pin(&identity, &self.host).ok().flatten()
            };
            self.background.watched = members.iter().find_map(pin);
        }
        self.background.members = members;
    }
}

/// The first of these processes, and how many more there are.
pub(super) fn listed(entries: &[Entry]) -> Processes {
    let named = |entry: &Entry| Process { pid: entry.pid, name: entry.name.clone() };
    let more = u32::try_from(entries.len().saturating_sub(NAMED)).unwrap_or(u32::MAX);
    Processes { named: entries.iter().take(NAMED).map(named).collect(), more }
}
