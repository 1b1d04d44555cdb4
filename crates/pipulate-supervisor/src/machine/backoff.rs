//! How long to wait before a service that ended is started again, and when to give up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// This many ends within [`WINDOW`] are a crash loop.
const LIMIT: usize = 5;
pub(super) const WINDOW: Duration = Duration::from_secs(60);
pub(super) const FIRST_DELAY: Duration = Duration::from_millis(500);
pub(super) const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// The recent ends of a service.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    ends: VecDeque<Instant>,
    dice: u64,
}

/// What follows from one more end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    After(Duration),
    /// It ended so often within [`WINDOW`].
    GiveUp(usize),
}

impl Backoff {
    /// No ends yet; `seed` is for the jitter.
    pub(super) fn new(seed: u64) -> Self {
        Self { ends: VecDeque::new(), dice: seed | 1 }
    }

    /// What ended so far is no longer what is started.
    pub(super) fn forget(&mut self) {
        self.ends.clear();
    }

    /// One more end: the first time at once, then after 0.5 s, 1 s, 2 s … with up to a quarter more.
    pub(super) fn one_more(&mut self, now: Instant) -> Next {
        self.ends.push_back(now);
        while self.ends.front().is_some_and(|&earlier| now.duration_since(earlier) > WINDOW) {
            self.ends.pop_front();
        }
        let count = self.ends.len();
        if count >= LIMIT {
            return Next::GiveUp(count);
        }
        Next::After(match u32::try_from(count).unwrap_or(u32::MAX) {
            0 | 1 => Duration::ZERO,
            count => {
                (FIRST_DELAY * 2_u32.saturating_pow(count - 2)).min(LONGEST_DELAY).mul_f64(self.jitter())
            }
        })
    }

    /// Between 1 and 1.25 (xorshift64: many services that died together come back apart).
    fn jitter(&mut self) -> f64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        1.0 + (self.dice % 1024) as f64 / 4096.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Each delay is the doubled one before it and at most a quarter more, and never passes its
        /// bound. It is given up exactly when there were that many ends within the window.
        #[test]
        fn delays_are_bounded_and_only_a_crash_loop_is_given_up(
            seed: u64,
            gaps in prop::collection::vec(0_u64..80_000, 1..60),
        ) {
            let mut now = Instant::now();
            let mut backoff = Backoff::new(seed);
            let mut ends = Vec::new();
            for gap in gaps {
                ends.push(now);
                let recent = ends.iter().filter(|&&end| now.duration_since(end) <= WINDOW).count();
                match backoff.one_more(now) {
                    Next::After(delay) => {
                        let doubled = match u32::try_from(recent).unwrap() {
                            1 => Duration::ZERO,
                            recent => (FIRST_DELAY * 2_u32.pow(recent - 2)).min(LONGEST_DELAY),
                        };
                        prop_assert!(recent < LIMIT);
                        prop_assert!(doubled <= delay && delay <= doubled.mul_f64(1.25));
                    }
                    Next::GiveUp(count) => prop_assert!(count == recent && recent >= LIMIT),
                }
                now += Duration::from_millis(gap);
            }
        }
    }
}
