//! What is asked of this supervisor: see [`pipulate_store::request`]. It compares what a request was
//! decided on with how things are now.

use pipulate_core::marker::RunId;
use pipulate_store::request::Request;

use super::{Driver, random};
use crate::machine::{Event, Phase};

impl Driver {
    /// Does what is asked for. Of several, a stop wins.
    pub(super) fn look_at_requests(&mut self) {
        let has_settled = matches!(self.machine.phase(), Phase::Settled(_));
        let restart = self.journal.generation().cloned().map(Request::Restart);
        let is_to_begin = self.is_asked(&Request::Begin(self.next_run.clone())) && has_settled;
        let is_to_begin_anew = restart.is_some_and(|request| self.is_asked(&request));
        if self.is_asked(&Request::Stop(self.journal.supervisor().clone())) {
            return self.tell(Event::StopWanted);
        }
        if is_to_begin || is_to_begin_anew {
            self.tell(Event::RestartRequested);
        }
    }

    fn is_asked(&self, request: &Request) -> bool {
        request.take(&self.layout, &self.spec.name)
    }

    /// What was asked for could not be done, and the record says why. Whoever asked sees that by this.
    pub(super) fn give_up_on_requests(&mut self) {
        if let (Ok(run), Ok(generation)) = (random(), random()) {
            self.next_run = RunId::from_random(run);
            self.journal.will_begin(self.next_run.clone(), RunId::from_random(generation));
        }
    }
}
