//! `logs`: the services' output, without control sequences and without secrets.

mod follow;
mod partial;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixStream;

use jiff::Timestamp;
use pipulate_core::service::ServiceName;
use pipulate_store::error::StoreError;
use pipulate_store::log::merge::{Merged, Patience};
use pipulate_store::log::read::{self, Start};
use pipulate_store::log::time_index::When;

pub(crate) use self::follow::{Ended, Until};
use self::view::View;
use crate::call::{LineForm, LinesSettings, LogsSettings, LogsShow, Tail};
use crate::context::Context;
use crate::error::Failure;
use crate::exit_code::ExitStatus;
use crate::ui::printer::OutputError;

/// Prints lines, or the paths of the files.
pub(crate) fn logs(context: &Context, settings: LogsSettings) -> Result<ExitStatus, Failure> {
    let LogsSettings { services: asked, show } = settings;
    context.config_or_warning();
    context.refuse_unknown(&asked, &context.known_services()?)?;
    if let LogsShow::Lines(LinesSettings {
        since: Some(When::At(since)), until: Some(When::At(until)), ..
    }) = &show
        && since > until
    {
        context.printer.warning("--since is later than --until: no line can be between them");
    }
    if let LogsShow::Lines(LinesSettings { since: Some(When::At(since)), .. }) = &show
        && *since > Timestamp::now()
    {
        context.printer.warning("--since is in the future: no line is that late yet");
    }
    match show {
        LogsShow::Paths => paths(context, &asked),
        LogsShow::Lines(lines) if lines.follow => follow::follow(context, asked, &lines),
        LogsShow::Lines(lines) => {
            let services = chosen(context, asked, Scope::Existing)?;
            if services.is_empty() {
                context.printer.note("No service has printed anything yet");
            }
            let mut logs = open(context, &services, &lines)?;
            let view = View::new(context, &services, &lines, context.masker());
            print_what_is_there(context, &view, &mut logs, &lines)?;
            context
                .printer
                .data_stream(|output| logs.read_unfinished(|line| view.print(output, line).map(drop)))?;
            warn_of_unknown_times(context, &view, &lines);
            Ok(ExitStatus::Success)
        }
    }
}

/// Prints these services' output since a time, and follows it until `until`.
pub(crate) fn follow_since(
    context: &Context,
    services: &[ServiceName],
    moment: Timestamp,
    interrupted: &UnixStream,
    until: &Until<'_>,
) -> Result<Ended, Failure> {
    let lines = LinesSettings {
        tail: Tail::All,
        grep: None,
        since: Some(When::At(moment)),
        until: None,
        follow: true,
        prefix: true,
        form: LineForm::Plain,
    };
    follow::follow_until(context, services.to_vec(), &lines, interrupted, until)
}

fn paths(context: &Context, asked: &[ServiceName]) -> Result<ExitStatus, Failure> {
    for service in chosen(context, asked.to_vec(), Scope::Existing)? {
        let path = context.project.layout.log(&service);
        context.printer.exact(&[path.as_os_str().as_bytes(), b"\n"].concat())?;
    }
    Ok(ExitStatus::Success)
}

/// The services whose logs are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Services with a log.
    Existing,
    /// Also configured services without a log yet.
    Expected,
}

/// The services to show: the requested ones, each once, else all.
fn chosen(context: &Context, asked: Vec<ServiceName>, scope: Scope) -> Result<Vec<ServiceName>, Failure> {
    if !asked.is_empty() {
        let mut seen = BTreeSet::new();
        return Ok(asked.into_iter().filter(|service| seen.insert(service.clone())).collect());
    }
    Ok(services(context, scope)?)
}

/// The services that have a log, or may have one soon, in the order of the configuration.
///
/// # Errors
/// The folder of the logs can't be listed.
pub(crate) fn services(context: &Context, scope: Scope) -> Result<Vec<ServiceName>, StoreError> {
    let mut left = read::services(&context.project.layout)?;
    let mut services = Vec::new();
    for service in context.project.services() {
        // The dashboard is only started by name.
        let is_expected = scope == Scope::Expected && service.as_str() != ServiceName::DASHBOARD;
        if left.remove(&service) || is_expected {
            services.push(service);
        }
    }
    services.extend(left);
    Ok(services)
}

/// Opens the logs at the first line that may be shown.
fn open(context: &Context, services: &[ServiceName], lines: &LinesSettings) -> Result<Merged, Failure> {
    let start = match (lines.since, lines.tail) {
        (Some(since), _) => Start::Since(since),
        (None, Tail::Lines(count)) if !lines.choose() => Start::Tail(count),
        (None, Tail::Lines(_) | Tail::All) => Start::Oldest,
    };
    let logs = Merged::open(&context.project.layout, services, start, lines.until)?;
    for (place, service) in services.iter().enumerate() {
        let moments = [lines.since, lines.until].into_iter().flatten();
        for moment in moments.filter(|&moment| !logs.knows(place, moment)) {
            let what = match moment {
                When::At(_) => continue,
                When::LastStart => "was last started",
                When::LastReady => "was last ready",
            };
            context
                .printer
                .warning(format!("could not tell when {service} {what}; all of its lines are shown"));
        }
    }
    Ok(logs)
}

/// Prints the lines that existed when the logs were opened.
fn print_what_is_there(
    context: &Context,
    view: &View,
    logs: &mut Merged,
    lines: &LinesSettings,
) -> Result<(), Failure> {
    context.printer.data_stream(|output| match lines.tail {
        Tail::Lines(count) if lines.choose() => {
            // The last ones of those that match, which are only known at the end.
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            let mut kept: BTreeMap<usize, VecDeque<(u64, Vec<u8>)>> = BTreeMap::new();
            let mut number = 0;
            logs.read(Patience::None, |line| {
                let mut text = Vec::new();
                if view.print(&mut text, line)? {
                    let kept = kept.entry(line.service).or_default();
                    kept.push_back((number, text));
                    number += 1;
                    if kept.len() > count {
                        kept.pop_front();
                    }
                }
                Ok::<(), OutputError>(())
            })?;
            let mut kept: Vec<_> = kept.into_values().flatten().collect();
            kept.sort_unstable_by_key(|(number, _)| *number);
            kept.iter().try_for_each(|(_, text)| Ok(output.write_all(text)?))
        }
        Tail::Lines(_) | Tail::All => logs.read(Patience::None, |line| view.print(output, line).map(drop)),
    })
}

/// Warns if a requested time is unknown; returns true if it did.
fn warn_of_unknown_times(context: &Context, view: &View, lines: &LinesSettings) -> bool {
    let by_clock = |moment: Option<When>| moment.is_some_and(|moment| matches!(moment, When::At(_)));
    let what = match lines.form {
        LineForm::Timed => "their times are the latest that they can be",
        LineForm::Json => "their time is null",
        LineForm::Plain if by_clock(lines.since) || by_clock(lines.until) => "they may not belong here",
        LineForm::Plain => return false,
    };
    if view.met_unknown_time() {
        context.printer.warning(format!("it is not known when some of these lines came; {what}"));
    }
    view.met_unknown_time()
}

#[cfg(test)]
mod tests;
