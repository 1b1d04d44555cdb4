//! `status` for people: a table, its kernels indented, and a sentence where needed.

use std::time::Duration;

use jiff::Timestamp;
use pipulate_core::state::ServiceState;
use pipulate_core::status::{KernelInfo, LastExit, ProjectStatus, ServiceStatus};
use pipulate_core::text::printable;
use pipulate_core::units::{length_of_time, percent, size};

use crate::style::Style;

const HEADINGS: [&str; 9] = ["SERVICE", "STATE", "PID", "UPTIME", "RESTARTS", "CPU", "MEMORY", "PORT", "URL"];

/// The columns that a narrow terminal omits, least important first.
const DISPENSABLE: [&str; 6] = ["RESTARTS", "PORT", "CPU", "PID", "MEMORY", "UPTIME"];

/// The text of an empty cell.
const NOTHING: &str = "-";

/// The project's name, folder and state in one line.
pub(crate) fn heading(status: &ProjectStatus, style: Style) -> String {
    let state = status.state();
    let (name, root) = (printable(&status.name), printable(&status.root.to_string()));
    format!("{} {} {}", style.bold(name), style.state(state, state), style.dim(root))
}

/// The services of a project, without a line break at the end. `now` is the reference for past times; `room`
/// is the terminal's width, if there is one.
pub(crate) fn table(status: &ProjectStatus, now: Timestamp, style: Style, room: Option<usize>) -> String {
    let mut rows: Vec<Row> = status.services.iter().map(|service| Row::of(service, now)).collect();
    let mut headings = HEADINGS.map(str::to_owned).to_vec();
    let mut widths = widths([&headings[..]].into_iter().chain(rows.iter().map(|row| &row.cells[..])));
    for name in DISPENSABLE {
        if room.is_none_or(|room| widths.iter().sum::<usize>() + 2 * (widths.len() - 1) <= room) {
            break;
        }
        if let Some(column) = headings.iter().position(|heading| heading == name) {
            headings.remove(column);
            rows.iter_mut().for_each(|row| drop(row.cells.remove(column)));
            widths.remove(column);
        }
    }
    let mut lines = vec![style.bold(aligned(&headings, &widths, |_, cell| cell))];
    for row in rows {
        lines.push(aligned(&row.cells, &widths, |column, cell| match &*headings[column] {
            "STATE" => style.state(row.state, cell),
            "URL" => style.hint(cell),
            _ => cell,
        }));
        lines.extend(row.kernels);
        lines.extend(row.reason.map(|reason| format!("  {}", style.state(row.state, reason))));
        lines.extend(row.notes.iter().map(|note| format!("  {}", style.warning(note))));
        lines.extend(row.log.map(|log| format!("  {}", style.warning(log))));
    }
    lines.join("\n")
}

struct Row {
    state: ServiceState,
    cells: Vec<String>,
    kernels: Vec<String>,
    reason: Option<String>,
    notes: Vec<String>,
    /// The gaps in its log.
    log: Option<String>,
}

impl Row {
    fn of(service: &ServiceStatus, now: Timestamp) -> Self {
        let live = service.live.as_ref();
        let or_nothing = |cell: Option<String>| cell.unwrap_or_else(|| NOTHING.to_owned());
        let cells = vec![
            service.name.to_string(),
            service.state.to_string(),
            or_nothing(live.map(|live| live.pid.to_string())),
            or_nothing(live.map(|live| length_of_time(live.uptime_seconds))),
            service.restarts.to_string(),
            or_nothing(live.map(|live| percent(live.cpu_percent))),
            or_nothing(live.map(|live| size(live.memory_bytes))),
            or_nothing(service.port.map(|port| port.to_string())),
            or_nothing(service.url.clone()),
        ];
        let kernels = live.map(|live| live.kernels.as_slice()).unwrap_or_default();
        let reason = reason(service, now);
        // The row already names the service.
        let unsaid = service.notes.iter().filter(|note| !service.reasons.contains(note));
        let notes = unsaid.map(|note| pipulate_words::reason(note, &service.name)).collect();
        Self {
            state: service.state,
            cells: cells.iter().map(|cell| printable(cell)).collect(),
            kernels: kernels.iter().map(kernel_line).collect(),
            reason,
            notes,
            log: pipulate_words::lost_lines(service),
        }
    }
}

fn kernel_line(kernel: &KernelInfo) -> String {
    format!("  └ kernel {} (pid {})", printable(&kernel.name), kernel.pid)
}

/// The reason for the state; for a bad end without a reason, how it ended.
pub(crate) fn reason(service: &ServiceStatus, now: Timestamp) -> Option<String> {
    let said = || pipulate_words::reasons(&service.reasons, &service.name);
    let ended = || service.last_exit.map(|exit| end(exit, now));
    match service.state {
        ServiceState::Crashed | ServiceState::Backoff | ServiceState::Exited => said().or_else(ended),
        ServiceState::Stopped
        | ServiceState::Starting
        | ServiceState::Ready
        | ServiceState::Running
        | ServiceState::Degraded
        | ServiceState::Unstable
        | ServiceState::Stopping
        | ServiceState::Unsupervised => said(),
        // A warning beside the table has the reason.
        ServiceState::Unknown => None,
    }
}

fn end(exit: LastExit, now: Timestamp) -> String {
    let how = match (exit.code, exit.signal) {
        (_, Some(signal)) => format!("it was ended by signal {signal}"),
        (Some(code), None) => format!("it ended with exit code {code}"),
        (None, None) => "it ended".to_owned(),
    };
    let ago = Duration::try_from(now.duration_since(exit.at)).unwrap_or_default();
    format!("{how} {} ago", length_of_time(ago.as_secs_f64()))
}

/// The width of each column's widest cell.
pub(super) fn widths<'a>(rows: impl Iterator<Item = &'a [String]>) -> Vec<usize> {
    let mut widths = Vec::new();
    for row in rows {
        widths.resize(row.len(), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

/// Joins cells in columns, painted after padding; no trailing spaces.
pub(super) fn aligned(cells: &[String], widths: &[usize], paint: impl Fn(usize, String) -> String) -> String {
    let last = cells.len() - 1;
    let columns = cells.iter().zip(widths).enumerate();
    let painted = columns.map(|(column, (cell, &width))| match column {
        column if column == last => paint(column, cell.clone()),
        column => {
            let padding = " ".repeat(width - cell.chars().count());
            paint(column, cell.clone()) + &padding
        }
    });
    painted.collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
