//! What a check is: an id, what it examines, and what `--fix` does about it.

use pipulate_core::finding::Finding;

use super::Examination;

/// Checks that share their evidence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// What it answers for, in order.
    pub(super) checks: &'static [Check],
    pub(super) examine: fn(&Examination) -> Vec<Finding>,
}

/// One thing that is examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Check {
    /// Stable, for scripts: `python.numpy`.
    pub(super) id: &'static str,
    /// What is looked at or run, and what would be wrong.
    pub(super) examines: &'static str,
    /// What `--fix` does about it, where it may do something.
    pub(super) mends: Option<&'static str>,
}

impl Check {
    pub(super) const fn new(id: &'static str, examines: &'static str) -> Self {
        Self { id, examines, mends: None }
    }

    pub(super) const fn mended_by(mut self, deed: &'static str) -> Self {
        self.mends = Some(deed);
        self
    }
}
