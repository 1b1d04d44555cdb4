//! The last lines of services that failed, on the terminal.

use std::fs;

use pipulate_core::missing_module::MissingModule;
use pipulate_core::service::ServiceName;
use pipulate_engine::report::Outcome;
use pipulate_store::log::excerpt;
use pipulate_store::log::read::Start;
use pipulate_store::log::time_index::When;

use crate::commands::setup;
use crate::context::Context;

/// The number of shown lines of a failed service.
const LAST_LINES: usize = 20;

/// Shows the last lines of each failed service; returns the first service that had any.
pub(crate) fn show(context: &Context, failed: &[(ServiceName, Outcome)]) -> Option<ServiceName> {
    let mut talkative = None;
    for (service, outcome) in failed {
        if show_one(context, service, outcome) {
            talkative = talkative.or(Some(service.clone()));
        }
    }
    talkative
}

/// The install advice for each module that a failed service did not find.
pub(crate) fn missing_modules(context: &Context, failed: &[(ServiceName, Outcome)]) -> Vec<String> {
    let hint = |(service, outcome): &(ServiceName, Outcome)| {
        let Outcome::Failed { .. } = outcome else { return None };
        let start = Start::Since(When::LastStart);
        let lines =
            excerpt::last_lines(&context.project.layout, service, start, LAST_LINES, &context.masker());
        let MissingModule { module, package } = MissingModule::in_lines(&lines.ok()?)?;
        let is_listed = context.config().is_ok_and(|config| setup::lists(context, config, &package));
        Some(match is_listed {
            true => format!(
                "{service} needs {module}: {package} is listed, but not installed; run `pipulate setup`, which \
                 installs it or names the line that keeps it out"
            ),
            false => format!(
                "{service} needs {module}, which is not installed; add it with: pipulate add {package}"
            ),
        })
    };
    failed.iter().filter_map(hint).collect()
}

/// Shows the lines that a failed service printed in this start; returns false if there were none.
fn show_one(context: &Context, service: &ServiceName, outcome: &Outcome) -> bool {
    let Outcome::Failed { record } = outcome else { return false };
    let this_start = Start::Since(When::LastStart);
    let start = excerpt::telling(record.shown_state(), LAST_LINES as u64, this_start);
    let has_printed =
        fs::metadata(context.project.layout.log(service)).is_ok_and(|log| log.len() > record.log_start);
    if start == this_start && !has_printed {
        return false;
    }
    let lines = excerpt::last_lines(&context.project.layout, service, start, LAST_LINES, &context.masker());
    let lines = lines.unwrap_or_default();
    if lines.is_empty() {
        return false;
    }
    context.printer.note(format!("The last lines of {service}:"));
    for line in lines {
        context.printer.note(format!("  {line}"));
    }
    true
}
