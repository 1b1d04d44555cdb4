//! Waiting until something is true: the only place where a test pauses.

use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it is until the next look.
const PACE: Duration = Duration::from_millis(20);

/// Looks until there is something to see, and returns it. `what` completes "waited for …".
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited for {what}, for {PATIENCE:?}");
        thread::sleep(PACE);
    }
}

/// Looks until a condition holds.
#[track_caller]
pub(crate) fn holds(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}
