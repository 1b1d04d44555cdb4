//! What a start finds running, and what it leaves to begin by itself.

use pipulate_core::service::ServiceName;
use pipulate_core::state::ServiceState;
use pipulate_process::reaper;
use pipulate_store::record::Record;

use super::{Launch, LaunchError, Pending, Started, is_current, run_of};
use crate::query;
use pipulate_supervisor::ownership::{Ownership, look_up};

impl Pending {
    /// Whether the record tells of an instance that this start began, and not of one that it found.
    fn has_begun(&self, record: &Record) -> bool {
        let run = run_of(record);
        let asked = self.supervisor.is_some() || self.woken.is_some();
        let has_ended_since = run.is_none() && asked && !record.is_in_background();
        self.run != run || has_ended_since
    }
}

impl Launch<'_> {
    /// Waits until every service has begun: until its record tells of this start. What ran before is
    /// looked at; how the others come out is for whoever asks later.
    ///
    /// # Errors
    /// The system can't wait.
    pub fn wait_for_beginning(self) -> Result<Vec<(ServiceName, Started)>, LaunchError> {
        let has_begun = |launch: &mut Self, pending: &Pending| match launch.outcome(pending) {
            Some(Started::Failed { record }) if pending.has_begun(&record) => Some(Started::TimedOut),
            Some(outcome) => Some(outcome),
            None => launch.is_told_of(pending).then_some(Started::TimedOut),
        };
        self.wait_for(has_begun, None, |_, _| {})
    }

    /// Whether the record is of this start, whatever it says.
    fn is_told_of(&self, pending: &Pending) -> bool {
        if pending.woken.as_ref().is_some_and(|woken| woken.is_unanswered(self.layout, &pending.service)) {
            return false;
        }
        let (record, ownership) = look_up(self.layout, &pending.service, &self.host);
        let ended = pending.supervisor.and_then(reaper::peek);
        record.is_some_and(|record| is_current(&record, &ownership, pending, ended))
    }

    /// What was up before, as `status` would tell of it now.
    pub(super) fn as_it_answers(&self, mut record: Record, ownership: &Ownership) -> Started {
        match query::why_not_ready(self.layout, &record, ownership) {
            None => Started::Up { record: Box::new(record), fresh: false },
            Some(why) => {
                (record.state, record.reasons) = (ServiceState::Degraded, why);
                Started::Failed { record: Box::new(record) }
            }
        }
    }
}
