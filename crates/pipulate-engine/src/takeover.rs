//! A `.pipulate` that was not made here, by this user on this machine: copied, cloned, or unpacked.
//!
//! Its keys and its stamp are not believed where they are read. Of its records those stay whose service runs;
//! the others would go on naming processes of another folder, or of nobody's.

use pipulate_core::layout::Layout;
use pipulate_process::identity;
use pipulate_store::error::StoreError;
use pipulate_store::lock::Lock;
use pipulate_store::{files, known, record};

use pipulate_supervisor::ownership::{Ownership, look_up};

/// Makes the project's `.pipulate` this user's own; whether it was not before. Never call this where a lock of
/// the project is held.
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
        // There is nowhere to remember anything.
        return Ok(false);
    }
    for service in gone {
        // Its owner alone may remove a record, so that none of a start that has just begun is.
        if let Ok(_owned) = Lock::acquire(&layout.lock(&service))? {
            files::remove(&layout.record(&service))?;
        }
    }
    Ok(true)
}
