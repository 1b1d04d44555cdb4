//! What a person should know beside the outcome of a request, in words.

use pipulate_engine::project::Note;

use super::printer::Printer;

/// Says it on the terminal.
pub(crate) fn say(printer: &Printer, note: &Note) {
    let text = text(note);
    match note {
        Note::NotListed { .. }
        | Note::ConfigIgnored { .. }
        | Note::SecretsMissing { .. }
        | Note::SecretsUnread { .. } => printer.warning(text),
        Note::NotRemembered { .. } | Note::LogsUnread { .. } => printer.detail(text),
        Note::NewHome { .. }
        | Note::CopiedHome
        | Note::RunMoved { .. }
        | Note::Upgraded { .. }
        | Note::HasKernels { .. }
        | Note::NotConfigured { .. } => printer.note(text),
    }
}

/// The sentence for a note.
pub(crate) fn text(note: &Note) -> String {
    match note {
        Note::NewHome { root } => format!("A new home: {root}"),
        Note::CopiedHome => {
            "This .pipulate was copied or came with the folder; it gets keys of its own".to_owned()
        }
        Note::RunMoved { run } => format!("This folder can't hold what a home needs; it is kept in: {run}"),
        Note::NotRemembered { error } => format!("this home will not be known as your own: {error}"),
        Note::NotListed { error } => {
            format!("this project will be missing in `status --all`: {error}")
        }
        Note::Upgraded { service } => {
            format!("The supervisor of {service} makes way for this version of Pipulate")
        }
        Note::HasKernels { service, kernels } => {
            let kernels = if *kernels == 1 { "a kernel".to_owned() } else { format!("{kernels} kernels") };
            format!(
                "{service} was not restarted: it has {kernels}; restart it with: pipulate restart {service}"
            )
        }
        Note::NotConfigured { service } => format!(
            "{service} was not restarted: pipulate.toml would not bring it back; end it with: pipulate stop {service}"
        ),
        Note::ConfigIgnored { file, error } => format!("{file} is ignored: {error}"),
        Note::SecretsMissing { names } => {
            format!("secrets are missing: {}", names.join(", "))
        }
        Note::SecretsUnread { error } => error.clone(),
        Note::LogsUnread { error } => format!("older logs could not be looked at: {error}"),
    }
}
