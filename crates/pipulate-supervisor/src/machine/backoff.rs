//! Backoff: the delay before a service that ended is restarted, and when to give up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// This many ends within [`WINDOW`] are a crash loop.
const LIMIT: usize = 5;
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// A service that was up for this long is healthy: its earlier ends are forgotten.
pub(super) const HEALTHY_AFTER: Duration = Duration::from_secs(60);
pub(super) const FIRST_DELAY: Duration = Duration::from_millis(500);
pub(super) const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// The failures of a service since it was last healthy.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    /// Failures within [`WINDOW`].
    recent: VecDeque<Instant>,
    /// The number of failures and pauses: the delay grows with it.
    count: u32,
    dice: u64,
}

/// The result of one more end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    After(Duration),
    /// This many ends within [`WINDOW`].
    GiveUp(usize),
}

impl Backoff {
    /// Begins with `count` failures that another supervisor counted; `seed` is for the jitter.
    pub(super) fn new(seed: u64, count: u32) -> Self {
        Self { recent: VecDeque::new(), count, dice: seed | 1 }
    }

    /// True if there were none.
    pub(super) fn is_clean(&self) -> bool {
        self.count == 0
    }

    /// Resets: the service is healthy, or its files have changed.
    pub(super) fn forget(&mut self) {
        self.recent.clear();
        self.count = 0;
    }

    /// Counts an end that is no failure and is followed by a start, such as a successful end or a resource
    /// shortage. Returns the delay before that start; pauses never lead to giving up.
    pub(super) fn pause(&mut self) -> Duration {
        self.count = self.count.saturating_add(1);
        self.delay()
    }

    /// Counts one more failure.
    pub(super) fn one_more(&mut self, now: Instant) -> Retry {
        let delay = self.pause();
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|&earlier| now.duration_since(earlier) > WINDOW) {
            self.recent.pop_front();
        }
        match self.recent.len() {
            recent if recent >= LIMIT => Retry::GiveUp(recent),
            _ => Retry::After(delay),
        }
    }

    /// The delay before the next start: none the first time, then 0.5 s, 1 s, 2 s … with up to a quarter
    /// more.
    pub(super) fn delay(&mut self) -> Duration {
        match self.count {
            0 | 1 => Duration::ZERO,
            count => {
                let doubled = FIRST_DELAY.saturating_mul(2_u32.saturating_pow(count - 2));
                doubled.min(LONGEST_DELAY).mul_f64(self.jitter())
            }
        }
    }

    /// Between 1 and 1.25 (xorshift64), so that services that ended together are restarted at different
    /// times.
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
        /// Each delay is double its predecessor plus at most a quarter, and never exceeds its bound, however
        /// far apart the ends are. The service is given up exactly when it ended that often within the
        /// window.
        #[test]
        fn delays_grow_up_to_their_bound_and_only_a_crash_loop_is_given_up(
            seed: u64,
            earlier in 0_u32..10,
            gaps in prop::collection::vec(0_u64..80_000, 1..60),
        ) {
            let mut now = Instant::now();
            let mut backoff = Backoff::new(seed, earlier);
            let mut ends = Vec::new();
            for gap in gaps {
                ends.push(now);
                let recent = ends.iter().filter(|&&end| now.duration_since(end) <= WINDOW).count();
                let count = earlier + u32::try_from(ends.len()).unwrap();
                match backoff.one_more(now) {
                    Retry::After(delay) => {
                        let doubled = match count {
                            1 => Duration::ZERO,
                            count => (FIRST_DELAY * 2_u32.pow((count - 2).min(6))).min(LONGEST_DELAY),
                        };
                        prop_assert!(recent < LIMIT);
                        prop_assert!(doubled <= delay && delay <= doubled.mul_f64(1.25));
                    }
                    Retry::GiveUp(count) => prop_assert!(count == recent && recent >= LIMIT),
                }
                now += Duration::from_millis(gap);
            }
        }
    }
}
