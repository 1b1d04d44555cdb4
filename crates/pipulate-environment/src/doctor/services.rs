//! The state of the services: crashed ones, unsupervised ones, and stale records.

use pipulate_core::finding::{Finding, Fix};
use pipulate_core::reason::Reason;
use pipulate_core::service::ServiceName;
use pipulate_core::state::{ServiceState, Wanted};
use pipulate_core::status::{Doubt, ServiceStatus};
use pipulate_store::config_drift;
use pipulate_store::log::excerpt;
use pipulate_store::log::read::Start;
use pipulate_store::log::secrets;
use pipulate_store::record;

use super::check::{Check, Group};
use super::{Examination, failure, project, skipped, warning};

const RUNNING: &str = "services.running";
const SUPERVISED: &str = "services.supervised";
const SETTINGS: &str = "services.settings";
const WATCHING: &str = "services.watching";
const RECORDS: &str = "services.records";

pub(super) const SERVICES: Group = Group {
    checks: &[
        Check::new(RUNNING, "whether each service that should run does; of one that crashed, its last lines"),
        Check::new(SUPERVISED, "whether each running service has its supervisor")
            .mended_by("runs `pipulate start` for that service, which takes over without restarting it"),
        Check::new(SETTINGS, "whether each service runs with the current settings in pipulate.toml"),
        Check::new(
            WATCHING,
            "whether saves restart services as they should: no loop, nothing that is not seen",
        ),
        Check::new(
            RECORDS,
            "the records in `.pipulate/run`: can they be read, and is what they speak of there",
        ),
    ],
    examine: |examination| {
        vec![
            running(examination),
            supervised(examination),
            settings(examination),
            watching(examination),
            records(examination),
        ]
    },
};

/// The number of last log lines, to fit on a page with others.
const LINES: u64 = 5;

fn running(examination: &Examination) -> Finding {
    let unwell = examination
        .status
        .services
        .iter()
        .find(|service| service.state.is_in_trouble() && service.wanted == Wanted::Run);
    // Services that were ended from outside belong to the check of the records.
    let Some(service) = unwell.filter(|service| !is_stale(examination, service)) else {
        return Finding::ok(
            RUNNING,
            match examination.alive {
                true => "The services that should run are running",
                false => "No service has crashed",
            },
        );
    };
    let name = &service.name;
    let reason = pipulate_words::reasons(&service.reasons, name);
    let mut detail = vec![reason.or_else(|| how_it_ended(service)).unwrap_or_default()];
    detail.extend(last_lines(examination, service));
    detail.retain(|line| !line.is_empty());
    let finding = match service.state {
        ServiceState::Degraded if service.is_in_background() => {
            warning(RUNNING, format!("{name} put itself into the background"))
        }
        ServiceState::Degraded => warning(RUNNING, format!("{name} is running but not responding")),
        ServiceState::Crashed => failure(RUNNING, format!("{name} has crashed")),
        ServiceState::Backoff
        | ServiceState::Unstable
        | ServiceState::Stopped
        | ServiceState::Exited
        | ServiceState::Running
        | ServiceState::Ready
        | ServiceState::Stopping
        | ServiceState::Starting
        | ServiceState::Unsupervised
        | ServiceState::Unknown => failure(RUNNING, format!("{name} keeps crashing")),
    };
    // A start skips running services.
    let runs = matches!(service.state, ServiceState::Degraded | ServiceState::Unstable);
    let (verb, words) = match runs || service.is_in_background() {
        true => ("restart", "restart it"),
        false => ("start", "start it again"),
    };
    let text = format!("read what it printed (pipulate logs {name}), fix it, and {words}");
    let command = examination.pipulate(&[verb, name.as_str()]);
    finding.detail(detail.join("\n")).command(text, command)
}

fn how_it_ended(service: &ServiceStatus) -> Option<String> {
    let exit = service.last_exit?;
    Some(match (exit.code, exit.signal) {
        (Some(code), _) => format!("it ended with code {code}"),
        (None, Some(signal)) => format!("signal {signal} ended it"),
        (None, None) => return None,
    })
}

/// Its last lines, without secrets and control sequences.
fn last_lines(examination: &Examination, service: &ServiceStatus) -> Vec<String> {
    let start = excerpt::telling(service.state, LINES, Start::Tail(LINES));
    let masker = secrets::of_home(&examination.layout, examination.config.as_ref().ok()).masker;
    let lines = excerpt::last_lines(&examination.layout, &service.name, start, usize::MAX, &masker);
    lines.unwrap_or_default().into_iter().map(|line| format!("| {line}")).collect()
}

fn supervised(examination: &Examination) -> Finding {
    let alone: Vec<&str> = examination
        .status
        .services
        .iter()
        .filter(|service| service.state == ServiceState::Unsupervised)
        .map(|service| service.name.as_str())
        .collect();
    if alone.is_empty() {
        return Finding::ok(SUPERVISED, "Every running service has its supervisor");
    }
    let finding = warning(
        SUPERVISED,
        format!("{} has no supervisor, the process that writes its log and restarts it", alone.join(", ")),
    )
    .detail("after 64 KiB of output it has to wait, and it is not restarted when it ends");
    let command =
        examination.pipulate(&[&["start", "--no-setup", "--no-browser"], alone.as_slice()].concat());
    finding.fix(Fix::command("take over without restarting it", command).automatic())
}

fn settings(examination: &Examination) -> Finding {
    let Ok(config) = &examination.config else {
        return skipped(SETTINGS, "Not checked: pipulate.toml can't be read");
    };
    let services: Vec<ServiceName> =
        examination.status.services.iter().map(|service| service.name.clone()).collect();
    let drift = config_drift::of(&examination.layout, config, &services);
    let Some(first) = drift.first() else {
        return Finding::ok(SETTINGS, "Services run with the current settings in pipulate.toml");
    };
    let words: Vec<String> =
        drift.iter().map(|drift| pipulate_words::note(&drift.reason(), &drift.service)).collect();
    let command = examination.pipulate(&["restart", first.service.as_str()]);
    warning(SETTINGS, "A service runs with settings that differ from pipulate.toml")
        .detail(words.join("\n"))
        .command("restart it", command)
}

fn watching(examination: &Examination) -> Finding {
    let is_of_watching = |note: &&Reason| {
        matches!(
            note,
            Reason::WatchIncomplete { .. } | Reason::SavesItself { .. } | Reason::ReloadsItself { .. }
        )
    };
    let notes = examination.status.services.iter().flat_map(|service| {
        let said = service.notes.iter().chain(&service.reasons).filter(is_of_watching);
        said.map(|note| pipulate_words::note(note, &service.name))
    });
    let mut words: Vec<String> = notes.collect();
    words.dedup();
    match words.is_empty() {
        true => Finding::ok(WATCHING, "Saves restart services as they should"),
        false => warning(WATCHING, "Saves do not restart a service as they should").detail(words.join("\n")),
    }
}

fn records(examination: &Examination) -> Finding {
    let status = &examination.status;
    if project::obstacle(examination) == Some(project::PRIVATE) {
        return skipped(RECORDS, "Not checked: .pipulate is not a folder");
    }
    if let Some(problem) = status.unknown.first() {
        let finding = warning(RECORDS, "The record of a service can't be trusted")
            .detail(pipulate_words::doubt(problem));
        return match problem {
            Doubt::Service { why: Reason::RecordsDeleted, .. } => {
                finding.command("end it", examination.pipulate(&["stop"]))
            }
            _ => finding.advice(
                "if nothing of this home runs elsewhere (another machine, a container), remove that file",
            ),
        };
    }
    let stale: Vec<&str> = status
        .services
        .iter()
        .filter(|service| is_stale(examination, service))
        .map(|service| service.name.as_str())
        .collect();
    if stale.is_empty() {
        return Finding::ok(RECORDS, "The records match what is running");
    }
    let files: Vec<String> =
        stale.iter().map(|name| format!("{}/{name}.json", examination.layout.run().display())).collect();
    let finding =
        failure(RECORDS, format!("{} was ended from outside, with its supervisor", stale.join(", ")))
            .detail(format!("read: {}; the processes that it names are gone", files.join(", ")));
    let command = examination.pipulate(&[&["start"], stale.as_slice()].concat());
    let text = format!("start it again; or say that it is stopped, with: {}", examination.typed("stop"));
    finding.command(text, command)
}

/// Returns true if its record names processes that no longer exist.
fn is_stale(examination: &Examination, service: &ServiceStatus) -> bool {
    let record = || record::read(&examination.layout, &service.name).ok().flatten();
    let speaks_of_a_process =
        || record().is_some_and(|record| record.main.is_some() || record.supervisor.is_some());
    !service.is_there() && speaks_of_a_process()
}
