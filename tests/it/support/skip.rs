//! Conditions that many tests have in common.

pub(crate) use super::ledger::skipped;

/// Whether root runs the tests; if not, the calling test is skipped.
#[track_caller]
pub(crate) fn unless_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skipped("root", "only root can do what it needs");
    }
    !is_root
}
