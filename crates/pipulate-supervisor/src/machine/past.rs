//! The initial state of a machine: for a new service, or from a service's record.

use std::time::Instant;

use pipulate_process::command::End;

use super::{Backoff, Machine, Outcome, Phase, Policy};

/// The facts in the record of a service that another machine supervised.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Past {
    pub restarts: u32,
    /// See [`Machine::unexpected_ends`].
    pub ends: u32,
    /// It runs, and had not answered within its time to start.
    pub is_late: bool,
}

impl Machine {
    /// Returns the machine for a service to be started at once. `seed` is for the jitter of its delays.
    pub(crate) fn new(policy: Policy, seed: u64, now: Instant) -> Self {
        let phase = Phase::Waiting { until: now };
        let backoff = Backoff::new(seed, 0);
        Self { policy, phase, ever_up: false, has_run: false, starts: 0, ends: 0, backoff }
    }

    /// Returns the machine for a service that was ended on request and is to be restarted.
    pub(crate) fn renewed(policy: Policy, seed: u64, now: Instant) -> Self {
        Self { has_run: true, ..Self::new(policy, seed, now) }
    }

    fn with_past(policy: Policy, seed: u64, past: Past, now: Instant) -> Self {
        Self {
            starts: past.restarts.saturating_add(1),
            ends: past.ends,
            ever_up: past.ends > 0,
            backoff: Backoff::new(seed, past.ends),
            ..Self::renewed(policy, seed, now)
        }
    }

    /// Returns the machine for a running service that another supervisor started.
    pub(crate) fn adopted(policy: Policy, seed: u64, was_up: bool, past: Past, now: Instant) -> Self {
        let mut machine = Self::with_past(policy, seed, past, now);
        machine.ever_up |= was_up;
        machine.phase = match (was_up, past.is_late) {
            (true, _) => machine.up(now),
            (false, true) => Phase::Starting { deadline: None, late: true },
            (false, false) => machine.starting(now),
        };
        machine
    }

    /// Returns the machine for a service that ended, and that another supervisor would have restarted.
    pub(crate) fn resumed(policy: Policy, seed: u64, past: Past, now: Instant) -> Self {
        let mut machine = Self::with_past(policy, seed, past, now);
        machine.ever_up = true;
        machine.phase = Phase::Waiting { until: now + machine.backoff.delay() };
        machine
    }

    /// Returns the machine for a service that put itself into the background under another supervisor.
    pub(crate) fn in_background(policy: Policy, seed: u64, past: Past, now: Instant) -> Self {
        let mut machine = Self::with_past(policy, seed, past, now);
        machine.phase = Phase::Background { end: End::Code(0), was_up: true };
        machine
    }

    /// Returns the machine for the remains of a service whose main process and supervisor are gone.
    pub(crate) fn remains(policy: Policy, now: Instant) -> Self {
        let mut machine = Self::new(policy, 1, now);
        machine.phase = Phase::Ended(Outcome::Stopped);
        machine
    }
}
