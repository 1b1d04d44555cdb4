//! The states of services for display, and the exit codes for scripts.

use std::fmt;

/// The state of a service in `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServiceState {
    Stopped,
    Starting,
    /// It answers, on one of its own listeners.
    Ready,
    /// It is alive; there is no probe that could say more.
    Running,
    /// It is alive and does not answer.
    Degraded,
    /// Alive, and ended unexpectedly three times or more since it was last up for 60 s.
    Unstable,
    /// It ended and will be restarted.
    Backoff,
    /// It ended too often, or before it was ever ready.
    Crashed,
    /// It ended by itself with 0 and is not restarted.
    Exited,
    Stopping,
    /// It is alive and its supervisor is gone.
    Unsupervised,
    /// It can't be determined: its record can't be trusted, or it may be alive where we can't look.
    Unknown,
}

/// Unexpected ends since a service was last up for 60 s that make it [`ServiceState::Unstable`].
const UNSTABLE_FROM: u32 = 3;

impl ServiceState {
    /// Every state, mildest first: the worst of some states is the last of them here.
    pub const BY_SEVERITY: [Self; 12] = [
        Self::Stopped,
        Self::Exited,
        Self::Running,
        Self::Ready,
        Self::Stopping,
        Self::Starting,
        Self::Backoff,
        Self::Degraded,
        Self::Unstable,
        Self::Unsupervised,
        Self::Crashed,
        Self::Unknown,
    ];

    /// Returns the word of `status`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Unstable => "unstable",
            Self::Backoff => "backoff",
            Self::Crashed => "crashed",
            Self::Exited => "exited",
            Self::Stopping => "stopping",
            Self::Unsupervised => "unsupervised",
            Self::Unknown => "unknown",
        }
    }

    /// Parses [`ServiceState::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::BY_SEVERITY.into_iter().find(|state| state.word() == word)
    }

    /// Returns [`Self::Unstable`] for a living service that ended unexpectedly too often since it was last up
    /// for 60 s, and this state for every other one.
    pub fn after_ends(self, ends: u32) -> Self {
        match self {
            Self::Starting | Self::Ready | Self::Running | Self::Degraded if ends >= UNSTABLE_FROM => {
                Self::Unstable
            }
            Self::Starting
            | Self::Ready
            | Self::Running
            | Self::Degraded
            | Self::Unstable
            | Self::Stopped
            | Self::Exited
            | Self::Stopping
            | Self::Backoff
            | Self::Unsupervised
            | Self::Crashed
            | Self::Unknown => self,
        }
    }

    /// True if the service itself has a problem: its last output may say what.
    pub fn is_in_trouble(self) -> bool {
        match self {
            Self::Crashed | Self::Backoff | Self::Degraded | Self::Unstable => true,
            Self::Stopped
            | Self::Starting
            | Self::Ready
            | Self::Running
            | Self::Exited
            | Self::Stopping
            | Self::Unsupervised
            | Self::Unknown => false,
        }
    }

    /// True for the best possible states of a wanted service.
    pub fn is_well(self) -> bool {
        match self {
            Self::Ready | Self::Running | Self::Exited => true,
            Self::Stopped
            | Self::Starting
            | Self::Degraded
            | Self::Unstable
            | Self::Backoff
            | Self::Crashed
            | Self::Stopping
            | Self::Unsupervised
            | Self::Unknown => false,
        }
    }

    /// Returns true if it will change to another state by itself.
    pub fn is_transient(self) -> bool {
        match self {
            Self::Starting | Self::Stopping | Self::Backoff => true,
            Self::Stopped
            | Self::Ready
            | Self::Running
            | Self::Degraded
            | Self::Unstable
            | Self::Crashed
            | Self::Exited
            | Self::Unsupervised
            | Self::Unknown => false,
        }
    }

    /// Returns true if it ended by itself, and only a request or a save of its files restarts it.
    pub fn has_ended_by_itself(self) -> bool {
        match self {
            Self::Crashed | Self::Exited => true,
            Self::Stopped
            | Self::Starting
            | Self::Ready
            | Self::Running
            | Self::Degraded
            | Self::Unstable
            | Self::Backoff
            | Self::Stopping
            | Self::Unsupervised
            | Self::Unknown => false,
        }
    }

    /// Returns the worst of some states; `Stopped` if there are none.
    pub fn worst(states: impl IntoIterator<Item = Self>) -> Self {
        states.into_iter().max_by_key(|state| state.severity()).unwrap_or(Self::Stopped)
    }

    fn severity(self) -> usize {
        Self::BY_SEVERITY.iter().position(|&other| other == self).unwrap_or(0)
    }
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The requested state of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Run,
    /// Stopped by request, or never asked for.
    Stopped,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_word_and_the_worst_wins() {
        for state in ServiceState::BY_SEVERITY {
            assert_eq!(ServiceState::from_word(state.word()), Some(state));
        }
        assert_eq!(ServiceState::worst([ServiceState::Ready, ServiceState::Crashed]), ServiceState::Crashed);
        assert_eq!(
            ServiceState::worst([ServiceState::Ready, ServiceState::Starting]),
            ServiceState::Starting
        );
        assert_eq!(ServiceState::worst([]), ServiceState::Stopped);
    }

    #[test]
    fn only_what_lives_and_ended_too_often_is_unstable() {
        use ServiceState::{Degraded, Ready, Running, Starting, Unstable};
        for state in ServiceState::BY_SEVERITY {
            let lives = matches!(state, Starting | Ready | Running | Degraded);
            for (ends, after) in [(0, state), (2, state), (3, if lives { Unstable } else { state })] {
                assert_eq!(state.after_ends(ends), after, "{state} after {ends}");
            }
        }
        assert!(!Unstable.is_well() && Unstable.is_in_trouble() && !Unstable.has_ended_by_itself());
        assert_eq!(ServiceState::worst([Degraded, Unstable]), Unstable);
    }
}
