//! The tool `logs`: the lines of `pipulate logs --json`, limited in number and size.

use jiff::Zoned;
use pipulate_core::pattern;
use pipulate_core::service::ServiceName;
use pipulate_core::units::counted;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answers::Answer;
use crate::call::{LineForm, LinesSettings, LogsSettings, LogsShow, Tail};
use crate::commands::logs;
use crate::context::Context;
use crate::style::Style;

const DEFAULT_LINES: u64 = 100;
const MOST_LINES: u64 = 1000;
/// The limit for the texts of all lines, in bytes.
const MOST_TEXT: usize = 256 << 10;

/// Of `logs`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LogsArguments {
    /// Only this service. Default: all.
    pub(super) service: Option<String>,
    /// How many of the last lines of those that the rest chooses. Default: 100.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) lines: Option<u64>,
    /// Only lines since then: a time of RFC 3339, "10m" for ten minutes ago, "14:02", "yesterday", "last-start" or
    /// "last-ready".
    pub(super) since: Option<String>,
    /// Only lines in which this regular expression is found; capitals matter if it has one.
    pub(super) grep: Option<String>,
}

/// Lines of the logs.
#[derive(Serialize, JsonSchema)]
pub(super) struct LogsJson {
    schema: u32,
    lines: Vec<LineJson>,
    /// How many of the oldest chosen lines were left out because they are too much at once.
    omitted: usize,
    /// What to know about the choice, such as times that are not known.
    warnings: Vec<String>,
}

/// A line of a log.
#[derive(Serialize, Deserialize, JsonSchema)]
struct LineJson {
    /// When it came, in RFC 3339; null if that is not known.
    time: Option<String>,
    service: String,
    /// Without control characters, secrets masked.
    text: String,
    /// Where it begins in what the service has printed, in bytes.
    offset: u64,
}

/// The lines that match these arguments.
pub(super) fn logs(context: &Context, wanted: LogsArguments) -> Answer {
    let settings = match settings(wanted) {
        Ok(settings) => settings,
        Err(wrong) => return Answer::refused(wrong),
    };
    let (printer, printed) = context.printer.captured();
    if let Err(failure) = logs::logs(&context.printing_with(printer), settings) {
        return Answer::refused(failure.render(Style::plain()).trim_end());
    }
    let mut lines: Vec<LineJson> =
        printed.stdout().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let omitted = too_many(&lines);
    lines.drain(..omitted);
    let warnings: Vec<String> = printed.stderr().lines().map(ToOwned::to_owned).collect();
    let text = lines.iter().map(|line| format!("{} | {}", line.service, line.text));
    let omission = (omitted > 0).then(|| format!("({} before these left out)", counted(omitted, "line")));
    let nothing = lines.is_empty().then(|| "no lines".to_owned());
    let text: Vec<String> = warnings.iter().cloned().chain(omission).chain(text).chain(nothing).collect();
    Answer::done(text.join("\n"), &LogsJson { schema: 1, omitted, warnings, lines })
}

fn settings(wanted: LogsArguments) -> Result<LogsSettings, String> {
    let service = wanted.service.as_deref().map(ServiceName::parse).transpose()?;
    let lines = wanted.lines.unwrap_or(DEFAULT_LINES);
    if !(1..=MOST_LINES).contains(&lines) {
        return Err(format!("lines is a number from 1 to {MOST_LINES}"));
    }
    let since = wanted.since.as_deref();
    let since = since.map(|text| pipulate_store::log::when::parse(text, &Zoned::now())).transpose()?;
    let grep = wanted.grep.as_deref().map(pattern::as_typed).transpose()?;
    let lines = LinesSettings {
        tail: Tail::Lines(lines),
        grep,
        since,
        until: None,
        follow: false,
        prefix: false,
        form: LineForm::Json,
    };
    Ok(LogsSettings { services: service.into_iter().collect(), show: LogsShow::Lines(lines) })
}

/// The number of oldest lines that exceed the limit.
fn too_many(lines: &[LineJson]) -> usize {
    let most = usize::try_from(MOST_LINES).unwrap_or(usize::MAX);
    let mut room = MOST_TEXT;
    let fits = |line: &&LineJson| {
        let left = room.checked_sub(line.text.len());
        room = left.unwrap_or(0);
        left.is_some()
    };
    lines.len() - lines.iter().rev().take(most).take_while(fits).count()
}
