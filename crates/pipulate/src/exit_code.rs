//! The exit codes: a contract with scripts.

use pipulate_supervisor::program::GAVE_WAY;

/// The exit status of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// Done, or already so; `status`: every wanted service is ready or running.
    Success,
    /// Failed, or refused; `status`: a wanted service is in trouble; `doctor`: a check failed.
    Failed,
    /// The command line is wrong, or names an unknown service.
    Usage,
    /// `status`: nothing is running.
    NothingRunning,
    /// `status`: cannot tell.
    Unknown,
    /// Waited too long.
    TimedOut,
    /// Ended by Ctrl-C.
    Interrupted,
    /// Another supervisor is already at work; only the launching process sees this.
    GaveWay,
}

impl ExitStatus {
    /// The numeric exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NothingRunning => 3,
            Self::Unknown => 4,
            Self::TimedOut => 124,
            Self::Interrupted => 130,
            Self::GaveWay => GAVE_WAY,
        }
    }
}
