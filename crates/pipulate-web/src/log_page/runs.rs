//! Finds the beginnings of services' runs among lines that are read in order.
//!
//! The log's index has the position of the last run's start. supervisor.log has the times of earlier starts,
//! as far as they are kept.

use std::collections::VecDeque;

use jiff::Timestamp;
use pipulate_core::service::ServiceName;
use pipulate_store::log::merge::Merged;
use pipulate_store::log::time_index::When;
use pipulate_store::own_log::{EventKind, ServiceEvent};

use super::LogLine;

/// The runs of each service, by its index.
pub(super) struct Runs(Vec<Service>);

struct Service {
    last: LastRun,
    /// The start times of earlier runs, oldest first.
    earlier: Vec<Timestamp>,
    /// The first line that was read, and the time of the last one.
    first: Option<(u64, Timestamp)>,
    seen: Option<Timestamp>,
    /// The next shown line begins a run.
    is_due: bool,
}

#[derive(Clone, Copy)]
enum LastRun {
    /// It begins at or after this position, and no line before that was read.
    Ahead(u64),
    /// Lines before this position were read.
    Near(u64),
    /// It has begun, or its position is unknown.
    Over,
}

impl Runs {
    pub(super) fn of(merged: &Merged, services: &[ServiceName], events: &[ServiceEvent]) -> Self {
        let service = |(place, name): (usize, &ServiceName)| {
            let last = merged.position_of(place, When::LastStart);
            let starts =
                events.iter().filter(|event| event.service == *name && event.kind == EventKind::Started);
            let mut earlier: Vec<_> = starts.map(|event| event.at).collect();
            if last.is_some() {
                earlier.pop();
            }
            (last, earlier)
        };
        Self::new(services.iter().enumerate().map(service))
    }

    /// From each service's position of the last start and times of the earlier ones.
    pub(super) fn new(starts: impl Iterator<Item = (Option<u64>, Vec<Timestamp>)>) -> Self {
        let service = |(last, earlier): (Option<u64>, _)| {
            let last = last.map_or(LastRun::Over, LastRun::Ahead);
            Service { last, earlier, first: None, seen: None, is_due: false }
        };
        Self(starts.map(service).collect())
    }

    pub(super) fn see(&mut self, line: &LogLine) {
        let service = &mut self.0[line.place];
        service.last = match service.last {
            LastRun::Ahead(start) | LastRun::Near(start) if line.offset < start => LastRun::Near(start),
            LastRun::Ahead(start) if line.offset > start => LastRun::Over,
            LastRun::Ahead(_) | LastRun::Near(_) => {
                service.is_due = true;
                LastRun::Over
            }
            LastRun::Over => LastRun::Over,
        };
        let Some(time) = line.time else { return };
        match service.seen.replace(time) {
            Some(seen) => service.is_due |= service.last_start(time).is_some_and(|start| start > seen),
            None => service.first = Some((line.offset, time)),
        }
    }

    /// Returns true if a shown line is the first one of a run.
    pub(super) fn take(&mut self, line: &LogLine) -> bool {
        std::mem::take(&mut self.0[line.place].is_due)
    }

    /// Marks the first read line of each service if it begins a run.
    pub(super) fn mark_first(&self, merged: &Merged, lines: &mut VecDeque<LogLine>) {
        for (place, service) in self.0.iter().enumerate() {
            let Some((offset, time)) = service.first else { continue };
            let Some(line) =
                lines.iter_mut().find(|line| line.place == place).filter(|line| line.offset == offset)
            else {
                continue;
            };
            let begin = service.last_start(time).and_then(|start| merged.position_of(place, When::At(start)));
            line.begins_run |= begin == Some(offset);
        }
    }
}

impl Service {
    /// The last of the earlier starts that was not after this time.
    fn last_start(&self, time: Timestamp) -> Option<Timestamp> {
        let count = self.earlier.partition_point(|start| *start <= time);
        count.checked_sub(1).map(|last| self.earlier[last])
    }
}
