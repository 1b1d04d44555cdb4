//! The phase of a service's life. Data with a meaning in only one phase is stored in that phase.

use std::time::Instant;

use pipulate_core::reason::Reason;
use pipulate_core::state::Wanted;
use pipulate_process::command::End;

/// The phase of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No main process; one is to be started at `until`.
    Waiting {
        until: Instant,
    },
    /// It runs and has not answered yet. It is `late` once its deadline has passed.
    Starting {
        deadline: Option<Instant>,
        late: bool,
    },
    /// `healthy_at`: when earlier failures are forgotten, if there were any.
    Up {
        healthy_at: Option<Instant>,
    },
    /// It ended by itself, and the rest of its group is being ended. `comeback`: it is wanted again,
    /// regardless of its policy.
    Clearing {
        end: End,
        was_up: bool,
        comeback: Option<Comeback>,
        pressure: Pressure,
        deadline: Instant,
    },
    /// The main process ended with 0 and left processes outside its group.
    Background {
        end: End,
        was_up: bool,
    },
    /// It was asked to end, and then killed.
    Stopping {
        goal: Goal,
        since: Instant,
        killed: bool,
        deadline: Instant,
    },
    /// It ended on request, and everything that it started is being ended.
    Sweeping {
        goal: Goal,
        since: Instant,
        force: bool,
        deadline: Instant,
    },
    Ended(Outcome),
}

/// How the rest of a group is being ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pressure {
    /// Not yet: after an end with 0, members may be about to call setsid(2).
    None,
    Asked,
    Killed,
}

/// The purpose of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    Stop,
    Restart(Comeback),
}

/// How it is restarted on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comeback {
    /// With its saved files.
    Saved,
    /// Also with the configuration as it is by then.
    Renewed,
}

/// How it ended for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Stopped,
    Exited,
    Crashed { why: Reason },
}

impl Phase {
    /// Returns whether it should run, by the last request.
    pub(crate) fn wanted(&self) -> Wanted {
        match self {
            Self::Ended(Outcome::Stopped)
            | Self::Stopping { goal: Goal::Stop, .. }
            | Self::Sweeping { goal: Goal::Stop, .. } => Wanted::Stopped,
            Self::Ended(Outcome::Exited | Outcome::Crashed { .. })
            | Self::Stopping { goal: Goal::Restart(_), .. }
            | Self::Sweeping { goal: Goal::Restart(_), .. }
            | Self::Waiting { .. }
            | Self::Starting { .. }
            | Self::Up { .. }
            | Self::Clearing { .. }
            | Self::Background { .. } => Wanted::Run,
        }
    }
}

impl Comeback {
    /// Returns the stronger of both: a renewal includes the other.
    pub(super) fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Saved, Self::Saved) => Self::Saved,
            (Self::Renewed, _) | (_, Self::Renewed) => Self::Renewed,
        }
    }
}
