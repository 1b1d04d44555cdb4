//! Ctrl-C: a verb that waits ends with 130. What it started goes on: it was asked for.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use crate::exit_code::ExitStatus;

/// Whether Ctrl-C still ends the program.
static ENDS: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(false)));

/// From now on Ctrl-C ends the program with 130.
///
/// # Errors
/// The system refuses the handler.
pub(crate) fn ends_with_130() -> io::Result<()> {
    if !ENDS.swap(true, Ordering::SeqCst) {
        let code = ExitStatus::Interrupted.code().into();
        signal_hook::flag::register_conditional_shutdown(
            signal_hook::consts::SIGINT,
            code,
            Arc::clone(&ENDS),
        )?;
    }
    Ok(())
}

/// From now on whoever else listens to Ctrl-C decides.
pub(crate) fn is_handled_elsewhere() {
    ENDS.store(false, Ordering::SeqCst);
}
