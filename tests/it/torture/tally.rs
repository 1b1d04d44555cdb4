//! The results of a claim's rounds, as one row of the table that `cargo xtask torture` prints.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

/// Counts over all rounds.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Processes killed by KILL, or signaled otherwise, by the test.
    pub(crate) faults: u64,
    /// How long each service was without a supervisor until a sibling took over.
    pub(crate) adoptions: Vec<Duration>,
    /// Services that `start` took over because no sibling was left.
    pub(crate) adopted_by_start: u64,
    /// Lines that are in the log exactly once, in order and complete.
    pub(crate) lines: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) split: u64,
    /// Processes that a stop ended.
    pub(crate) ended: u64,
    /// Processes that should have ended but run.
    pub(crate) survivors: u64,
    /// Commands that refused, with a reason.
    pub(crate) refused: u64,
}

impl Tally {
    /// Adds the row to the table, if there is one: `name=value` fields between tabs.
    pub(crate) fn report(&mut self, claim: &str, rounds: u64, failed: bool) {
        let Some(table) = std::env::var_os("PIPULATE_TORTURE_TABLE") else { return };
        self.adoptions.sort();
        let median = self.adoptions.get(self.adoptions.len() / 2);
        let count = |count: u64| count.to_string();
        let milliseconds = |time: Option<&Duration>| {
            time.map_or("-".to_owned(), |time| format!("{:.1}", time.as_secs_f64() * 1000.0))
        };
        let fields = [
            ("claim", claim.to_owned()),
            ("outcome", if failed { "FAILED" } else { "holds" }.to_owned()),
            ("rounds", count(rounds)),
            ("faults", count(self.faults)),
            ("adopted", self.adoptions.len().to_string()),
            ("median ms", milliseconds(median)),
            ("max ms", milliseconds(self.adoptions.last())),
            ("by start", count(self.adopted_by_start)),
            ("lines", count(self.lines)),
            ("lost", count(self.lost)),
            ("doubled", count(self.doubled)),
            ("split", count(self.split)),
            ("ended", count(self.ended)),
            ("survivors", count(self.survivors)),
            ("refused", count(self.refused)),
        ];
        let row = fields.map(|(name, value)| format!("{name}={value}")).join("\t");
        let written = OpenOptions::new().append(true).create(true).open(&table);
        written.and_then(|mut file| writeln!(file, "{row}")).unwrap();
    }
}
