//! One scan of the process table for the services of many records.
//!
//! For each record whose supervisor was killed, any living processes have to be found. Separately, that would
//! be one scan of all processes for each record, and there may be thousands of both.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use pipulate_core::identity::Pid;
use pipulate_core::marker::Part;
use pipulate_core::project::ProjectId;
use pipulate_core::service::ServiceName;
use pipulate_process::table;

use super::Service;
use crate::marker::marker_of;

/// The processes' claims to belong to a service, as of the first call. A claim is checked again before it is
/// believed.
#[derive(Debug, Default)]
pub struct Claims {
    seen: OnceLock<Seen>,
    ends_by: OnceLock<Instant>,
}

#[derive(Debug, Default)]
struct Seen {
    by_marker: HashMap<(ProjectId, ServiceName), Vec<Pid>>,
    /// Those without a marker, by the FIFO that they write to.
    by_fifo: HashMap<(u64, u64), Vec<Pid>>,
}

impl Claims {
    /// Returns the processes that claim to be this service's, the lowest pid first. `fifo` is the service's.
    pub(super) fn of(&self, service: &Service, fifo: Option<(u64, u64)>) -> Vec<Pid> {
        let seen = self.seen.get_or_init(Seen::look);
        let marked = seen.by_marker.get(&(service.project.clone(), service.name.clone()));
        let writing = fifo.and_then(|fifo| seen.by_fifo.get(&fifo));
        let mut pids: Vec<Pid> = marked.into_iter().chain(writing).flatten().copied().collect();
        pids.sort_unstable();
        pids
    }

    /// Returns how long processes may still take to end: `limit` from the first call on, for all of them.
    pub fn patience(&self, limit: Duration) -> Duration {
        let ends_by = self.ends_by.get_or_init(|| Instant::now() + limit);
        ends_by.saturating_duration_since(Instant::now())
    }
}

impl Seen {
    fn look() -> Self {
        let mut seen = Self::default();
        for pid in table::all_pids().into_iter().filter(|&pid| table::is_ours_by_user(pid)) {
            match marker_of(pid) {
                Some(marker) if marker.part == Part::Supervisor => {}
                Some(marker) => {
                    seen.by_marker.entry((marker.project, marker.service)).or_default().push(pid);
                }
                None => {
                    for fifo in table::fifos_held(pid) {
                        seen.by_fifo.entry(fifo).or_default().push(pid);
                    }
                }
            }
        }
        seen
    }
}
