//! Detects a service that triggers its own restarts by writing a watched file on each run.
//!
//! A person's saves are irregular. A service saves its file after every start, at once or after a constant
//! delay.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The number of successive restarts that proves a self-trigger.
const LIMIT: usize = 10;
/// No person looks at a restarted service and saves again this soon, this often.
const AT_ONCE: Duration = Duration::from_secs(2);

/// The latest restarts caused by saves of the same files.
#[derive(Debug, Clone, Default)]
pub(crate) struct SelfTrigger {
    began: Option<Instant>,
    /// Saved after every one of the starts below.
    files: BTreeSet<PathBuf>,
    /// How long after a start the first of them was saved.
    delays: VecDeque<Duration>,
}

impl SelfTrigger {
    /// Notes that an instance begins now.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.began = Some(now);
    }

    /// Handles saves of these files, the first of them at `first`, that would cause a restart. Returns the
    /// files that the service saves itself.
    pub(crate) fn answers(
        &mut self,
        files: &BTreeSet<PathBuf>,
        first: Instant,
    ) -> Option<&BTreeSet<PathBuf>> {
        let delay = first.saturating_duration_since(self.began?);
        self.files.retain(|file| files.contains(file));
        if self.files.is_empty() {
            (self.files, self.delays) = (files.clone(), VecDeque::new());
        }
        self.delays.push_back(delay);
        if self.delays.len() > LIMIT {
            self.delays.pop_front();
        }
        (self.delays.len() == LIMIT && self.is_regular()).then_some(&self.files)
    }

    fn is_regular(&self) -> bool {
        let shortest = self.delays.iter().min().copied().unwrap_or_default();
        let longest = self.delays.iter().max().copied().unwrap_or_default();
        longest <= AT_ONCE || longest - shortest <= longest / 10
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Simulates starts, each with the delay and the files of the saves after it; returns the number of the
    /// save that was recognized.
    fn noticed(life: &[(u64, &[&str])]) -> Option<usize> {
        let mut now = Instant::now();
        let mut detector = SelfTrigger::default();
        life.iter().position(|(millis, files)| {
            detector.begin(now);
            now += Duration::from_millis(*millis);
            let files: BTreeSet<PathBuf> = files.iter().map(PathBuf::from).collect();
            detector.answers(&files, now).is_some()
        })
    }

    proptest! {
        /// With any other saves in between: as soon as there is enough evidence.
        #[test]
        fn who_answers_every_start_is_found_out(
            after in prop_oneof![0_u64..1_500, 30_000_u64..600_000],
            others in prop::collection::vec(0_u64..100, LIMIT..2 * LIMIT),
        ) {
            let names: Vec<String> = others.iter().map(u64::to_string).collect();
            let files: Vec<[&str; 2]> = names.iter().map(|name| ["own.db", name.as_str()]).collect();
            let life: Vec<_> = others.iter().zip(&files).map(|(extra, files)| (after + extra, &files[..])).collect();
            prop_assert_eq!(noticed(&life), Some(LIMIT - 1));
        }

        /// A person who saves one file again and again, and looks at the result in between.
        #[test]
        fn a_person_is_not_taken_for_the_service(looks in prop::collection::vec(1_u64..600, 1..200)) {
            let is_human = |looks: &[u64]| {
                let (shortest, longest) = (looks.iter().min(), looks.iter().max());
                longest.zip(shortest).is_some_and(|(longest, shortest)| *longest > 2 && longest - shortest > longest / 10)
            };
            prop_assume!(looks.windows(LIMIT).all(is_human));
            let life: Vec<_> = looks.iter().map(|seconds| (seconds * 1000, &["app.py"][..])).collect();
            prop_assert_eq!(noticed(&life), None);
        }

        /// Two files in turn, however fast: a checkout, a formatter, two editors.
        #[test]
        fn different_files_are_no_answer(number in 1_usize..100) {
            let files: [&[&str]; 2] = [&["a.py"], &["b.py"]];
            let life: Vec<_> = (0..number).map(|turn| (100, files[turn % 2])).collect();
            prop_assert_eq!(noticed(&life), None);
        }
    }

    #[test]
    fn what_is_saved_while_nothing_runs_is_nobodys_answer() {
        assert!(
            SelfTrigger::default()
                .answers(&BTreeSet::from([PathBuf::from("a.py")]), Instant::now())
                .is_none()
        );
    }
}
