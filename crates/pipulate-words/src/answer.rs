//! The result of a request, as sentences.

use pipulate_core::answer::{Alert, Line, Note};
use pipulate_core::reason::Reason;
use pipulate_core::receipt::{Named, Receipt};
use pipulate_core::service::ServiceName;
use pipulate_core::text::printable;

use crate::parts::fate;
use crate::reason::{note as of_service, reason};

/// The tone of a word, for renderers with colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
}

/// Returns the sentence for an alert.
pub fn alert(alert: &Alert) -> String {
    match alert {
        Alert::ConfigUnusable { file, error } => {
            format!("{file} can't be used, so services that don't run are missing here: {error}")
        }
        Alert::NewerInstalled => {
            "a newer Pipulate is installed than the one that runs this page; restart this app to use it"
                .to_owned()
        }
        Alert::PackagesDiffer { difference } => difference.clone(),
        Alert::SettingsDiffer { service, keys } => {
            of_service(&Reason::SettingsChanged { keys: keys.clone() }, service)
        }
    }
}

/// Returns the sentence for a line; the details of a receipt are in lines below the first one. `paint` colors
/// a word.
pub fn line(line: &Line, paint: &dyn Fn(Tone, String) -> String) -> String {
    match line {
        Line::AllUp => "everything is running already".to_owned(),
        Line::NothingRuns => "nothing was restarted: nothing is running".to_owned(),
        Line::Started { services } => format!("started {}", names(services)),
        Line::TookOver { services } => format!("took over {}", names(services)),
        Line::Restarted { service } => format!("Restarted {service}"),
        Line::Stopped { service, receipt } => stopped(service, receipt, paint),
        Line::StoppedUnrecorded { service, why } => {
            format!("{} {service}, {}", paint(Tone::Good, "Stopped".to_owned()), unrecorded(service, why))
        }
        Line::StartWithdrawn { service } => {
            format!("{service} had not started yet, and will not be started")
        }
        Line::EndedKernel { notebook } => {
            format!("  ended with it: the kernel of {}, with its variables", printable(notebook))
        }
        Line::Left { services, processes } => {
            let of = if services.is_empty() { String::new() } else { format!("{}: ", names(services)) };
            let tone = if *processes == 0 { Tone::Good } else { Tone::Bad };
            format!("{of}{}", paint(tone, format!("{} left", counted(*processes))))
        }
        Line::OfService { service, note } => format!("warning: {}", of_service(note, service)),
        Line::Note(said) if said.is_warning() => format!("warning: {}", note(said)),
        Line::Note(said) => note(said),
    }
}

/// Returns the sentence for a note.
pub fn note(note: &Note) -> String {
    match note {
        Note::NewHome { root } => format!("A new home: {root}"),
        Note::CopiedHome => {
            "This .pipulate was copied or came with the folder; it gets keys of its own".to_owned()
        }
        Note::RunMoved { run } => format!("This folder can't hold what a home needs; it is kept in: {run}"),
        Note::NotRemembered { error } => format!("this home will not be known as your own: {error}"),
        Note::NotListed { error } => format!("this project will be missing in `status --all`: {error}"),
        Note::Upgraded { service } => {
            format!("The supervisor of {service} is replaced by this version of Pipulate")
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
        Note::SecretsMissing { names } => format!("secrets are missing: {}", names.join(", ")),
        Note::SecretsUnread { error } => error.to_string(),
        Note::LogsUnread { error } => format!("could not check older logs: {error}"),
    }
}

fn stopped(service: &ServiceName, receipt: &Receipt, paint: &dyn Fn(Tone, String) -> String) -> String {
    let count = usize::try_from(receipt.stopped).unwrap_or(usize::MAX);
    let stopped = paint(Tone::Good, "Stopped".to_owned());
    let mut lines = vec![format!("{stopped} {service}: {} in {:.1} s", counted(count), receipt.seconds)];
    let mut list = |title: &str, named: &[Named]| {
        let of = |named: &Named| {
            let name = printable(&named.name);
            format!("  {title}: {name} (pid {}), {}", named.pid, fate(&named.why))
        };
        lines.extend(named.iter().map(of));
    };
    list("forced", &receipt.forced);
    list("left running", &receipt.left);
    list("still alive", &receipt.survivors);
    lines.join("\n")
}

/// The sentence for a stopped service without a record.
fn unrecorded(service: &ServiceName, why: &Reason) -> String {
    match why {
        Reason::RecordsDeleted => "whose records had been deleted".to_owned(),
        Reason::SupervisorFailed => "which can't be written down; see supervisor.log".to_owned(),
        why => format!("which can't be written down: {}", reason(why, service)),
    }
}

fn counted(processes: usize) -> String {
    if processes == 1 { "1 process".to_owned() } else { format!("{processes} processes") }
}

fn names(services: &[ServiceName]) -> String {
    services.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use pipulate_core::config::ConfigError;
    use pipulate_core::project::AbsPath;

    use super::*;

    #[test]
    fn every_alert_says_what_to_do() {
        let file = AbsPath::new("/home/me/demo/pipulate.toml").unwrap();
        let error = ConfigError { message: "unknown field `porrt`".to_owned() };
        let service = ServiceName::parse("worker").unwrap();
        let difference = "requirements.txt was changed; install it with: pipulate setup".to_owned();
        let alerts = [
            Alert::ConfigUnusable { file, error },
            Alert::NewerInstalled,
            Alert::PackagesDiffer { difference },
            Alert::SettingsDiffer { service, keys: vec!["port".to_owned()] },
        ];
        insta::assert_snapshot!(alerts.iter().map(alert).collect::<Vec<_>>().join("\n"));
    }
}
