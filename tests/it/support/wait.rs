//! Waiting until a condition holds: the only place where a test pauses.

use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// The interval between two checks.
const PACE: Duration = Duration::from_millis(20);
/// The interval where the moment itself is measured.
const CLOSE_PACE: Duration = Duration::from_millis(1);

/// Calls `look` until it returns something. `what` completes "waited for …".
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    look_every(PACE, what, || look().ok_or_else(String::new))
}

/// [`wait_for`] with a reason for each failed check, shown at the timeout.
#[track_caller]
pub(crate) fn wait_for_ok<T>(what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    look_every(PACE, what, look)
}

/// [`wait_for`] with a short interval, for states that last milliseconds.
#[track_caller]
pub(crate) fn closely<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    look_every(CLOSE_PACE, what, || look().ok_or_else(String::new))
}

#[track_caller]
fn look_every<T>(pace: Duration, what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(missing) => {
                assert!(begun.elapsed() < PATIENCE, "waited for {what}, for {PATIENCE:?}: {missing}")
            }
        }
        thread::sleep(pace);
    }
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn holds(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}
