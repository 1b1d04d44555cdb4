//! Debounces saves: an editor writes, renames and writes again, and a checkout takes its time. A burst of
//! saves counts as one.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A burst is over after this long without a save.
const QUIET: Duration = Duration::from_millis(200);
/// The maximum length of a burst during continuous writing.
const LONGEST: Duration = Duration::from_secs(5);

/// The files that were saved since the running instance was started.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChangeDebouncer {
    files: BTreeSet<PathBuf>,
    burst: Option<Burst>,
    /// When the first of them was saved.
    first: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Burst {
    began: Instant,
    last: Instant,
}

impl ChangeDebouncer {
    /// Adds saved files.
    pub(crate) fn add(&mut self, files: impl IntoIterator<Item = PathBuf>, now: Instant) {
        self.files.extend(files);
        let began = self.burst.map_or(now, |burst| burst.began);
        self.burst = Some(Burst { began, last: now });
        self.first = self.first.or(Some(now));
    }

    /// Returns the files that the running instance has not loaded, and when the first of them was saved.
    pub(crate) fn so_far(&self) -> Option<(&BTreeSet<PathBuf>, Instant)> {
        self.first.map(|first| (&self.files, first))
    }

    /// Returns when the current burst ends, unless there are more saves.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.burst.map(|burst| (burst.last + QUIET).min(burst.began + LONGEST))
    }

    /// Returns, once for each burst when it is over, every file that the running instance has not loaded,
    /// including those of earlier bursts without a restart.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<&BTreeSet<PathBuf>> {
        self.due().filter(|&due| due <= now)?;
        self.burst = None;
        Some(&self.files)
    }

    /// Forgets all files: a new instance loads their current content.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Each burst is handled once, after a pause or at the latest after the maximum length, with all
        /// files that were saved before.
        #[test]
        fn a_burst_is_acted_on_once_and_not_too_late(gaps in prop::collection::vec(0_u64..400, 1..100)) {
            let mut now = Instant::now();
            let mut debouncer = ChangeDebouncer::default();
            let mut began = None;
            for (number, gap) in gaps.into_iter().enumerate() {
                debouncer.add([PathBuf::from(number.to_string())], now);
                let last_call = *began.get_or_insert(now) + LONGEST;
                let due = debouncer.due().unwrap();
                prop_assert_eq!(due, last_call.min(now + QUIET));
                now += Duration::from_millis(gap);
                match debouncer.take_due(now) {
                    Some(files) => {
                        prop_assert!(now >= due);
                        prop_assert_eq!(files.len(), number + 1);
                        prop_assert!(debouncer.take_due(now).is_none() && debouncer.due().is_none(), "once");
                        began = None;
                    }
                    None => prop_assert!(now < due),
                }
            }
        }
    }

    #[test]
    fn what_the_new_instance_finds_is_no_news_to_it() {
        let now = Instant::now();
        let mut debouncer = ChangeDebouncer::default();
        debouncer.add([PathBuf::from("a.py")], now);
        debouncer.forget();
        assert_eq!(debouncer.due(), None);
        debouncer.add([PathBuf::from("b.py")], now);
        assert_eq!(debouncer.take_due(now + QUIET).unwrap(), &BTreeSet::from([PathBuf::from("b.py")]));
    }
}
