//! Reproducible randomness: the source of every decision in a round.

use std::thread;
use std::time::Duration;

/// A pseudorandom sequence from a seed (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    /// One of these values.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// A separate sequence for another thread.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// Sleeps for a random time up to `most`. The moment is the fault: no condition is awaited.
    pub(crate) fn pause(&mut self, most: Duration) {
        let nanoseconds = u64::try_from(most.as_nanos()).unwrap().max(1);
        thread::sleep(Duration::from_nanos(self.next() % nanoseconds));
    }
}
