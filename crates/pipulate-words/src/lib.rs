//! The English for the values of `pipulate-core`: one place for the terminal, the page and JSON.
//!
//! Pure functions from values to sentences. Every sentence is a fragment without a capital letter and
//! without a final full stop, and safe for a terminal.

mod answer;
mod parts;
mod reason;
mod refusal;
mod work;

pub use answer::{Tone, alert, line, note as request_note};
pub use parts::{advice_against, fate, holder};
pub use reason::{note, reason, reasons};
pub use work::{loss, work};

use pipulate_core::status::{Doubt, ServiceStatus};
use pipulate_core::text::printable;

/// Returns the sentence for an undetermined fact about a project; it stands alone.
pub fn doubt(doubt: &Doubt) -> String {
    match doubt {
        Doubt::Unreadable { problem } => printable(&problem.to_string()),
        Doubt::Service { service, why } => format!("{service}: {}", reason(why, service)),
    }
}

/// Returns how much is missing in a service's log, and what to do.
pub fn lost_lines(service: &ServiceStatus) -> Option<String> {
    let lines = match service.log_dropped {
        1 => "1 line".to_owned(),
        count => format!("{count} lines"),
    };
    match (&service.log_trouble, service.log_dropped) {
        (None, 0) => None,
        (None, _) => Some(format!("{lines} of its log were dropped, because there was no room for them")),
        (Some(why), _) => {
            Some(format!("its log can't be written: {why}; {lines} dropped so far; make room on that disk"))
        }
    }
}
