//! A report left by another process for the next instance of the page.

use std::io;

use pipulate_core::answer::Note;
use pipulate_core::layout::Layout;
use pipulate_store::error::StoreError;
use pipulate_store::files;
use serde::{Deserialize, Serialize};

use crate::act::Report;
use crate::denial::Denial;
use crate::request::Request;

/// The result of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub request: Request,
    pub notes: Vec<Note>,
    pub result: Result<Report, Denial>,
}

impl Kept {
    /// Writes it to the home, replacing an earlier one.
    ///
    /// # Errors
    /// The folder is not writable, or the disk is full.
    pub fn leave(&self, layout: &Layout) -> Result<(), StoreError> {
        let path = layout.page_report();
        let text = serde_json::to_vec(self)
            .map_err(|error| StoreError::io("encode", &path)(io::Error::other(error)))?;
        files::write_private(&path, &text)
    }

    /// Reads and removes the report; an invalid one counts as none.
    pub fn take(layout: &Layout) -> Option<Self> {
        let path = layout.page_report();
        let bytes = files::read_private(&path).ok()??;
        files::remove(&path).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use pipulate_core::identity::Pid;
    use pipulate_core::reason::{Reason, examples};
    use pipulate_core::service::ServiceName;
    use pipulate_core::status::Doubt;

    use super::*;
    use crate::project::samples;
    use crate::report::Outcome;
    use crate::request::{Desired, Wait};
    use pipulate_core::work::Work;

    #[test]
    fn a_report_is_read_once_and_as_it_was_left() {
        let sample = samples::project("");
        let layout = pipulate_store::home::ensure(&sample.project.layout).unwrap();
        let name = |text| ServiceName::parse(text).unwrap();
        let record = Box::new(crate::reconcile::samples::stopped());
        let outcomes = vec![
            (name("a"), Outcome::Stopped { record: record.clone() }),
            (name("b"), Outcome::Up { record: record.clone(), fresh: true }),
            (name("c"), Outcome::Refused(Box::new(Reason::LockHeld { pid: Pid::new(7).unwrap() }))),
            (name("d"), Outcome::Unrecorded(Box::new(Reason::SupervisorFailed))),
            (name("e"), Outcome::Unmet { needed: name("a") }),
            (name("f"), Outcome::Refused(Box::new(Reason::InAnotherContainer))),
        ];
        let error = examples::faults().swap_remove(0);
        let work = vec![Work::TerminalJob { pid: Pid::new(9).unwrap(), command: "vim".to_owned() }];
        let doubts = vec![
            Doubt::Unreadable { problem: error.clone() },
            Doubt::Service { service: name("a"), why: Reason::RecordsDeleted },
        ];
        for result in [
            Ok(Report { outcomes: outcomes.clone(), ended_kernels: vec!["a.ipynb".to_owned()], idle: None }),
            Err(Denial::NoRoom { error }),
            Err(Denial::WorkInProgress { work }),
            Err(Denial::UnknownState { why: doubts }),
            Err(Denial::NeedsDown { outcomes }),
        ] {
            let request = Request::new(Desired::Restarted, vec![name("server")], Wait::No);
            let notes = vec![Note::HasKernels { service: name("jupyter"), kernels: 2 }];
            let kept = Kept { request, notes, result };
            kept.leave(&layout).unwrap();
            assert_eq!(Kept::take(&layout), Some(kept));
            assert_eq!(Kept::take(&layout), None);
        }
    }
}
