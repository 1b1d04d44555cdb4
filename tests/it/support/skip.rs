//! Conditions that several tests share.

pub(crate) use super::ledger::skipped;

/// Returns true, and records the skip, unless root runs the tests.
#[track_caller]
pub(crate) fn unless_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skipped("root", "only root can do what it needs");
    }
    !is_root
}
