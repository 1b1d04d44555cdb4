//! The number of rounds per claim, and their seeds.
//!
//! `cargo xtask torture` sets the duration and the first seed in two variables, and collects the tallies in
//! the file named by a third. Without them, a claim runs its default number of rounds.

use std::time::{Duration, Instant};

use super::dice::Dice;
use super::tally::Tally;

/// The rounds of one claim. Reports on drop; after a failure, also how to repeat the round.
pub(crate) struct Rounds {
    claim: &'static str,
    /// The first round's seed; each later round adds one.
    seed: u64,
    begun: u64,
    end: End,
    pub(crate) tally: Tally,
}

enum End {
    After(u64),
    At(Instant),
}

impl Rounds {
    /// The rounds of a claim, `few` of them among the other tests.
    pub(crate) fn of(claim: &'static str, few: u64) -> Self {
        let end = match number("PIPULATE_TORTURE_SECONDS") {
            Some(seconds) => End::At(Instant::now() + Duration::from_secs(seconds)),
            None => End::After(few),
        };
        let seed = number("PIPULATE_TORTURE_SEED").unwrap_or(1);
        Self { claim, seed, begun: 0, end, tally: Tally::default() }
    }

    /// The next round's number, from zero, and its dice; `None` at the end. There is at least one round.
    pub(crate) fn next(&mut self) -> Option<(u64, Dice)> {
        let round = self.begun;
        let enough = match self.end {
            End::After(few) => round >= few,
            End::At(moment) => round > 0 && Instant::now() >= moment,
        };
        if enough {
            return None;
        }
        self.begun += 1;
        Some((round, Dice::new(self.seed.wrapping_add(round))))
    }
}

impl Drop for Rounds {
    #[expect(clippy::print_stderr, reason = "a failed round is told how to be repeated")]
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        let done = if failed { self.begun.saturating_sub(1) } else { self.begun };
        if failed {
            let (round, seed) = (done, self.seed.wrapping_add(done));
            eprintln!(
                "round {round} failed; again from there: cargo xtask torture --seed {seed} {}",
                self.claim
            );
        }
        self.tally.report(self.claim, done, failed);
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}
