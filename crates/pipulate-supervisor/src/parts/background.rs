//! Background: a service whose main process ended with 0 and left other processes.
//!
//! No second instance is started beside them; a stop or a restart ends them.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use pipulate_core::identity::{Host, ProcessIdentity};
use pipulate_core::reason::{Process, Processes, Reason};
use pipulate_process::command::End;
use pipulate_process::identity::Verified;
use pipulate_process::table::Entry;

use crate::machine::{Phase, ending};

/// Poll interval if the system has no pidfd.
const PACE: Duration = Duration::from_secs(1);
/// How many processes a message names.
const NAMED: usize = 3;

/// The processes left in the background.
#[derive(Debug, Default)]
pub(crate) struct Background {
    members: Vec<Entry>,
    /// One of them: when it ends, all are looked up again.
    watched: Option<Verified>,
}

impl Background {
    /// Updates the members, and returns true if any are left.
    pub(crate) fn update(&mut self, members: Vec<Entry>, host: &Host) -> bool {
        self.update_by(members, |entry| {
            let identity = ProcessIdentity { pid: entry.pid, start: entry.start, host: host.clone() };
            Verified::pin(&identity, host).ok().flatten()
        })
    }

    fn update_by(&mut self, members: Vec<Entry>, pin: impl FnMut(&Entry) -> Option<Verified>) -> bool {
        if members.is_empty() {
            *self = Self::default();
            return false;
        }
        if self.watched.as_ref().is_none_or(|watched| !watched.lives()) {
            self.watched = members.iter().find_map(pin);
        }
        self.members = members;
        true
    }

    /// A descriptor that is readable once the watched process has ended.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.watched.as_ref().and_then(Verified::descriptor)
    }

    /// Returns when to poll, if there is no descriptor to wait for.
    pub(crate) fn next_look(&self, phase: &Phase, now: Instant) -> Option<Instant> {
        let is_there = matches!(phase, Phase::Background { .. });
        (is_there && self.descriptor().is_none()).then(|| now + PACE)
    }

    /// Returns the reason to show.
    pub(crate) fn reason(&self, end: End) -> Reason {
        Reason::InBackground { end: ending(end), left: listed(&self.members) }
    }
}

/// Returns the first of these processes, and the number of the others.
pub(crate) fn listed(entries: &[Entry]) -> Processes {
    let named = |entry: &Entry| Process { pid: entry.pid, name: entry.name.clone() };
    let more = u32::try_from(entries.len().saturating_sub(NAMED)).unwrap_or(u32::MAX);
    Processes { named: entries.iter().take(NAMED).map(named).collect(), more }
}

#[cfg(test)]
mod tests {
    use pipulate_process::identity;

    use super::*;
    use crate::parts::samples::entry;

    #[test]
    fn one_of_the_processes_is_watched_for_as_long_as_it_lives() {
        let host = identity::host();
        let own = identity::own(&host).unwrap();
        let mut background = Background::default();
        let members = vec![entry(11), entry(12), entry(13), entry(14)];
        let mut pinned = 0;
        let mut pin = |_: &Entry| {
            pinned += 1;
            Verified::pin(&own, &host).unwrap().filter(|_| pinned > 1)
        };
        assert!(background.update_by(members.clone(), &mut pin));
        assert!(background.update_by(members, &mut pin));
        assert_eq!(pinned, 2, "the first could not be pinned, and the second lives");
        assert!(background.descriptor().is_some());
        let Reason::InBackground { left, .. } = background.reason(End::Code(0)) else { panic!() };
        assert_eq!((left.named.len(), left.more), (NAMED, 1));
        assert!(!background.update_by(Vec::new(), |_| None));
        assert!(background.descriptor().is_none());
    }

    #[test]
    fn without_a_descriptor_it_is_polled_only_while_something_is_there() {
        let (background, now) = (Background::default(), Instant::now());
        let phase = Phase::Background { end: End::Code(0), was_up: true };
        assert_eq!(background.next_look(&phase, now), Some(now + PACE));
        assert_eq!(background.next_look(&Phase::Up { healthy_at: None }, now), None);
    }
}
