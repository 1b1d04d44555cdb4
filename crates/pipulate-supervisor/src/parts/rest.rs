//! Gives back a supervisor's memory from startup, once its service is quiet.

use std::time::{Duration, Instant};

/// By then the supervisors started together with this one have begun, and the CPU is free.
const PAUSE: Duration = Duration::from_millis(300);

/// When to give back memory.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rest {
    at: Option<Instant>,
}

impl Rest {
    /// Notes that memory was used temporarily.
    pub(crate) fn schedule(&mut self, now: Instant) {
        self.at = Some(now + PAUSE);
    }

    /// Returns when to give it back. Not while `is_awaited`: a command waits for the service.
    pub(crate) fn next(&self, is_awaited: bool) -> Option<Instant> {
        self.at.filter(|_| !is_awaited)
    }

    /// Returns true, once, when it is time.
    pub(crate) fn is_due(&mut self, is_awaited: bool, now: Instant) -> bool {
        let is_due = self.next(is_awaited).is_some_and(|at| at <= now);
        if is_due {
            self.at = None;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_and_not_while_a_command_waits() {
        let now = Instant::now();
        let mut rest = Rest::default();
        assert!(!rest.is_due(false, now));
        rest.schedule(now);
        assert!(!rest.is_due(false, now));
        assert!(!rest.is_due(true, now + PAUSE) && rest.next(true).is_none());
        assert!(rest.is_due(false, now + PAUSE));
        assert!(!rest.is_due(false, now + PAUSE), "once");
    }
}
