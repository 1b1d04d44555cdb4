//! The description of a check: its id, its subject, and the effect of `--fix`.

use pipulate_core::finding::Finding;

use super::Examination;

/// Checks that share their evidence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// Its checks, in order.
    pub(super) checks: &'static [Check],
    pub(super) examine: fn(&Examination) -> Vec<Finding>,
}

/// One check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Check {
    /// Stable, for scripts: `python.numpy`.
    pub(super) id: &'static str,
    /// The facts it reads or the program it runs, and possible problems.
    pub(super) examines: &'static str,
    /// The effect of `--fix`, if it has one.
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
