//! Takeover of a `.pipulate` that was not made by this user on this machine: copied, cloned, or unpacked.
//!
//! Its keys and its stamp are ignored where they are read. Of its records only those whose service runs are
//! kept; the others would name processes of another folder, or reused pids.

use pipulate_core::layout::Layout;
use pipulate_process::identity;
use pipulate_store::error::StoreError;
use pipulate_store::lock::Lock;
use pipulate_store::{files, known, record};

use pipulate_supervisor::ownership::{Ownership, look_up};

/// Makes the project's `.pipulate` this user's own; returns true if it was not before. Never call this while
/// holding a lock of the project.
///
/// # Errors
/// It can't be written to, or the user's state directory can't.
pub fn take_over(layout: &Layout) -> Result<bool, StoreError> {
    if known::is_home(layout) {
        return known::remember_home(layout).map(|()| false);
    }
    let host = identity::host();
    let mut gone = record::services(layout)?;
    gone.retain(|service| look_up(layout, service, &host).1 == Ownership::Gone);
    // It may name any program.
    files::remove(&layout.program())?;
    known::remember_home(layout)?;
    if !known::is_home(layout) {
        // There is no place to remember anything.
        return Ok(false);
    }
    for service in gone {
        // Only a lock's holder may remove a record, so that the record of a start in progress stays.
        if let Ok(_owned) = Lock::acquire(&layout.lock(&service))? {
            files::remove(&layout.record(&service))?;
        }
    }
    Ok(true)
}
