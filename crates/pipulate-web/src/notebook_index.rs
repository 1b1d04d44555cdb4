//! An index of the folder's notebooks. Each is read once per change, and one pass over a large folder is
//! limited in time: the rest is read in the next pass.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pipulate_store::notebooks::{Found, LARGEST};

use crate::notebook::{Run, Summary};
use crate::world::Notebooks;

/// The time limit for reading notebooks in one pass.
const PATIENCE: Duration = Duration::from_millis(500);

/// The notebooks at one moment.
#[derive(Debug, Default)]
pub(crate) struct Indexed {
    /// Sorted by last change, newest first.
    pub(crate) known: Vec<Known>,
    /// There are more, which were not searched for.
    pub(crate) is_cut: bool,
}

/// A notebook and the summary of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) path: String,
    pub(crate) changed: Timestamp,
    /// In bytes.
    size: u64,
    pub(crate) summary: Summary,
}

/// The result of the last pass.
#[derive(Default)]
pub(crate) struct NotebookIndex {
    looked: Option<Instant>,
    indexed: Arc<Indexed>,
}

impl NotebookIndex {
    /// Makes another pass if the last one is older than `pace`.
    pub(crate) fn look(&mut self, notebooks: &dyn Notebooks, pace: Duration, now: Instant) -> Arc<Indexed> {
        if self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < pace) {
            return Arc::clone(&self.indexed);
        }
        let listing = notebooks.list();
        let before: HashMap<&str, &Known> =
            self.indexed.known.iter().map(|known| (known.path.as_str(), known)).collect();
        let begin = Instant::now();
        let known = listing.notebooks.into_iter().map(|found| {
            let last = before.get(found.path.as_str()).copied();
            Known::new(notebooks, found, last, begin.elapsed() < PATIENCE)
        });
        let indexed = Indexed { known: known.collect(), is_cut: listing.is_cut };
        let is_whole = indexed.known.iter().all(|known| known.summary.run != Run::Unread);
        self.looked = is_whole.then_some(now);
        self.indexed = Arc::new(indexed);
        Arc::clone(&self.indexed)
    }
}

impl Known {
    fn new(notebooks: &dyn Notebooks, found: Found, last: Option<&Self>, may_read: bool) -> Self {
        let Found { path, changed, size } = found;
        let same = last.filter(|last| (last.changed, last.size) == (changed, size));
        let summary = match same.map(|last| &last.summary).filter(|summary| summary.run != Run::Unread) {
            Some(summary) => summary.clone(),
            None if size > LARGEST => Summary::nothing(Run::TooLarge),
            None if !may_read => Summary::nothing(Run::Unread),
            None => match notebooks.read(&path) {
                Ok((file, _)) => Summary::of(&file),
                Err(error) => Summary::nothing(Run::Broken(error.to_string())),
            },
        };
        Self { path, changed, size, summary }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fake::FakeWorld;

    const EMPTY: &str = r#"{"nbformat": 4, "cells": []}"#;

    #[test]
    fn a_notebook_is_read_again_when_it_has_changed() {
        let world = FakeWorld::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let write = |text: &str, second| {
            *world.notebooks.lock().unwrap() = vec![("a.ipynb".to_owned(), text.to_owned(), at(second))];
        };
        let (mut index, begin) = (NotebookIndex::default(), Instant::now());
        let mut look = |second| {
            let now = begin + Duration::from_secs(second);
            let indexed = index.look(&world, Duration::from_secs(5), now);
            let reads = std::mem::take(&mut *world.notebook_reads.lock().unwrap());
            (indexed.known[0].summary.run.clone(), reads.len())
        };
        write(EMPTY, 1);
        assert_eq!(look(0), (Run::Never, 1));
        write("{", 2);
        assert_eq!(look(1), (Run::Never, 0), "the last look is fresh");
        let (run, reads) = look(6);
        assert!(matches!(run, Run::Broken(_)) && reads == 1, "{run:?}");
        assert_eq!(look(20).1, 0, "it has not changed");
    }
}
