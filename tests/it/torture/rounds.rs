//! How many rounds a claim runs, and what each of them throws.
//!
//! `cargo xtask torture` says how long and from which seed by two variables, and collects the
//! tallies in the file that a third one names. Without them, a claim runs the rounds that it asks for.

use std::time::{Duration, Instant};

use super::dice::Dice;
use super::tally::Tally;

/// The rounds of one claim. Dropped, it reports; after a failure, also how to repeat the round.
pub(crate) struct Rounds {
    claim: &'static str,
    /// The seed of the first round; every later one has the next number.
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

    /// The number of the next round, from zero, and its dice; `None` when it is enough. There is
    /// always a first one.
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
