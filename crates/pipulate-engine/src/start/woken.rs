//! Asking a supervisor that has nothing to do to begin again. It never ends what another start has begun.

use std::time::SystemTime;

use pipulate_core::identity::{Host, Pid};
use pipulate_core::layout::Layout;
use pipulate_core::marker::RunId;
use pipulate_core::service::ServiceName;
use pipulate_process::signals::Signal;
use pipulate_store::record::{self, Record};
use pipulate_store::request::Request;

use crate::reload;

/// A supervisor that was asked to begin again, and what the record said of the earlier start.
pub(super) enum Woken {
    Asked {
        next_run: Option<RunId>,
        _request: reload::Asked,
    },
    /// One that knows no requests.
    Signaled {
        written: Option<SystemTime>,
    },
}

/// When a service's record was written; `None` when it has none.
fn written_at(layout: &Layout, service: &ServiceName) -> Option<SystemTime> {
    std::fs::metadata(layout.record(service)).ok()?.modified().ok()
}

impl Woken {
    /// A supervisor whose service has settled stays for what the service left behind, or for the next
    /// save; it is asked to begin again, which ends nothing. `None`: it has other things to do, or has
    /// ended, and its place is taken.
    pub(super) fn if_settled(
        layout: &Layout,
        service: &ServiceName,
        record: Option<&Record>,
        supervisor: Pid,
        host: &Host,
    ) -> Option<Self> {
        let written = written_at(layout, service);
        let record = record.filter(|record| reload::is_of(record, supervisor))?;
        if !record.state.has_ended_by_itself() {
            return None;
        }
        let request = record.generation.as_ref().and(record.next_run.clone()).map(Request::Begin);
        let asked = reload::request(layout, service, supervisor, host, request.as_ref(), Signal::USR2);
        let asked = asked.ok()??;
        Some(match request {
            Some(_) => Self::Asked { next_run: record.next_run.clone(), _request: asked },
            None => Self::Signaled { written },
        })
    }

    /// Whether the record still tells of the earlier start.
    pub(super) fn is_unanswered(&self, layout: &Layout, service: &ServiceName) -> bool {
        match self {
            Self::Asked { next_run, .. } => record::read(layout, service)
                .is_ok_and(|now| now.is_some_and(|now| now.next_run == *next_run)),
            Self::Signaled { written } => *written == written_at(layout, service),
        }
    }
}
