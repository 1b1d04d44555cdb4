//! The exit status of a process, as part of a reason.

use pipulate_core::reason::Ending;
use pipulate_process::command::End;
use pipulate_process::signals;

/// Converts an exit status to its recorded form.
pub(crate) fn ending(end: End) -> Ending {
    match end {
        End::Code(code) => Ending::Code { code },
        End::Signal(number) => Ending::Signal { number, name: signals::name(number) },
        End::TimedOut => Ending::TimedOut,
        End::Unknown => Ending::Unseen,
    }
}
