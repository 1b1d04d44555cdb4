//! How a process ended, as a part of a reason.

use pipulate_core::reason::Ending;
use pipulate_process::command::End;
use pipulate_process::signals;

/// Converts an end to what a record keeps of it.
pub(crate) fn ending(end: End) -> Ending {
    match end {
        End::Code(code) => Ending::Code { code },
        End::Signal(number) => Ending::Signal { number, name: signals::name(number) },
        End::TimedOut => Ending::TimedOut,
        End::Unknown => Ending::Unseen,
    }
}
