//! The notes that come with the outcome of a request, in words.

use pipulate_core::answer::Note;

use super::printer::Printer;

/// Prints a note on the terminal.
pub(crate) fn say(printer: &Printer, note: &Note) {
    let text = pipulate_words::request_note(note);
    match note {
        note if note.is_warning() => printer.warning(text),
        Note::NotRemembered { .. } | Note::LogsUnread { .. } => printer.detail(text),
        Note::NewHome { .. }
        | Note::CopiedHome
        | Note::RunMoved { .. }
        | Note::Upgraded { .. }
        | Note::HasKernels { .. }
        | Note::NotConfigured { .. }
        | Note::NotListed { .. }
        | Note::ConfigIgnored { .. }
        | Note::SecretsMissing { .. }
        | Note::SecretsUnread { .. } => printer.note(text),
    }
}
